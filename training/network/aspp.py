"""Atrous spatial pyramid pooling: context from several distances at once."""

import torch
from torch import Tensor, nn

from training.network.dropout import Dropout
from training.network.norm import BatchNorm

DROPOUT = 0.5
"""Share of the projection's values that training drops, in the published network."""


class ASPP(nn.Module):
    """One 1x1 branch, one 3x3 branch a dilation rate, one branch of the frame's mean; joined by a 1x1 projection.

    Source: Chen et al. 2017 (DeepLabV3), figure 5, with the rates 3, 6, 9 of Lin et al. 2021. Names are
    torchvision's, as in the published checkpoints.
    """

    def __init__(self, channels: int, width: int = 256, rates: tuple[int, ...] = (3, 6, 9)) -> None:
        super().__init__()
        branches = [_branch(channels, width)]
        branches += [_branch(channels, width, rate) for rate in rates]
        branches.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), *_branch(channels, width)))
        self.convs = nn.ModuleList(branches)
        self.project = nn.Sequential(*_branch(len(branches) * width, width), Dropout(DROPOUT))

    def set_dropout(self, share: float) -> None:
        """Drop this share of the projection's values in training; prediction drops none."""
        for module in self.project:
            if isinstance(module, Dropout):
                module.p = share

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) -> (B, width, h, w)."""
        seen = [branch(x) for branch in self.convs[:-1]]
        pooled = self.convs[-1](x)
        # One value a channel: stretching it bilinearly, as the published code does, is the same as repeating it.
        seen.append(pooled.expand(-1, -1, *x.shape[-2:]))
        out: Tensor = self.project(torch.cat(seen, dim=1))
        return out


def _branch(channels: int, width: int, rate: int | None = None) -> nn.Sequential:
    kernel, pad, dilation = (1, 0, 1) if rate is None else (3, rate, rate)
    convolution = nn.Conv2d(channels, width, kernel, padding=pad, dilation=dilation, bias=False)
    return nn.Sequential(convolution, BatchNorm(width), nn.ReLU(inplace=True))
