"""Bytes to linear light at another size, in one pass over the picture: nothing in between is ever as large as it."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compositing.kernels.compiled import compiled
from compositing.light import LUMA, Float, bytes_to_linear

Bytes = NDArray[np.uint8]

_NONE, _ALL = np.float32(0), np.float32(1)
_LUMA = np.array(LUMA, np.float32)
_1, _2, _3, _4 = (np.uintp(step) for step in (1, 2, 3, 4))
"""An index known not to be negative needs no check."""
_TABLE = bytes_to_linear(np.arange(256, dtype=np.uint8)).ravel()
_SHARE = np.arange(256, dtype=np.float32) / np.float32(255)


class Taps(NamedTuple):
    """What each of N values along a line is made of."""

    first: NDArray[np.int64]
    """(N,): the first of the n neighbouring values that it is made of."""
    weight: Float
    """(N, n): theirs; they sum to 1."""

    def mirrored(self, size: int) -> "Taps":
        """Return those of the line of ``size`` values read backwards."""
        return Taps(size - self.weight.shape[1] - self.first, np.ascontiguousarray(self.weight[:, ::-1]))


def area_taps(before: int, after: int) -> Taps:
    """Return how a line of ``before`` values is averaged to one of ``after``, no more, by the share of each covered."""
    first = np.empty(after, np.int64)
    weight = np.zeros((after, min(math.ceil(before / after) + 1, before)), np.float32)
    used = _area(before, after, first, weight)
    return Taps(first, np.ascontiguousarray(weight[:, :used]))


def light_of(
    image: Bytes, corner: tuple[int, int], across: Taps, down: Taps, table: Float = _TABLE, saturation: float = 1.0
) -> Float:
    """Return a part of a picture, (H, W, 3) 8-bit display values, resampled in linear light: (rows, columns, 3), 0..1.

    ``corner``: x and y where ``across`` and ``down`` begin to count. ``table``, (256,): the light of each display
    value; ``saturation`` is given afterwards, see :func:`compositing.perturb.saturation_matrix`.
    """
    out = np.empty((len(down.first), len(across.first), 3), np.float32)
    _light(plain(image), table, *corner, *across, *down, np.float32(saturation), _LUMA, out)
    return out


def premultiplied(fgr: Bytes, pha: Bytes, corner: tuple[int, int], across: Taps, down: Taps) -> Float:
    """Return a matte, premultiplied in linear light and resampled: (rows, columns, 4), red, green, blue, alpha.

    ``fgr``: (H, W, 3) 8-bit display values; ``pha``: (H, W) 8-bit; ``corner`` as in :func:`light_of`.
    """
    out = np.empty((len(down.first), len(across.first), 4), np.float32)
    _premultiplied(plain(fgr), plain(pha), _TABLE, _SHARE, *corner, *across, *down, out)
    return out


def plain(image: Bytes) -> Bytes:
    """Return an array as the kernels are compiled for: contiguous and writable."""
    return np.require(image, requirements=["C", "W"])


@compiled
def _area(before: int, after: int, first: NDArray[np.int64], weight: Float) -> int:
    """Fill in taps, and return how many of each are used."""
    used, step = 1, before / after
    for i in range(after):
        start, end = i * step, min((i + 1) * step, float(before))
        first[i] = min(int(start), before - weight.shape[1])
        for k in range(weight.shape[1]):
            left = first[i] + k
            covered = min(left + 1.0, end) - max(float(left), start)
            if covered > 1e-9:  # less is what rounding leaves of a pixel that ends where the area begins
                weight[i, k] = covered / step
                used = max(used, k + 1)
    return used


@compiled
def _sum_down(lines: Float, first: int, weight: Float, used: slice, out: Float) -> None:
    """Add up rows of a ring."""
    count = lines.shape[0]
    total, line, w = out[used], lines[first % count][used], weight[0]
    for i in range(len(total)):
        total[i] = w * line[i]
    for k in range(1, len(weight)):
        line, w = lines[(first + k) % count][used], weight[k]
        if w != 0:
            for i in range(len(total)):
                total[i] += w * line[i]


@compiled
def _light(
    image: Bytes,
    table: Float,
    left: int,
    top: int,
    x_first: NDArray[np.int64],
    x_weight: Float,
    y_first: NDArray[np.int64],
    y_weight: Float,
    saturation: np.float32,
    luma: Float,
    out: Float,
) -> None:
    begin, width = 3 * left, 3 * (x_first.max() + x_weight.shape[1])
    lines = np.empty((y_weight.shape[1], width), np.float32)
    total = np.empty(width, np.float32)
    flat = image.reshape(image.shape[0], -1)
    ready = 0
    for y in range(out.shape[0]):
        while ready < y_first[y] + y_weight.shape[1]:
            source, line = flat[top + ready, begin : begin + width], lines[ready % len(lines)]
            for i in range(width):
                line[i] = table[source[i]]
            ready += 1
        _sum_down(lines, y_first[y], y_weight[y], slice(0, width), total)
        row = out[y]
        for x in range(out.shape[1]):
            o, w = np.uintp(3 * x_first[x]), x_weight[x, 0]
            red, green, blue = w * total[o], w * total[o + _1], w * total[o + _2]
            for k in range(1, x_weight.shape[1]):
                o, w = o + _3, x_weight[x, k]
                red += w * total[o]
                green += w * total[o + _1]
                blue += w * total[o + _2]
            if saturation != _ALL:
                grey = luma[0] * red + luma[1] * green + luma[2] * blue
                red = grey + saturation * (red - grey)
                green = grey + saturation * (green - grey)
                blue = grey + saturation * (blue - grey)
            row[x, 0] = min(max(red, _NONE), _ALL)
            row[x, 1] = min(max(green, _NONE), _ALL)
            row[x, 2] = min(max(blue, _NONE), _ALL)


@compiled
def _premultiplied(
    fgr: Bytes,
    pha: Bytes,
    table: Float,
    share: Float,
    left: int,
    top: int,
    x_first: NDArray[np.int64],
    x_weight: Float,
    y_first: NDArray[np.int64],
    y_weight: Float,
    out: Float,
) -> None:
    width = x_first[-1] + x_weight.shape[1]
    lines = np.zeros((y_weight.shape[1], 4 * width), np.float32)
    total = np.empty(4 * width, np.float32)
    plain = x_weight.shape[1] == 1 and y_weight.shape[1] == 1
    ready = 0
    for y in range(out.shape[0]):
        while ready < y_first[y] + y_weight.shape[1]:
            alphas = pha[top + ready, left : left + width]
            line = out[y].reshape(-1) if plain else lines[ready % len(lines)]
            colours = fgr[top + ready, left : left + width].reshape(-1)
            for x in range(width):
                alpha, at = alphas[x], np.uintp(4 * x)
                if alpha == 0:
                    line[at] = line[at + _1] = line[at + _2] = line[at + _3] = _NONE
                    continue
                a, colour = share[alpha], np.uintp(3 * x)
                line[at] = table[colours[colour]] * a
                line[at + _1] = table[colours[colour + _1]] * a
                line[at + _2] = table[colours[colour + _2]] * a
                line[at + _3] = a
            ready += 1
        if plain:
            continue
        row = out[y]
        _sum_down(lines, y_first[y], y_weight[y], slice(0, 4 * width), total)
        for x in range(out.shape[1]):
            o, w = np.uintp(4 * x_first[x]), x_weight[x, 0]
            red, green, blue, alpha = w * total[o], w * total[o + _1], w * total[o + _2], w * total[o + _3]
            for k in range(1, x_weight.shape[1]):
                o, w = o + _4, x_weight[x, k]
                red += w * total[o]
                green += w * total[o + _1]
                blue += w * total[o + _2]
                alpha += w * total[o + _3]
            row[x, 0], row[x, 1], row[x, 2], row[x, 3] = red, green, blue, alpha
