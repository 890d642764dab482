"""Cubic resampling of a picture along a field that moves neighbouring pixels nearly alike: columns, then rows."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.kernels.compiled import compiled
from compositing.light import Float

Offset = np.uintp

CELL = 16
"""Pixels between the points at which a field is given; it is linear in between."""
STEEPEST = 0.06
"""Change of displacement from one pixel to the next that :func:`warp` takes: less than one pixel in a cell."""

_SPAN = 3 * CELL
"""Values in a cell of a row: three colours."""
_ALONG = np.repeat(np.arange(CELL, dtype=np.float32) / np.float32(CELL), 3)
_END = np.float32((CELL - 1) / CELL)
_A = np.float32(-0.75)
"""Slope of the cubic at distance 1, as cv2 has it."""
_2, _3, _4 = (np.uintp(step) for step in (2, 3, 4))
_A2, _ONE = np.float32(_A + 2), np.float32(1)


class Warp:
    """A picture resampled along a field, some rows at a time.

    Two passes of four neighbours in place of sixteen (Catmull and Smith, *3-D Transformations of Images in Scanline
    Order*, 1980): what a row of the result looks at is first interpolated at whole columns of the scene. Weights are
    exact, where cv2 rounds positions to 1/32 pixel: on ten real photographs, turned by 1.5 degrees, linear light was
    0.00008 from what sixteen neighbours give (0.002 for one value in a thousand), and that of cv2 0.0003 (0.006).
    """

    def __init__(self, scene: Float, u: NDArray[np.float64], v: NDArray[np.float64], height: int, width: int) -> None:
        """The result is (height, width, 3), each pixel from where it looks in ``scene``, (H, W, 3).

        ``u``, ``v``: columns and rows of the scene, pixel centres from 0, that the pixels at ``CELL`` times (row,
        column - 1) look at, (rows, columns): one column of points to the left of the picture and one beyond its end.
        Beyond its border the scene is mirrored. The field may be no steeper than ``STEEPEST`` (:func:`steepness`).
        """
        inside = u[:, 1:]
        # One more than four neighbours need: a cell starts at its least displacement, which may be its last pixel's.
        first, beyond = math.floor(inside.min()) - 2, math.ceil(inside.max()) + 4
        cells = -(-(beyond - first) // CELL)
        # Whole cells reach further than they must: to the left, where a scene has room.
        first = max(min(first, scene.shape[1] - cells * CELL), beyond - cells * CELL)
        down = _crossings(np.ascontiguousarray(u), np.ascontiguousarray(v), float(first), cells + 1)
        left, right = max(0, -first), max(0, first + cells * CELL - scene.shape[1])
        above, below = max(0, 1 - math.floor(down.min())), max(0, math.ceil(down.max()) + 4 - scene.shape[0])
        if left or right or above or below:
            border = cv2.BORDER_REFLECT_101
            scene = np.asarray(cv2.copyMakeBorder(scene, above, below, left, right, border), np.float32)
            first, down, inside = first + left, down + above, inside + left
        shift_x = inside - CELL * np.arange(inside.shape[1])
        shift_y = down - CELL * np.arange(len(down))[:, None]
        self.height, self.width = height, width
        self._scene = np.ascontiguousarray(scene).reshape(scene.shape[0], -1)
        self._field = shift_x.astype(np.float32), shift_y.astype(np.float32), first

    def rows(self, rows: slice) -> Float:
        """Return some rows of the result, (h, width, 3)."""
        moved = np.empty((rows.stop - rows.start, self.width, 3), np.float32)
        _warp(self._scene, *self._field, _ALONG, rows.start, moved.reshape(len(moved), -1))
        return moved


def steepness(u: NDArray[np.float64], v: NDArray[np.float64]) -> float:
    """Return how much a field's displacement changes from one pixel to the next, at most along either axis."""
    step = CELL * np.stack(np.meshgrid(np.arange(u.shape[1]), np.arange(u.shape[0])))
    return max(float(np.abs(np.diff(np.stack([u, v]) - step, axis=axis)).max()) for axis in (1, 2)) / CELL


