"""Validation in mid-training: what it runs under, and that it leaves the network as it found it."""

import pandas as pd
import pytest
import torch

from training.devices.device import build_fabric
from training.network import build_base, build_refine
from training.watch.validation import choose, validate


class Recipes:
    """A reader that knows strengths alone."""

    def __init__(self, strengths):
        self.strengths = strengths

    def recipes(self):
        return pd.DataFrame({"strength": self.strengths})


def test_hard_cases_come_on_top_of_the_samples_that_are_watched():
    strengths = ["exact", "mild", "hard"] * 9
    plain = choose(Recipes(strengths))
    mixed = choose(Recipes(strengths + ["cases"] * 10))
    assert len(mixed.pop("cases")) == 8 and mixed == plain


def test_the_mean_leaves_hard_cases_out(disc_reader, make_params):
    network = build_base("mobilenetv2")
    chosen = {"exact": [0], "hard": [2], "cases": [4]}
    found = validate(build_fabric(make_params(), "cpu"), network, disc_reader("valid"), chosen, 0.5)
    assert found["mad"] == pytest.approx((found["mad_exact"] + found["mad_hard"]) / 2)
    assert found["mad_cases"] != found["mad"]


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
