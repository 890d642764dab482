"""The decoder's last step without the enlarged maps that it convolves."""

import torch
from torch import Tensor
from torch.nn import functional as F

from training.network.resize import resize

PHASES = torch.tensor(
    [
        [[0.75, 0.25, 0.0], [0.25, 0.75, 0.0], [0.0, 0.75, 0.25]],
        [[0.25, 0.75, 0.0], [0.0, 0.75, 0.25], [0.0, 0.25, 0.75]],
    ]
)
"""(phase, tap of the 3x3 convolution, pixel before enlarging): how doubling bilinearly spreads one over the other."""


class LastStep:
    """Enlarge bilinearly, join with the shortcut, convolve 3x3: some output channels of it.

    Where both sides exactly double, enlarging and convolving are one 3x3 convolution of the small map with four times
    the outputs, one set for each of the four pixels that become of one. Both are linear, so the result is the same; the
    outermost pixels, where the one repeats its border and the other sees 0, are done the long way.
    """

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype, shortcut: int) -> None:
        """``weight`` (C, c + shortcut, 3, 3) and ``bias`` (C,) float32; the shortcut's channels come last."""
        self.outputs = weight.shape[0]
        inner, rest = weight[:, :-shortcut], weight[:, -shortcut:]
        fused = torch.einsum("octu,pts,qur->opqcsr", inner, PHASES, PHASES)
        self.fused = _laid(fused.reshape(4 * self.outputs, -1, 3, 3), dtype)
        self.shortcut = _laid(rest, dtype)
        self.weight = _laid(weight, dtype)
        self.bias = bias.to(dtype)

    def __call__(self, x: Tensor, shortcut: Tensor) -> Tensor:
        """``x`` (1, c, h, w) and ``shortcut`` (1, c', H, W) -> (1, C, H, W)."""
        height, width = shortcut.shape[-2:]
        if (height, width) != (2 * x.shape[-2], 2 * x.shape[-1]) or min(x.shape[-2:]) < 2:
            return self._plainly(x, shortcut)
        phases = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), self.fused)
        out = F.pixel_shuffle(phases, 2)
        out = out + F.conv2d(shortcut, self.shortcut, self.bias, padding=1)
        for rows, row in ((slice(None, 2), 0), (slice(-2, None), -1)):
            edge = self._plainly(x[:, :, rows], shortcut[:, :, rows], (4, width), rows)
            out[:, :, row] = edge[:, :, row]
        for columns, column in ((slice(None, 2), 0), (slice(-2, None), -1)):
            edge = self._plainly(x[..., columns], shortcut[..., columns], (height, 4), columns)
            out[..., column] = edge[..., column]
        return out

    def _plainly(
        self, x: Tensor, shortcut: Tensor, size: tuple[int, int] | None = None, part: slice | None = None
    ) -> Tensor:
        size = size or (shortcut.shape[-2], shortcut.shape[-1])
        up = resize(x, size)
        if part is not None:
            up = up[:, :, part] if size[0] == 4 else up[..., part]
        return F.conv2d(torch.cat([up, shortcut], dim=1), self.weight, self.bias, padding=1)


def _laid(weight: Tensor, dtype: torch.dtype) -> Tensor:
    return weight.to(dtype).contiguous(memory_format=torch.channels_last)