@compiled
def _crossings(u: NDArray[np.float64], v: NDArray[np.float64], first: float, count: int) -> NDArray[np.float64]:
    """Return the rows at which each line of sight crosses the columns ``first``, ``first`` + CELL, ..."""
    found = np.empty((u.shape[0], count))
    for r in range(u.shape[0]):
        c = 0
        for k in range(count):
            column = first + CELL * k
            while c < u.shape[1] - 2 and u[r, c + 1] < column:
                c += 1
            share = (column - u[r, c]) / (u[r, c + 1] - u[r, c])
            found[r, k] = v[r, c] + share * (v[r, c + 1] - v[r, c])
    return found


# Parts of lines are told by where they begin, not cut out: each cut would count references, which took as long as the
# sums. Offsets are unsigned, as one that may be negative is checked at every step.


@compiled
def _cell(
    start: np.float32, step: np.float32, along: Float, line: Float, at: Offset, apart: Offset, out: Float, to: Offset
) -> None:
    """Interpolate a cell between four of five neighbours, the first at ``at``, each ``apart`` from the one before.

    The share of the third against the second grows from ``start``, which may bring it past the third: then the last
    four count, pixel by pixel without a branch. Most cells have none of the kind.
    """
    at1, at2, at3, at4 = at + apart, at + _2 * apart, at + _3 * apart, at + _4 * apart
    if max(start, start + step * _END) < _ONE:
        for n in range(_SPAN):
            i = np.uintp(n)
            f = start + step * along[i]
            p0, p1, p2, p3 = line[at + i], line[at1 + i], line[at2 + i], line[at3 + i]
            fall = p1 - p2
            c1 = _A * (p0 - p2)
            c3 = _A * (p0 - p3) + _A2 * fall
            out[to + i] = p1 + f * (c1 + f * (f * c3 - (fall + c1 + c3)))
        return
    for n in range(_SPAN):
        i = np.uintp(n)
        f = start + step * along[i]
        v0, v1, v2, v3, v4 = line[at + i], line[at1 + i], line[at2 + i], line[at3 + i], line[at4 + i]
        past = f >= _ONE
        f = f - _ONE if past else f
        p0 = v1 if past else v0
        p1 = v2 if past else v1
        p2 = v3 if past else v2
        p3 = v4 if past else v3
        # The cubic of all four in powers of f: fewer products than four weights take.
        fall = p1 - p2
        c1 = _A * (p0 - p2)
        c3 = _A * (p0 - p3) + _A2 * fall
        out[to + i] = p1 + f * (c1 + f * (f * c3 - (fall + c1 + c3)))


@compiled
def _warp(scene: Float, across: Float, down: Float, first: int, along: Float, top: int, out: Float) -> None:
    height, width = out.shape
    cells, wide = down.shape[1] - 1, scene.shape[1]
    flat, result = scene.reshape(-1), out.reshape(-1)
    buffer = np.empty(cells * _SPAN, np.float32)
    last = np.empty(_SPAN, np.float32)
    for n in range(height):
        y = top + n
        r, share = y // CELL, np.float32(y % CELL) / np.float32(CELL)
        for k in range(cells):
            d = down[r, k] + share * (down[r + 1, k] - down[r, k])
            step = down[r, k + 1] + share * (down[r + 1, k + 1] - down[r, k + 1]) - d
            base = np.floor(min(d, d + step * _END))
            at = np.uintp((int(base) + y - 1) * wide + 3 * first + k * _SPAN)
            _cell(d - base, step, along, flat, at, np.uintp(wide), buffer, np.uintp(k * _SPAN))
        for c in range((width + _SPAN - 1) // _SPAN):
            d = across[r, c] + share * (across[r + 1, c] - across[r, c])
            step = across[r, c + 1] + share * (across[r + 1, c + 1] - across[r, c + 1]) - d
            base = np.floor(min(d, d + step * _END))
            at = np.uintp(3 * (int(base) + c * CELL - first - 1))
            if (c + 1) * _SPAN <= width:
                _cell(d - base, step, along, buffer, at, _3, result, np.uintp(n * width + c * _SPAN))
            else:
                _cell(d - base, step, along, buffer, at, _3, last, np.uintp(0))
                for i in range(width - c * _SPAN):
                    out[n, c * _SPAN + i] = last[i]
