"""How far source and captured background are apart, shown to the network beside the two themselves.

A variant: the published networks see six channels and find the difference by themselves. The further channels have
weights of their own (:class:`WideConv2d`), so that the published names and shapes stay what they are.
"""

from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Kind = Literal["none", "raw", "matched"]
"""``raw``: the absolute difference by channel. ``matched``: the same after a gain, and one with shifts forgiven."""

CHANNELS: dict[Kind, int] = {"none": 0, "raw": 3, "matched": 4}
"""Further channels of each kind."""

FORGIVEN = 2
"""Pixels of shift that the last channel of ``matched`` forgives, at the size that the network sees."""

ROUNDS = 3
"""Rounds of weighted least squares for the gain."""

OUTLIER = 0.1
"""A pixel that is this far from the fit counts half: it may be the person."""

GAINS = (0.5, 2.0)
"""A gain outside is a failed fit: the person fills the frame."""

HALF = 0.1
"""The difference that becomes 0.5: what noise does stays apart from what an edge does, and large ones are alike."""


def show(frame: Tensor, kind: Kind) -> Tensor:
    """``frame`` (B, 6, H, W), source then captured background in [0, 1] -> (B, 6 + ``CHANNELS[kind]``, H, W).

    The new channels are in [0, 1].
    """
    if kind == "none":
        return frame
    src, bgr = frame[:, :3], frame[:, 3:]
    if kind == "raw":
        return torch.cat([frame, (src - bgr).abs()], dim=1)
    bgr = bgr * gain(src, bgr)
    side = 2 * FORGIVEN + 1
    above = src - F.max_pool2d(bgr, side, stride=1, padding=FORGIVEN)
    below = -F.max_pool2d(-bgr, side, stride=1, padding=FORGIVEN) - src
    outside = torch.maximum(above, below).amax(dim=1, keepdim=True).clamp(min=0)
    apart = torch.cat([(src - bgr).abs(), outside], dim=1)
    return torch.cat([frame, apart / (apart + HALF)], dim=1)


def gain(src: Tensor, bgr: Tensor) -> Tensor:
    """The factor (B, 3, 1, 1) on the captured background that explains most of the source; (B, 3, H, W) each.

    Least squares, in which pixels that fit badly count less each round.
    """
    found: Tensor = src.new_ones(src.shape[0], 3, 1, 1)
    for _ in range(ROUNDS):
        wrong = (src - found * bgr).abs().amax(dim=1, keepdim=True)
        seen = bgr / (1 + (wrong / OUTLIER).square())
        found = (seen * src).sum(dim=(2, 3), keepdim=True) / ((seen * bgr).sum(dim=(2, 3), keepdim=True) + 1e-6)
        found = found.clamp(*GAINS)
    return found


class WideConv2d(nn.Conv2d):
    """A convolution with ``more`` input channels behind its own, whose weights are apart: ``extra`` (C, more, k, k).

    ``weight`` is that of the narrow convolution: with ``extra`` 0 both compute the same.
    """

    def __init__(self, *args: Any, more: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.extra = nn.Parameter(torch.zeros(self.out_channels, more, *self.kernel_size))

    def forward(self, input: Tensor) -> Tensor:
        """Convolve (B, own channels + more, H, W)."""
        out: Tensor = self._conv_forward(input, all_weights(self), self.bias)
        return out

    def plain(self) -> nn.Conv2d:
        """One convolution over all channels, with copies of the weights, that computes the same."""
        made = nn.Conv2d(
            self.in_channels + self.extra.shape[1],
            self.out_channels,
            self.kernel_size,  # type: ignore[arg-type]  # torch's stubs: a pair there is a tuple of any length here
            self.stride,  # type: ignore[arg-type]
            self.padding,  # type: ignore[arg-type]
            bias=self.bias is not None,
            device=self.weight.device,
        )
        with torch.no_grad():
            made.weight.copy_(all_weights(self))
            if made.bias is not None and self.bias is not None:
                made.bias.copy_(self.bias)
        return made


def convolution(inputs: int, outputs: int, kernel: int, more: int, **options: Any) -> nn.Conv2d:
    """A convolution for ``inputs`` channels and ``more`` further ones; the stock layer where there are none."""
    if more:
        return WideConv2d(inputs, outputs, kernel, more=more, **options)
    return nn.Conv2d(inputs, outputs, kernel, **options)


def all_weights(layer: nn.Conv2d) -> Tensor:
    """The weights over all input channels, of either kind of convolution."""
    return torch.cat([layer.weight, layer.extra], dim=1) if isinstance(layer, WideConv2d) else layer.weight
