"""Encoders of other networks: each naming fits, and what was learned on three channels still says the same."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.mobilenetv2 import mobilenet_v2
from torchvision.models.resnet import resnet50
from torchvision.models.segmentation import deeplabv3_resnet50

from training.network import BaseNetwork, build_base, weights
from training.network.pretrained import DEVIATION, MEAN, adapt


@pytest.fixture(scope="module")
def imagenet() -> nn.Module:
    """A MobileNetV2 with statistics of its own, as a trained one has."""
    torch.manual_seed(3)
    network = mobilenet_v2(weights=None)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


def save(state: dict[str, Tensor], path: Path) -> Path:
    torch.save(state, path)
    return path


def test_the_encoder_computes_what_the_imagenet_one_did(imagenet: nn.Module, tmp_path: Path) -> None:
    network = build_base("mobilenetv2").eval()
    words, filled = weights.start_from(network, save(imagenet.state_dict(), tmp_path / "mobilenet.pth"))
    assert filled == {"backbone"}
    image = torch.rand(1, 3, 96, 96)
    mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    with torch.no_grad():
        expected = imagenet.features[:2]((image - mean) / deviation)
        found = network.backbone.features[:2](torch.cat([image, image], dim=1))
    # Padding was 0 after normalisation and is 0 before it now: the border differs.
    torch.testing.assert_close(found[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2], atol=1e-4, rtol=1e-4)
    assert "MobileNetV2 (torchvision)" in words
    assert "missing (aspp." in words
    assert "8 have no place here" in words  # the last feature layer and the classifier


def vainf(base: BaseNetwork) -> dict[str, Tensor]:
    """What DeepLabV3 with MobileNetV2 is saved as there: two halves of the features, ASPP inside two classifiers."""
    state = {}
    for name, value in base.state_dict().items():
        if name.startswith("backbone.features."):
            half = "low" if int(name.split(".")[2]) < 4 else "high"
            state[name.replace("backbone.features.", f"backbone.{half}_level_features.")] = value
        elif name.startswith("aspp."):
            state[name.replace("aspp.", "classifier.classifier.0.")] = value
    state["backbone.low_level_features.0.0.weight"] = state["backbone.low_level_features.0.0.weight"][:, :3]
    state["classifier.classifier.4.weight"] = torch.zeros(21, 256, 1, 1)
    return state


def test_deeplab_of_vainf_brings_encoder_and_aspp(tmp_path: Path) -> None:
    other, network = build_base("mobilenetv2"), build_base("mobilenetv2")
    for parameter in other.parameters():
        nn.init.normal_(parameter)
    words, filled = weights.start_from(network, save({"model_state": vainf(other)}, tmp_path / "deeplab.pth"))
    assert filled == {"backbone", "aspp"}
    for name in ("backbone.features.17.conv.0.0.weight", "aspp.project.0.weight"):
        assert torch.equal(network.state_dict()[name], other.state_dict()[name])
    assert network.backbone.features[0][0].weight.shape[1] == 6
    assert "1 have no place here" in words


@pytest.mark.parametrize("build", [resnet50, lambda: deeplabv3_resnet50(weights=None, weights_backbone=None)])
def test_every_tensor_of_a_resnet_finds_its_place(build, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    network = build_base("resnet50")
    adapted = adapt(build().state_dict())
    assert adapted is not None
    own = network.state_dict()
    encoder = {name for name in own if name.startswith("backbone.")}
    assert encoder <= set(adapted.state)
    assert all(own[name].shape == adapted.state[name].shape for name in adapted.state)
    assert all(name.startswith(("fc.", "classifier.", "aux_")) for name in adapted.unused)


def test_another_backbone_names_what_it_lacks(imagenet: nn.Module, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"lacks 3\d\d tensors of a resnet50 .*check 'backbone'|nothing in"):
        weights.start_from(build_base("resnet50"), save(imagenet.state_dict(), tmp_path / "mobilenet.pth"))


def test_own_weights_are_not_adapted() -> None:
    assert adapt(build_base("mobilenetv2").state_dict()) is None


def test_one_channel_is_refused(imagenet: nn.Module) -> None:
    state = dict(imagenet.state_dict())
    state["features.0.0.weight"] = state["features.0.0.weight"][:, :1]
    with pytest.raises(ValueError, match="takes 1 channels"):
        adapt(state)
