"""Encoders: features at strides 1, 2, 4, 8 and 16 of the six input channels.

torchvision supplies the blocks, never its weights; parameter names are those of the published checkpoints.
"""

from typing import Literal, NamedTuple, get_args

from torch import Tensor, nn
from torchvision.models.mobilenetv2 import mobilenet_v2
from torchvision.models.resnet import Bottleneck, ResNet

from training.network.difference import convolution
from training.network.norm import BatchNorm

Backbone = Literal["mobilenetv2", "resnet50", "resnet101"]

IN_CHANNELS = 6
"""Source and captured background."""


class Features(NamedTuple):
    """What an encoder gives: maps (B, C, H / stride, W / stride), sizes rounded up."""

    stride1: Tensor
    stride2: Tensor
    stride4: Tensor
    stride8: Tensor
    stride16: Tensor


class ResNetEncoder(nn.Module):
    """ResNet-50 or ResNet-101 for six channels, the last block dilated in place of strided.

    Source: He et al. 2016 (the blocks); Lin et al. 2021, section 4.1 (the changes).
    """

    def __init__(self, depths: tuple[int, int, int, int], more: int = 0) -> None:
        super().__init__()
        self.widths = (IN_CHANNELS + more, 64, 256, 512, 2048)
        """Channels of the features, finest first."""
        blocks = ResNet(
            Bottleneck, list(depths), replace_stride_with_dilation=[False, False, True], norm_layer=BatchNorm
        )
        self.conv1 = convolution(IN_CHANNELS, 64, 7, more, stride=2, padding=3, bias=False)
        self.bn1: nn.Module = blocks.bn1
        self.relu: nn.Module = blocks.relu
        self.maxpool: nn.Module = blocks.maxpool
        self.layer1: nn.Module = blocks.layer1
        self.layer2: nn.Module = blocks.layer2
        self.layer3: nn.Module = blocks.layer3
        self.layer4: nn.Module = blocks.layer4

    def forward(self, x: Tensor) -> Features:
        """Features of ``x`` (B, 6 + more, H, W), source then captured background, in [0, 1]."""
        stride2 = self.relu(self.bn1(self.conv1(x)))
        stride4 = self.layer1(self.maxpool(stride2))
        stride8 = self.layer2(stride4)
        return Features(x, stride2, stride4, stride8, self.layer4(self.layer3(stride8)))


class MobileNetV2Encoder(nn.Module):
    """MobileNetV2 for six channels, without its last feature layer, dilated from block 15 on.

    Source: Sandler et al. 2018 (the blocks); Lin et al. 2021, section 4.1 (the changes).
    """

    def __init__(self, more: int = 0) -> None:
        super().__init__()
        self.widths = (IN_CHANNELS + more, 16, 24, 32, 320)
        """Channels of the features, finest first."""
        self.features: nn.Sequential = mobilenet_v2(weights=None, norm_layer=BatchNorm).features[:18]
        self.features[0][0] = convolution(IN_CHANNELS, 32, 3, more, stride=2, padding=1, bias=False)
        _depthwise(self.features[14]).stride = (1, 1)
        for block in self.features[15:]:
            depthwise = _depthwise(block)
            depthwise.dilation = (2, 2)
            depthwise.padding = (2, 2)

    def forward(self, x: Tensor) -> Features:
        """Features of ``x`` (B, 6 + more, H, W), source then captured background, in [0, 1]."""
        stride2 = self.features[1](self.features[0](x))
        stride4 = self.features[3](self.features[2](stride2))
        stride8 = stride4
        for index in range(4, 7):
            stride8 = self.features[index](stride8)
        stride16 = stride8
        for index in range(7, 18):
            stride16 = self.features[index](stride16)
        return Features(x, stride2, stride4, stride8, stride16)


def _depthwise(block: nn.Module) -> nn.Conv2d:
    """The 3x3 convolution of an inverted residual block."""
    found = [layer for layer in block.modules() if isinstance(layer, nn.Conv2d) and layer.kernel_size == (3, 3)]
    (layer,) = found
    return layer


def build_encoder(backbone: Backbone, more: int = 0) -> ResNetEncoder | MobileNetV2Encoder:
    """The encoder named ``backbone``, for ``more`` channels than six; ValueError for a name that is none."""
    if backbone == "mobilenetv2":
        return MobileNetV2Encoder(more)
    if backbone == "resnet50":
        return ResNetEncoder((3, 4, 6, 3), more)
    if backbone == "resnet101":
        return ResNetEncoder((3, 4, 23, 3), more)
    raise ValueError(f"backbone: {backbone!r} is none of {', '.join(get_args(Backbone))}")
