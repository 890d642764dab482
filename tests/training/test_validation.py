"""Validation in mid-training: what it runs under, and that it leaves the network as it found it."""

import pytest
import torch

from training.device import build_fabric
from training.network import build_base, build_refine
from training.validation import choose, validate


@pytest.mark.parametrize("kind", ["base", "refine"])
def test_validation_runs_under_autocast_one_image_at_a_time(kind, disc_reader, make_params):
    network = (build_base if kind == "base" else build_refine)("mobilenetv2").train()
    seen = []

    def look(module, inputs, output):
        seen.append((len(inputs[0]), output.dtype, torch.is_grad_enabled()))

    network.decoder.conv1.register_forward_hook(look)
    reader = disc_reader("valid")
    chosen = choose(reader)
    found = validate(build_fabric(make_params(precision="bf16-mixed"), "cpu"), network, reader, chosen, 0.5)
    assert seen == [(1, torch.bfloat16, False)] * sum(len(positions) for positions in chosen.values())
    assert network.training
    assert set(found) == {"mad", "mad_exact", "mad_mild", "mad_hard"}
