import copy

import pytest
import torch
from torch import nn

from training.build import build_network
from training.devices.device import build_fabric
from training.loop import rebuild
from training.recompute import recompute
from training.samples.data import Batch, Images, micro_batches
from training.watch.clock import Clock


def make_batch(count=4, side=64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    layers = [
        torch.randint(0, 256, (count, side, side, c), generator=generator, dtype=torch.uint8) for c in (3, 3, 3, 1)
    ]
    return Batch(*layers, torch.arange(count), torch.ones(count, 2))


def images_of(batch):
    from training.samples.data import to_images

    return to_images(batch)


def take_steps(kind, params, count=3):
    fabric = build_fabric(params, "cpu")
    run = rebuild(kind, params, fabric)
    terms = []
    for number in range(count):
        batch = make_batch(seed=number)
        terms.append(run.learn(batch, images_of(batch), Clock(fabric.device)))
        run.step += 1
    return terms, run.network.state_dict()


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("base", {"precision": "bf16-mixed"}),
        ("refine", {"ema": 0.9}),
        ("base", {"backbone": "resnet50"}),
        ("base", {"freeze": ["backbone"]}),
    ],
)
def test_weights_and_statistics_are_the_same_bit_for_bit(kind, changes, make_params):
    params = make_params(**changes)
    plain_terms, plain = take_steps(kind, params)
    terms, again = take_steps(kind, params.model_copy(update={"checkpointing": True}))
    assert terms == plain_terms
    assert plain.keys() == again.keys()
    assert [name for name in plain if not torch.equal(plain[name], again[name])] == []
    assert any(name.endswith("num_batches_tracked") and value == 3 for name, value in plain.items())


def test_blocks_keep_only_their_inputs(make_params):
    """Saved elements are counted, for a resident set says little of a network this small."""

    def kept(checkpointing):
        network = build_network("base", make_params()).train()
        if checkpointing:
            recompute(network)
        sizes = {}

        def pack(tensor):
            sizes[tensor.data_ptr()] = tensor.numel()
            return tensor

        images = images_of(make_batch())
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            network(images.src, images.bgr)
        return sum(sizes.values())

    assert kept(True) < 0.5 * kept(False)


def test_a_copy_runs_its_own_layers(make_params):
    network = build_network("base", make_params()).train()
    recompute(network)
    other = copy.deepcopy(network)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.zero_()
    images = images_of(make_batch())
    assert other(images.src, images.bgr).pha.abs().sum() == 0
    assert network(images.src, images.bgr).pha.abs().sum() > 0


def test_micro_batches_give_the_gradient_of_the_whole(make_params, monkeypatch):
    """Equal to float tolerance where batch norm and dropout look at no batch."""
    images = images_of(make_batch())
    found = {}
    for count in (1, 2):
        params = make_params(batch=4, accumulate=count, clip=None, optimizer="adam", weight_decay=0.0)
        run = rebuild("base", params, build_fabric(params, "cpu"))
        for module in run.network.modules():
            if isinstance(module, nn.BatchNorm2d | nn.Dropout):
                module.eval()
        gradients = {}
        monkeypatch.setattr(
            run.stepper,
            "step",
            lambda run=run, gradients=gradients: gradients.update(
                {name: p.grad.clone() for name, p in run.network.named_parameters() if p.grad is not None}
            ),
        )
        terms = run.learn(make_batch(), images, Clock(run.fabric.device))
        found[count] = terms, gradients
    (terms, whole), (parts_terms, parts) = found[1], found[2]
    assert parts_terms == pytest.approx(terms, rel=1e-5)
    assert whole.keys() == parts.keys()
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-3, atol=1e-5 * float(value.abs().max()))


def test_batch_norm_sees_a_part_at_a_time(make_params):
    _, state = take_steps("base", make_params(batch=4, accumulate=2), count=1)
    assert state["decoder.bn1.num_batches_tracked"] == 2


def test_parts_are_the_batch_in_order():
    images = images_of(make_batch())
    parts = micro_batches(images, 2)
    assert torch.equal(torch.cat([part.pha for part in parts]), images.pha)
    assert all(isinstance(part, Images) for part in parts)
