"""The decoder: four steps up, each taking in the encoder's features of that size."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.network.difference import all_weights, convolution
from training.network.encoder import IN_CHANNELS, Features
from training.network.norm import BatchNorm, relu
from training.network.resize import resize

WIDTHS = (256, 128, 64, 48)
"""Channels coming in and after each of the first three steps."""

HIDDEN = 32
"""Channels of the hidden features handed to the refiner."""

SEEN = 1 + 3 + 1
"""Alpha, foreground residual, error."""

OUT_CHANNELS = SEEN + HIDDEN


class Decoder(nn.Module):
    """Upsample, concatenate the shortcut, convolve; batch norm and ReLU on the first three steps.

    Source: Lin et al. 2021, section 4.1.
    """

    def __init__(self, shortcuts: tuple[int, int, int, int]) -> None:
        """Take the shortcuts' channels, coarsest first (strides 8, 4, 2, 1)."""
        super().__init__()
        self.conv1 = nn.Conv2d(WIDTHS[0] + shortcuts[0], WIDTHS[1], 3, padding=1, bias=False)
        self.bn1 = BatchNorm(WIDTHS[1])
        self.conv2 = nn.Conv2d(WIDTHS[1] + shortcuts[1], WIDTHS[2], 3, padding=1, bias=False)
        self.bn2 = BatchNorm(WIDTHS[2])
        self.conv3 = nn.Conv2d(WIDTHS[2] + shortcuts[2], WIDTHS[3], 3, padding=1, bias=False)
        self.bn3 = BatchNorm(WIDTHS[3])
        more = shortcuts[3] - IN_CHANNELS
        self.conv4 = convolution(WIDTHS[3] + IN_CHANNELS, OUT_CHANNELS, 3, more, padding=1)

    def forward(self, context: Tensor, features: Features, hidden: bool = True) -> Tensor:
        """``context`` (B, 256, h, w) at stride 16 and the encoder's features -> (B, 37, H, W), raw.

        Without ``hidden`` only the first 5 channels are computed, (B, 5, H, W): the last convolution is a third of
        all work, and most of it is hidden features.
        """
        x = relu(self.bn1(self.conv1(_join(context, features.stride8))))
        x = relu(self.bn2(self.conv2(_join(x, features.stride4))))
        x = relu(self.bn3(self.conv3(_join(x, features.stride2))))
        x = _join(x, features.stride1)
        if hidden:
            out: Tensor = self.conv4(x)
            return out
        assert self.conv4.bias is not None
        return F.conv2d(x, all_weights(self.conv4)[:SEEN], self.conv4.bias[:SEEN], padding=1)


def _join(x: Tensor, shortcut: Tensor) -> Tensor:
    height, width = shortcut.shape[-2:]
    return torch.cat([resize(x, (height, width)), shortcut.to(x.dtype)], dim=1)
