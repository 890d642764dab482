"""Encoder weights of other networks: ImageNet classifiers and DeepLabV3, renamed and widened to six channels.

They were trained on three channels, normalised by ImageNet's mean and deviation. The networks here see six channels
in [0, 1]: the first convolution is widened so that source and captured background each count half, and the
normalisation moves into it and into the batch norm behind it. Where the background is the source, the encoder then
gives what the pretrained one gave, but for the zeros that its padding stood for.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)

FIRST = {
    "backbone.conv1.weight": "backbone.bn1.running_mean",
    "backbone.features.0.0.weight": "backbone.features.0.1.running_mean",
}
"""The first convolution of each encoder, and the mean of the batch norm behind it."""


class Source(NamedTuple):
    """A naming of weights that are not of this project's networks."""

    name: str
    mark: str
    """How one of its names begins, and none of the sources before it."""
    renamed: Mapping[str, str]
    """How names begin there -> how they do here; what begins otherwise is not needed."""


SOURCES = (
    Source(
        "DeepLabV3 (VainF), MobileNetV2",
        "backbone.high_level_features.",
        {
            "backbone.low_level_features.": "backbone.features.",
            "backbone.high_level_features.": "backbone.features.",
            "classifier.classifier.0.": "aspp.",
        },
    ),
    Source(
        "DeepLabV3 (VainF), ResNet",
        "classifier.classifier.0.",
        {"classifier.classifier.0.": "aspp.", "backbone.": "backbone."},
    ),
    Source(
        "DeepLabV3 (torchvision), ResNet", "classifier.0.convs.", {"classifier.0.": "aspp.", "backbone.": "backbone."}
    ),
    Source("MobileNetV2 (torchvision)", "features.0.0.", {"features.": "backbone.features."}),
    Source(
        "ResNet (torchvision)",
        "layer1.0.",
        {name: f"backbone.{name}" for name in ("conv1.", "bn1.", "layer1.", "layer2.", "layer3.", "layer4.")},
    ),
)


class Adapted(NamedTuple):
    """Weights under this project's names."""

    source: str
    """Whose they are."""
    state: dict[str, Tensor]
    unused: list[str]
    """Names there that have no counterpart: a classifier's last layers."""


def adapt(state: Mapping[str, Tensor]) -> Adapted | None:
    """Rename and widen pretrained weights; None where they are of none of ``SOURCES`` (this project's own, say).

    Raises:
        ValueError: the first convolution takes neither three channels nor six.
    """
    source = next((s for s in SOURCES if any(name.startswith(s.mark) for name in state)), None)
    if source is None:
        return None
    renamed, unused = {}, []
    for name, value in state.items():
        begin = next((begin for begin in source.renamed if name.startswith(begin)), None)
        if begin is None or name.startswith("features.18."):
            unused.append(name)
        else:
            renamed[source.renamed[begin] + name.removeprefix(begin)] = value
    for first, mean in FIRST.items():
        if first in renamed:
            _widen(renamed, first, mean)
    return Adapted(source.name, renamed, sorted(unused))


def _widen(state: dict[str, Tensor], first: str, mean: str) -> None:
    weight = state[first].float()
    if weight.shape[1] == 6:
        return
    if weight.shape[1] != 3:
        raise ValueError(f"weights: {first} takes {weight.shape[1]} channels; 3 (RGB) or 6 can be used")
    scaled = weight / torch.tensor(DEVIATION).view(1, 3, 1, 1)
    # What the subtracted mean gave at each place is constant: the batch norm subtracts it now.
    shift = (scaled * torch.tensor(MEAN).view(1, 3, 1, 1)).sum(dim=(1, 2, 3))
    state[first] = torch.cat([scaled, scaled], dim=1) / 2
    if mean in state:
        state[mean] = state[mean].float() + shift
