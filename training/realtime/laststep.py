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
    the outputs, one set for each of the four pixels that become of one. Both are linear, so the result is the same; at
    the outermost pixels, where the one repeats its border and the other sees 0, what the repeated ones gave is taken
    away again.
    """

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype, shortcut: int) -> None:
        """``weight`` (C, c + shortcut, 3, 3) and ``bias`` (C,) float32; the shortcut's channels come last."""
        self.outputs = weight.shape[0]
        inner, rest = weight[:, :-shortcut], weight[:, -shortcut:]
        self.fused = _laid(self.fuse(inner), dtype)
        self.shortcut = _laid(rest, dtype)
        self.weight = _laid(weight, dtype)
        self.bias = bias.to(dtype)
        self.rows = torch.cat([inner[:, :, 0], inner[:, :, 2]])
        self.columns = torch.cat([inner[..., 0], inner[..., 2]])
        self.corners = inner[:, :, [0, 0, 2, 2], [0, 2, 0, 2]]

    @staticmethod
    def fuse(weight: Tensor) -> Tensor:
        """Weights (C, c, 3, 3) of the enlarged map as weights (4 * C, c, 3, 3) of the small one."""
        fused = torch.einsum("octu,pts,qur->opqcsr", weight, PHASES, PHASES)
        return fused.reshape(4 * len(weight), -1, 3, 3)

    @staticmethod
    def doubles(x: Tensor, shortcut: Tensor) -> bool:
        """Whether the one convolution will do: both sides double exactly."""
        return shortcut.shape[-2:] == (2 * x.shape[-2], 2 * x.shape[-1]) and min(x.shape[-2:]) >= 2

    def __call__(self, x: Tensor, shortcut: Tensor) -> Tensor:
        """``x`` (1, c, h, w) and ``shortcut`` (1, c', H, W) -> (1, C, H, W)."""
        if not self.doubles(x, shortcut):
            return self._plainly(x, shortcut)
        return self.finish(F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), self.fused), x, shortcut)

    def finish(self, phases: Tensor, x: Tensor, shortcut: Tensor) -> Tensor:
        """The result from what the one convolution gave, (1, 4 * C, h, w)."""
        out = F.pixel_shuffle(phases, 2)
        out = out + F.conv2d(shortcut, self.shortcut, self.bias, padding=1)
        top, bottom = self._beyond(x[:, :, [0, -1]].transpose(2, 3), self.rows)
        left, right = self._beyond(x[..., [0, -1]], self.columns)
        out[0, :, 0] -= top
        out[0, :, -1] -= bottom
        out[0, :, :, 0] -= left
        out[0, :, :, -1] -= right
        # What lies beyond a corner was taken away twice.
        corners = x[0, :, [0, 0, -1, -1], [0, -1, 0, -1]].float()
        twice = torch.einsum("okn,kn->on", self.corners, corners).to(out.dtype)
        out[0, :, [0, 0, -1, -1], [0, -1, 0, -1]] += twice
        return out

    def _beyond(self, border: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """What the pixels repeated beyond two opposite borders gave to the outermost ones: two of (C, N).

        ``border`` (1, c, n, 2), both borders along n; ``weight`` (2 * C, c, 3) their taps that look beyond.
        """
        both = border[0].permute(2, 0, 1).flatten(0, 1)[None].float()
        long = F.interpolate(both, scale_factor=2, mode="linear")
        found = F.conv1d(F.pad(long, (1, 1), mode="replicate"), weight, groups=2)[0]
        first, second = found.to(self.bias.dtype).chunk(2)
        return first, second

    def _plainly(self, x: Tensor, shortcut: Tensor) -> Tensor:
        up = resize(x, (shortcut.shape[-2], shortcut.shape[-1]))
        return F.conv2d(torch.cat([up, shortcut], dim=1), self.weight, self.bias, padding=1)


def _laid(weight: Tensor, dtype: torch.dtype) -> Tensor:
    return weight.to(dtype).contiguous(memory_format=torch.channels_last)
