"""The decoder's steps, as the runtime takes them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from training.network.resize import resize
from training.realtime import kernels
from training.realtime.fused import FusedConv
from training.realtime.laststep import LastStep

Float = NDArray[np.float32]
Int = NDArray[np.int64]


class FloatDecoder:
    """Enlarge, join with the shortcut, convolve; in one floating-point type."""

    def __init__(self, convs: list[nn.Conv2d], last: LastStep, dtype: torch.dtype) -> None:
        """Take the folded convolutions of the first three steps and the last step."""
        self.convs = [FusedConv(conv.to(dtype), nn.ReLU()) for conv in convs]
        self.last = last

    def __call__(self, x: Tensor, shortcuts: list[Tensor], shown: Tensor) -> tuple[Tensor, Float]:
        """Context and shortcuts, coarsest first, each (1, C, h, w) -> the last step's result and what it enlarges.

        Args:
            x: at stride 16.
            shortcuts: at strides 8, 4 and 2.
            shown: at stride 1, what the encoder saw.

        Returns:
            (1, 5, H, W), raw, and (H / 2, W / 2, C) float32.
        """
        for conv, shortcut in zip(self.convs, shortcuts, strict=True):
            x = resize(x, (shortcut.shape[-2], shortcut.shape[-1]))
            x = conv(torch.cat([x, shortcut.to(x.dtype)], dim=1))
        return self.last(x, shown), np.asarray(x[0].permute(1, 2, 0).float().contiguous().numpy())


class FloatTiles:
    """Squares of the enlarged map, convolved; in one floating-point type."""

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype, spread: Callable[..., None]) -> None:
        """``weight`` (C', C, k, k) and ``bias`` (C',), float32."""
        self.weight = weight.to(dtype, memory_format=torch.channels_last)
        self.bias = bias.to(dtype)
        self.spread = spread

    def __call__(self, maps: Float, shown: Float, axes: tuple[Any, ...], corners: Int, side: int) -> Tensor:
        """Enlarge, join, convolve where it is asked for.

        Args:
            maps: (h, w, c), what is enlarged.
            shown: (H, W, c'), what it is joined with.
            axes: taps from ``maps`` to ``shown``, rows and columns.
            corners: (N, 2), the squares' upper left pixels.
            side: of the squares before they are convolved.

        Returns:
            (N, C', side - k + 1, side - k + 1), of any type.
        """
        out = torch.empty(len(corners), side, side, maps.shape[2] + shown.shape[2])
        self.spread(len(corners), kernels.join_tiles, maps, shown, *axes, corners, None, 0, out.numpy())
        return F.conv2d(out.to(self.weight.dtype).permute(0, 3, 1, 2), self.weight, self.bias)
