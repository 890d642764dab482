"""Cubic resampling of a picture along a field that moves neighbouring pixels nearly alike: columns, then rows."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.compiled import compiled
from compositing.light import Float

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
_A2, _A3, _ONE = np.float32(_A + 2), np.float32(_A + 3), np.float32(1)


def warp(scene: Float, u: NDArray[np.float64], v: NDArray[np.float64], height: int, width: int) -> Float:
    """Resample a picture: (height, width, 3), each pixel from where it looks in ``scene``, (H, W, 3).

    ``u``, ``v``: columns and rows of the scene, pixel centres from 0, that the pixels at ``CELL`` times (row, column -
    1) look at, (rows, columns): one column of points to the left of the picture and one beyond its end. Beyond its
    border the scene is mirrored. The field may be no steeper than ``STEEPEST`` (:func:`steepness`).

    Two passes of four neighbours in place of sixteen (Catmull and Smith, *3-D Transformations of Images in Scanline
    Order*, 1980): what a row of the result looks at is first interpolated at whole columns of the scene. Weights are
    exact, where cv2 rounds positions to 1/32 pixel.
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
    moved = np.empty((height, width, 3), np.float32)
    flat = np.ascontiguousarray(scene).reshape(scene.shape[0], -1)
    _warp(flat, shift_x.astype(np.float32), shift_y.astype(np.float32), first, _ALONG, moved.reshape(height, -1))
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


@compiled
def _blend(
    start: np.float32, step: np.float32, along: Float, p0: Float, p1: Float, p2: Float, p3: Float, out: Float
) -> None:
    """Interpolate a cell between four neighbours; the share of the third against the second grows from ``start``."""
    for i in range(_SPAN):
        f = start + step * along[i]
        g = _ONE - f
        edge = _A * f * g
        w0, w3 = edge * g, edge * f
        w1 = _ONE + f * f * (_A2 * f - _A3)
        w2 = _ONE - w0 - w1 - w3
        out[i] = (w0 * p0[i] + w1 * p1[i]) + (w2 * p2[i] + w3 * p3[i])


@compiled
def _pick(start: np.float32, step: np.float32, along: Float, late: Float, out: Float) -> None:
    """Put ``late`` where the share has passed the next neighbour."""
    for i in range(_SPAN):
        out[i] = late[i] if start + step * along[i] >= _ONE else out[i]


@compiled
def _warp(scene: Float, across: Float, down: Float, first: int, along: Float, out: Float) -> None:
    height, width = out.shape
    cells = down.shape[1] - 1
    buffer = np.empty(cells * _SPAN, np.float32)
    late, line = np.empty(_SPAN, np.float32), np.empty(_SPAN, np.float32)
    for y in range(height):
        r, share = y // CELL, np.float32(y % CELL) / np.float32(CELL)
        for k in range(cells):
            d = down[r, k] + share * (down[r + 1, k] - down[r, k])
            step = down[r, k + 1] + share * (down[r + 1, k + 1] - down[r, k + 1]) - d
            base = np.floor(min(d, d + step * _END))
            start, j, o = np.float32(d - base), int(base) + y, 3 * first + k * _SPAN
            done = buffer[k * _SPAN : (k + 1) * _SPAN]
            p1, p2, p3 = scene[j, o : o + _SPAN], scene[j + 1, o : o + _SPAN], scene[j + 2, o : o + _SPAN]
            _blend(start, step, along, scene[j - 1, o : o + _SPAN], p1, p2, p3, done)
            if max(start, start + step * _END) >= _ONE:
                _blend(start - _ONE, step, along, p1, p2, p3, scene[j + 3, o : o + _SPAN], late)
                _pick(start, step, along, late, done)
        for c in range((width + _SPAN - 1) // _SPAN):
            d = across[r, c] + share * (across[r + 1, c] - across[r, c])
            step = across[r, c + 1] + share * (across[r + 1, c + 1] - across[r, c + 1]) - d
            base = np.floor(min(d, d + step * _END))
            start, o = np.float32(d - base), 3 * (int(base) + c * CELL - first)
            whole = (c + 1) * _SPAN <= width
            done = out[y, c * _SPAN : (c + 1) * _SPAN] if whole else line
            p1, p2, p3 = buffer[o : o + _SPAN], buffer[o + 3 : o + 3 + _SPAN], buffer[o + 6 : o + 6 + _SPAN]
            _blend(start, step, along, buffer[o - 3 : o - 3 + _SPAN], p1, p2, p3, done)
            if max(start, start + step * _END) >= _ONE:
                _blend(start - _ONE, step, along, p1, p2, p3, buffer[o + 9 : o + 9 + _SPAN], late)
                _pick(start, step, along, late, done)
            if not whole:
                for i in range(width - c * _SPAN):
                    out[y, c * _SPAN + i] = line[i]
