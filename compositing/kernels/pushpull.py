"""Colour carried outward over pixels that have none, by a pyramid."""

import math
from typing import NamedTuple

import numpy as np

from compositing.kernels.compiled import compiled
from compositing.light import Float

_TRUST = np.float32(1 / 510)
"""Coverage at which a pixel's own colour and its surroundings' count the same: half a step of 8-bit alpha."""
_QUARTER, _MOST = np.float32(0.25), np.float32(0.75)
_ZERO, _ONE = np.float32(0), np.float32(1)
_3, _6 = np.uintp(3), np.uintp(6)
_TINY = np.float32(1e-12)


class Window(NamedTuple):
    """Part of a picture, whole pixels."""

    top: int
    """Its first row."""
    low: int
    """The row beyond its last."""
    left: int
    """Its first column."""
    right: int
    """The column beyond its last."""

    @property
    def rows(self) -> slice:
        """Its rows."""
        return slice(self.top, self.low)

    @property
    def columns(self) -> slice:
        """Its columns."""
        return slice(self.left, self.right)

    def grown(self, by: float, height: int, width: int) -> "Window":
        """Return it with ``by`` pixels more on each side, as far as the picture of that size goes."""
        more = math.ceil(by)
        top, left = max(0, self.top - more), max(0, self.left - more)
        return Window(top, min(height, self.low + more), left, min(width, self.right + more))


def carried_outward(layer: Float, window: Window, spill: float) -> Float:
    """Return straight colour everywhere, (H, W, 3), of a premultiplied layer, (H, W, 4) that is 0 outside ``window``.

    Averaged down to one pixel and filled in again on the way up, each pixel trusting its own colour by its coverage
    (push-pull: Gortler et al., *The Lumigraph*, 1996, section 3.4). ``spill``: share, 0 to 1, of the green above the
    larger of red and blue that is taken away at the end.
    """
    levels, windows = [np.ascontiguousarray(layer)], [window]
    while max(levels[-1].shape[:2]) > 1:
        top, low, left, right = windows[-1]
        height, width = levels[-1].shape[:2]
        half = np.zeros(((height + 1) // 2, (width + 1) // 2, 4), np.float32)
        windows.append(Window(top // 2, (low + 1) // 2, left // 2, (right + 1) // 2))
        _halved(levels[-1], *windows[-1], half)
        levels.append(half)
    filled = np.zeros((1, 1, 3), np.float32)
    for depth in range(len(levels) - 1, -1, -1):
        coarse, filled = filled, np.empty((*levels[depth].shape[:2], 3), np.float32)
        trust = _TINY if depth == len(levels) - 1 else _TRUST
        _filled(levels[depth], *windows[depth], coarse, trust, np.float32(spill if depth == 0 else 0.0), filled)
    return filled


@compiled
def _halved(level: Float, top: int, low: int, left: int, right: int, out: Float) -> None:
    """Average pairs of rows and columns; the last of an odd number stands for both."""
    height, width = level.shape[:2]
    for y in range(top, low):
        first, second, row = level[2 * y], level[min(2 * y + 1, height - 1)], out[y]
        for x in range(left, right):
            a, b = 2 * x, min(2 * x + 1, width - 1)
            for c in range(4):
                row[x, c] = ((first[a, c] + first[b, c]) + (second[a, c] + second[b, c])) * _QUARTER


@compiled
def _filled(
    level: Float,
    top: int,
    low: int,
    left: int,
    right: int,
    coarse: Float,
    trust: np.float32,
    spill: np.float32,
    out: Float,
) -> None:
    """Enlarge what came from below, and mix it with a level's own colour by its coverage."""
    height, width = out.shape[:2]
    rows, columns = coarse.shape[:2]
    flat = coarse.reshape(rows, -1)
    line = np.empty((columns + 2) * 3, np.float32)
    inner = line[3:-3]
    for y in range(height):
        near, far = flat[y // 2], flat[min(max(y // 2 - 1 + 2 * (y % 2), 0), rows - 1)]
        for n in range(len(inner)):
            inner[n] = _MOST * near[n] + _QUARTER * far[n]
        for c in range(3):
            line[c], line[3 * columns + 3 + c] = inner[c], inner[3 * columns - 3 + c]
        row = out[y]
        doubled = row.reshape(-1)
        for n in range(width // 2):
            at, to = _3 * np.uintp(n), _6 * np.uintp(n)
            for c in range(3):
                i, o = at + np.uintp(c), to + np.uintp(c)
                own = _MOST * line[i + _3]
                doubled[o], doubled[o + _3] = own + _QUARTER * line[i], own + _QUARTER * line[i + _6]
        if width % 2:
            for c in range(3):
                row[width - 1, c] = _MOST * inner[3 * columns - 3 + c] + _QUARTER * line[3 * columns - 3 + c]
        if top <= y < low:
            own_row = level[y]
            for x in range(left, right):
                alpha = own_row[x, 3]
                if alpha > 0:
                    share = _ONE / (alpha + trust)
                    for c in range(3):
                        row[x, c] = (own_row[x, c] + trust * row[x, c]) * share
        if spill > 0:
            for x in range(width):
                most = max(row[x, 0], row[x, 2])
                row[x, 1] -= spill * max(row[x, 1] - most, _ZERO)
