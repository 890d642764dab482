"""Where a bilinear pass looks, and which patches are solved together."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Int = NDArray[np.int64]

FEW = 32
"""Patches are solved in multiples of this many: each new shape costs a convolution's preparation."""


class Taps(NamedTuple):
    """One axis of a bilinear pass, half-pixel centres."""

    first: Int
    second: Int
    share: Float
    """How much of ``second``."""


def taps(source: int, target: int, last: int | None = None) -> Taps:
    """How ``target`` pixels are read from ``source`` ones, of which those after ``last`` repeat it."""
    at = np.maximum((np.arange(target, dtype=np.float32) + np.float32(0.5)) * np.float32(source / target) - 0.5, 0)
    first = np.minimum(at.astype(np.int64), source - 1)
    second = np.minimum(first + 1, source - 1)
    share = (at - first).astype(np.float32)
    if last is not None:
        first, second = np.minimum(first, last), np.minimum(second, last)
    return Taps(first, second, share)


def side_by_side(columns: Taps, width: int, count: int) -> Taps:
    """Taps of ``count`` pixels with three channels each, (r, g, b, r, ...), into three rows of ``width`` in a row."""
    planes = np.tile(np.arange(3) * width, count)
    first, second = (np.repeat(values[:count], 3) + planes for values in (columns.first, columns.second))
    return Taps(first, second, np.repeat(columns.share[:count], 3))


class Blocks(NamedTuple):
    """Squares of cells that are solved in one go; neighbours share what their margins show."""

    corners: Int
    """(N, 2) row and column of the first cell; N rounded up, the rest repeat a block."""
    side: int
    """Cells a side."""


def blocks(chosen: NDArray[np.bool_]) -> Blocks:
    """Cover the chosen cells (h, w) with blocks of the side that costs fewest products."""
    best: tuple[float, Blocks] | None = None
    for side in (1, 2, 4):
        found = _occupied(chosen, side)
        cost = len(found) * _products(side)
        if best is None or cost < best[0]:
            best = (cost, Blocks(found * side, side))
    assert best is not None
    corners, side = best[1]
    more = -len(corners) % FEW
    return Blocks(np.concatenate([corners, np.repeat(corners[:1], more, axis=0)]), side)


def _products(side: int) -> int:
    half, full = 2 * side, 4 * side
    return (half + 4) ** 2 * 42 * 24 + (half + 2) ** 2 * 24 * 16 + (full + 2) ** 2 * 22 * 12 + full**2 * 12 * 4


def _occupied(chosen: NDArray[np.bool_], side: int) -> Int:
    if side > 1:
        height, width = chosen.shape
        padded = np.zeros((-(-height // side) * side, -(-width // side) * side), bool)
        padded[:height, :width] = chosen
        chosen = np.asarray(padded.reshape(padded.shape[0] // side, side, -1, side).any(axis=(1, 3)))
    return np.argwhere(chosen)


def covering(corners: Int, reach: int, rows: Taps, columns: Taps, shape: tuple[int, int], side: int) -> Int:
    """Upper left corners of the tiles of ``side`` pixels of a map that crops at half size look into.

    Args:
        corners: (N, 2) of the crops, in pixels of half size, margin included; may lie outside.
        reach: pixels a side of the crops.
        rows, columns: how half size reads the map.
        shape: (h, w) of the map.
        side: of a tile.
    """
    height, width = shape
    needed = np.zeros((-(-height // side), -(-width // side)), bool)
    top = rows.first[np.clip(corners[:, 0], 0, len(rows.first) - 1)] // side
    low = rows.second[np.clip(corners[:, 0] + reach - 1, 0, len(rows.first) - 1)] // side
    left = columns.first[np.clip(corners[:, 1], 0, len(columns.first) - 1)] // side
    end = columns.second[np.clip(corners[:, 1] + reach - 1, 0, len(columns.first) - 1)] // side
    for down in range(int((low - top).max()) + 1):
        for right in range(int((end - left).max()) + 1):
            needed[np.minimum(top + down, low), np.minimum(left + right, end)] = True
    return np.argwhere(needed) * side
