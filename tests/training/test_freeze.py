import pytest

from training.build import build_network
from training.freeze import freeze
from training.network import build_base, build_refine, weights


def learning(network):
    return {name.split(".")[0] for name, parameter in network.named_parameters() if parameter.requires_grad}


def test_frozen_parts_learn_nothing_and_stay_in_evaluation():
    network = build_refine("mobilenetv2")
    freeze(network, ["aspp", "refiner"], frozenset(network.parts), "train_refine")
    assert learning(network) == {"backbone", "decoder"}
    network.train()
    modes = {name: {module.training for module in part.modules()} for name, part in network.named_children()}
    assert modes == {"backbone": {True}, "aspp": {False}, "decoder": {True}, "refiner": {False}}


@pytest.mark.parametrize(
    ("parts", "filled", "words"),
    [
        (
            ["refiner"],
            {"backbone", "aspp", "decoder"},
            "names refiner, which this network lacks; it has backbone, aspp",
        ),
        (["backbone", "aspp"], {"backbone"}, "names aspp, which would stay random"),
        (["backbone", "aspp", "decoder"], {"backbone", "aspp", "decoder"}, "names every part"),
    ],
)
def test_what_cannot_be_frozen_is_named(parts, filled, words):
    with pytest.raises(ValueError, match=rf"train_base\.freeze {words}"):
        freeze(build_base("mobilenetv2"), parts, frozenset(filled), "train_base")


def test_base_weights_leave_the_refiner_random(make_params, tmp_path):
    init = tmp_path / "base.safetensors"
    weights.save(build_base("mobilenetv2"), init)
    made = build_network("refine", make_params(freeze=["backbone", "aspp", "decoder"]), init)
    assert learning(made) == {"refiner"}
    with pytest.raises(ValueError, match="names refiner, which would stay random"):
        build_network("refine", make_params(freeze=["refiner"]), init)


def test_random_weights_are_not_frozen(make_params):
    with pytest.raises(ValueError, match="names backbone, which would stay random"):
        build_network("base", make_params(freeze=["backbone"]))
