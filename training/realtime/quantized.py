"""Convolutions of bytes: 8 bits in, 8-bit weights, products summed exactly in 32 bits, results in float32.

Weights are quantised for each output channel, symmetrically. The inputs' scale and zero are found anew in each frame,
so that a frame's result does not hang on those before it and nothing needs calibration.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.network.aspp import ASPP
from training.realtime import kernels
from training.realtime.laststep import LastStep
from training.realtime.tables import taps

Float = NDArray[np.float32]
Int = NDArray[np.int64]
Spread = Callable[..., None]


class Steps(NamedTuple):
    """How a range of values is cut into bytes: value = scale * (byte - zero)."""

    scale: float
    zero: int


def steps(least: float, most: float) -> Steps:
    """Bytes for values from ``least`` to ``most``, 0 among them exactly and never as byte 0, see QuantizedConv."""
    least, most = min(least, 0.0), max(most, 0.0)
    scale = max(most - least, 1e-12) / 254
    return Steps(scale, 1 + round(-least / scale))


def steps_of(*maps: Float) -> Steps:
    """Bytes for all values of some arrays."""
    return steps(min(float(one.min()) for one in maps), max(float(one.max()) for one in maps))


class QuantizedConv:
    """A convolution of bytes, with or without a ReLU after it."""

    def __init__(self, weight: Tensor, bias: Tensor, padding: int = 0, dilation: int = 1, relu: bool = False) -> None:
        """``weight`` (C', C, k, k) and ``bias`` (C',), float32."""
        self.bias = bias.float()
        self.scales = (weight.abs().amax((1, 2, 3)) / 127).clamp_min(1e-12)
        self.zeros = torch.zeros(len(weight), dtype=torch.int64)
        self.padding, self.dilation = [padding, padding], [dilation, dilation]
        self.activation = "relu" if relu else "none"
        self.weight = (weight / self.scales[:, None, None, None]).round().to(torch.int8)
        self._laid: dict[tuple[int, ...], Tensor] = {}

    def __call__(self, x: Tensor, cut: Steps, dtype: torch.dtype = torch.float32) -> Tensor:
        """``x`` (1, C, h, w) uint8, channels last -> (1, C', h', w') of ``dtype``. Outside of ``x`` the value is 0."""
        size = tuple(x.shape)
        if size not in self._laid:
            # Laid out for a zero that is not byte 0: what that costs must be known when the weights are laid out.
            self._laid[size] = torch.ops.onednn.qconv_prepack(
                self.weight, self.scales, 1.0, 1, [1, 1], self.padding, self.dilation, 1, list(size)
            )
        found: Tensor = torch.ops.onednn.qconv_pointwise(
            x, cut.scale, cut.zero, self._laid[size], self.scales, self.zeros, self.bias, [1, 1], self.padding,
            self.dilation, 1, 1.0, 0, dtype, self.activation, [], "",
        )  # fmt: skip
        return found


class ByteASPP:
    """The pyramid with its three dilated convolutions in bytes; they are five sixths of its products."""

    def __init__(self, aspp: ASPP, dtype: torch.dtype) -> None:
        """Take over a folded ASPP, see :func:`training.network.inference.for_inference`."""
        self.aspp = aspp.to(dtype)
        self.dtype = dtype
        self.wide: dict[int, QuantizedConv] = {}
        for index, branch in enumerate(self.aspp.convs[:-1]):
            conv = next(layer for layer in branch.modules() if isinstance(layer, nn.Conv2d))
            if conv.kernel_size != (1, 1):
                assert conv.bias is not None
                rate = conv.dilation[0]
                self.wide[index] = QuantizedConv(conv.weight.float(), conv.bias, rate, rate, relu=True)

    def __call__(self, x: Tensor) -> Tensor:
        """(1, C, h, w) -> (1, 256, h, w)."""
        cut = steps(float(x.min()), float(x.max()))
        # Half a step is added so that cutting off the fraction rounds.
        bytes_ = x.float().mul_(1 / cut.scale).add_(cut.zero + 0.5).to(torch.uint8)
        bytes_ = bytes_.contiguous(memory_format=torch.channels_last)
        seen = [
            self.wide[index](bytes_, cut, self.dtype) if index in self.wide else branch(x)
            for index, branch in enumerate(self.aspp.convs[:-1])
        ]
        seen.append(self.aspp.convs[-1](x).expand(-1, -1, *x.shape[-2:]))
        out: Tensor = self.aspp.project(torch.cat(seen, dim=1))
        return out


class ByteTiles:
    """:class:`training.realtime.decoding.FloatTiles` in bytes."""

    def __init__(self, weight: Tensor, bias: Tensor, spread: Spread) -> None:
        """``weight`` (C', C, k, k) and ``bias`` (C',), float32."""
        self.conv, self.spread = QuantizedConv(weight, bias), spread

    def __call__(self, maps: Float, shown: Float, axes: tuple[Any, ...], corners: Int, side: int) -> Tensor:
        """As :class:`training.realtime.decoding.FloatTiles`."""
        cut = steps_of(maps, shown)
        out = np.empty((len(corners), side, side, maps.shape[2] + shown.shape[2]), np.uint8)
        share = np.float32(1 / cut.scale)
        self.spread(len(corners), kernels.join_tiles, maps, shown, *axes, corners, share, cut.zero, out)
        return self.conv(torch.from_numpy(out).permute(0, 3, 1, 2), cut)


class ByteDecoder:
    """The decoder's steps in bytes: enlarging, joining and cutting into bytes are one pass."""

    def __init__(self, convs: list[nn.Conv2d], last: "ByteLastStep", spread: Spread) -> None:
        """Take the folded convolutions of the first three steps, float32, and the last step."""
        self.convs = []
        for conv in convs:
            assert conv.bias is not None
            self.convs.append(QuantizedConv(conv.weight, conv.bias, padding=1, relu=True))
        self.last, self.spread = last, spread

    def __call__(self, x: Tensor, shortcuts: list[Tensor], shown: Tensor) -> tuple[Tensor, Float]:
        """As :class:`training.realtime.decoding.FloatDecoder`."""
        maps = _map(x)
        for conv, shortcut in zip(self.convs, shortcuts, strict=True):
            joined, cut = self._joined(maps, _map(shortcut))
            maps = _map(conv(joined, cut))
        return self.last.of_maps(maps, shown, self.spread), maps

    def _joined(self, maps: Float, shortcut: Float) -> tuple[Tensor, Steps]:
        height, width, more = shortcut.shape
        cut = steps_of(maps, shortcut)
        out = np.empty((height, width, maps.shape[2] + more), np.uint8)
        axes = *taps(maps.shape[0], height), *taps(maps.shape[1], width)
        self.spread(height, kernels.join_bytes, maps, shortcut, *axes, np.float32(1 / cut.scale), cut.zero, out)
        return torch.from_numpy(out).permute(2, 0, 1)[None], cut


class ByteLastStep(LastStep):
    """The decoder's last step with its large convolution in bytes."""

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype, shortcut: int) -> None:
        super().__init__(weight, bias, dtype, shortcut)
        fused = self.fuse(weight[:, :-shortcut])
        self.quantized = QuantizedConv(fused, torch.zeros(len(fused)))

    def of_maps(self, maps: Float, shortcut: Tensor, spread: Spread) -> Tensor:
        """As a call with ``maps`` (h, w, c) float32."""
        x = torch.from_numpy(maps).permute(2, 0, 1)[None].to(shortcut.dtype)
        if not self.doubles(x, shortcut):
            return self(x, shortcut)
        cut = steps_of(maps)
        out = np.empty((maps.shape[0] + 2, maps.shape[1] + 2, maps.shape[2]), np.uint8)
        spread(len(out), kernels.pad_bytes, maps, np.float32(1 / cut.scale), cut.zero, out)
        phases = self.quantized(torch.from_numpy(out).permute(2, 0, 1)[None], cut, shortcut.dtype)
        return self.finish(phases, x, shortcut)


def _map(x: Tensor) -> Float:
    return np.asarray(x[0].permute(1, 2, 0).float().contiguous().numpy())
