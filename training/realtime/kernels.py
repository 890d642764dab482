"""Compiled passes over a frame's bytes: what lies between the convolutions.

Frames are (H, W, 3) RGB uint8. A frame whose sides are no multiples of 4 stands for itself with its last row and column
repeated, as the network pads it: ``high`` and ``wide`` are the padded sides. All passes write only what they are
given to write, release the interpreter's lock, and work on a range of rows or patches, so that threads share them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compositing.kernels.compiled import compiled

Bytes = NDArray[np.uint8]
Float = NDArray[np.float32]
Int = NDArray[np.int64]
Array = NDArray[Any]


@compiled
def shrink(
    frame: Bytes, out: Float, first: int, rows: Int, below: Int, down: Float, columns: Int, after: Int, right: Float,
    start: int, stop: int,
) -> None:  # fmt: skip
    """Bilinear copy of ``frame`` into channels ``first`` to ``first + 2`` of ``out`` (h, w, C), in [0, 1]."""
    scale = np.float32(1 / 255)
    one = np.float32(1)
    for y in range(start, stop):
        upper, lower, share = rows[y], below[y], down[y]
        for x in range(out.shape[1]):
            left, other, part = columns[x], after[x], right[x]
            for c in range(3):
                top = np.float32(frame[upper, left, c]) * (one - part) + np.float32(frame[upper, other, c]) * part
                low = np.float32(frame[lower, left, c]) * (one - part) + np.float32(frame[lower, other, c]) * part
                out[y, x, first + c] = (top * (one - share) + low * share) * scale


@compiled
def _shares(down: Any, right: Any) -> Any:
    """Weights of the four neighbours: upper left, upper right, lower left, lower right."""
    one = np.float32(1)
    return (one - down) * (one - right), (one - down) * right, down * (one - right), down * right


@compiled
def _mixed(maps: Float, upper: int, lower: int, left: int, right: int, shares: Any, out: Float) -> None:
    """The four neighbours' channels by their weights, into the first channels of ``out``."""
    a, b, c, d = shares
    for k in range(maps.shape[2]):
        out[k] = (
            a * maps[upper, left, k] + b * maps[upper, right, k] + c * maps[lower, left, k] + d * maps[lower, right, k]
        )


@compiled
def _byte(value: Any) -> Any:
    return np.uint8(min(max(np.int32(value + np.float32(0.5)), np.int32(0)), np.int32(255)))


@compiled
def join_tiles(
    maps: Float, small: Float, rows: Int, below: Int, down: Float, columns: Int, after: Int, right: Float,
    corners: Int, share: float | None, zero: int, out: Array, start: int, stop: int,
) -> None:  # fmt: skip
    """Squares of ``maps`` enlarged bilinearly to the size of ``small`` (h, w, C'), joined with it, 0 outside.

    ``corners`` (N, 2) are the upper left ones, in pixels of ``small``; ``out`` (N, side, side, C + C') float32, or
    uint8 of ``value * share + zero`` where there is a share.
    """
    height, width = small.shape[:2]
    channels, side = maps.shape[2], out.shape[1]
    more = small.shape[2]
    mixed = np.empty(channels, np.float32)
    for n in range(start, stop):
        for i in range(side):
            y = corners[n, 0] + i
            for j in range(side):
                x = corners[n, 1] + j
                if not (0 <= y < height and 0 <= x < width):
                    for c in range(channels + more):
                        out[n, i, j, c] = zero
                    continue
                shares = _shares(down[y], right[x])
                _mixed(maps, rows[y], below[y], columns[x], after[x], shares, mixed)
                if share is None:
                    for c in range(channels):
                        out[n, i, j, c] = mixed[c]
                    for c in range(more):
                        out[n, i, j, channels + c] = small[y, x, c]
                else:
                    for c in range(channels):
                        out[n, i, j, c] = _byte(mixed[c] * share + np.float32(zero))
                    for c in range(more):
                        out[n, i, j, channels + c] = _byte(small[y, x, c] * share + np.float32(zero))


@compiled
def join_bytes(
    maps: Float, small: Float, rows: Int, below: Int, down: Float, columns: Int, after: Int, right: Float,
    share: float, zero: int, out: Bytes, start: int, stop: int,
) -> None:  # fmt: skip
    """``maps`` enlarged bilinearly to the size of ``small`` (h, w, C'), joined with it: ``value * share + zero``.

    ``out`` is (h, w, C + C'). The values are at least ``-zero / share``.
    """
    channels, more = maps.shape[2], small.shape[2]
    one, offset = np.float32(1), np.float32(zero)
    mixed = np.empty((maps.shape[1], channels), np.float32)
    for y in range(start, stop):
        upper, lower = maps[rows[y]], maps[below[y]]
        low = down[y] * share
        high = (one - down[y]) * share
        for x in range(maps.shape[1]):
            for c in range(channels):
                mixed[x, c] = upper[x, c] * high + lower[x, c] * low + offset
        for x in range(small.shape[1]):
            first, second, part = mixed[columns[x]], mixed[after[x]], right[x]
            rest = one - part
            for c in range(channels):
                out[y, x, c] = _byte(first[c] * rest + second[c] * part)
            for c in range(more):
                out[y, x, channels + c] = _byte(small[y, x, c] * share + offset)


@compiled
def pad_bytes(maps: Float, share: float, zero: int, out: Bytes, start: int, stop: int) -> None:
    """``maps`` (h, w, C) with its border repeated once, into ``out`` (h + 2, w + 2, C): ``value * share + zero``."""
    height, width, channels = maps.shape
    offset = np.float32(zero)
    for y in range(start, stop):
        row = maps[min(max(y - 1, 0), height - 1)]
        for x in range(width + 2):
            seen = row[min(max(x - 1, 0), width - 1)]
            for c in range(channels):
                out[y, x, c] = _byte(seen[c] * share + offset)


@compiled
def put_tiles(tiles: Float, corners: Int, out: Float, start: int, stop: int) -> None:
    """Write ``tiles`` (N, side, side, C) back to where they belong in ``out`` (h, w, C), negative values as 0."""
    height, width, channels = out.shape
    side = tiles.shape[1]
    zero = np.float32(0)
    for n in range(start, stop):
        top, left = corners[n, 0], corners[n, 1]
        for i in range(min(side, height - top)):
            for j in range(min(side, width - left)):
                for c in range(channels):
                    out[top + i, left + j, c] = max(tiles[n, i, j, c], zero)


@compiled
def half_crops(
    frame: Bytes, plate: Bytes, hid: Float, coarse: Float, high: int, wide: int, corners: Int, margin: int,
    rows: Int, below: Int, down: Float, columns: Int, after: Int, right: Float, out: Float, start: int, stop: int,
) -> None:  # fmt: skip
    """Crops at half size, 0 outside: hidden features, coarse result, source, captured background, (N, s, s, C).

    ``corners`` (N, 2) are in pixels of half size, ``margin`` before the crop's own corner. Both maps are enlarged
    bilinearly, both frames the mean of 2 x 2 pixels, which is the same.
    """
    hidden, solved = hid.shape[2], coarse.shape[2]
    bottom, end = frame.shape[0] - 1, frame.shape[1] - 1
    side = out.shape[1]
    scale = np.float32(1 / 1020)
    for n in range(start, stop):
        for i in range(side):
            y = corners[n, 0] - margin + i
            for j in range(side):
                x = corners[n, 1] - margin + j
                if not (0 <= y < high // 2 and 0 <= x < wide // 2):
                    for c in range(out.shape[3]):
                        out[n, i, j, c] = 0
                    continue
                shares = _shares(down[y], right[x])
                _mixed(hid, rows[y], below[y], columns[x], after[x], shares, out[n, i, j])
                _mixed(coarse, rows[y], below[y], columns[x], after[x], shares, out[n, i, j, hidden:])
                y0, y1, x0, x1 = min(2 * y, bottom), min(2 * y + 1, bottom), min(2 * x, end), min(2 * x + 1, end)
                first = hidden + solved
                for c in range(3):
                    total = int(frame[y0, x0, c]) + frame[y0, x1, c] + frame[y1, x0, c] + frame[y1, x1, c]
                    out[n, i, j, first + c] = np.float32(total) * scale
                    total = int(plate[y0, x0, c]) + plate[y0, x1, c] + plate[y1, x0, c] + plate[y1, x1, c]
                    out[n, i, j, first + 3 + c] = np.float32(total) * scale


@compiled
def full_crops(
    frame: Bytes, plate: Bytes, high: int, wide: int, corners: Int, margin: int, features: Array, encode: Array,
    out: Array, start: int, stop: int,
) -> None:  # fmt: skip
    """Crops at full size: features (N, s / 2, s / 2, C) doubled, then source and captured background, 0 outside.

    ``encode`` (256,) gives a byte's value in the type of ``out`` (N, s, s, C + 6).
    """
    bottom, end = frame.shape[0] - 1, frame.shape[1] - 1
    side, channels = out.shape[1], features.shape[3]
    for n in range(start, stop):
        for i in range(side):
            y = corners[n, 0] - margin + i
            for j in range(side):
                x = corners[n, 1] - margin + j
                for c in range(channels):
                    out[n, i, j, c] = features[n, i // 2, j // 2, c]
                if 0 <= y < high and 0 <= x < wide:
                    row, column = min(y, bottom), min(x, end)
                    for c in range(3):
                        out[n, i, j, channels + c] = encode[frame[row, column, c]]
                        out[n, i, j, channels + 3 + c] = encode[plate[row, column, c]]
                else:
                    for c in range(6):
                        out[n, i, j, channels + c] = 0


@compiled
def enlarge(
    coarse: Float, frame: Bytes, alpha: Bytes, fgr: Bytes, rows: Int, below: Int, down: Float,
    columns: Int, after: Int, right: Float, threes: Int, others: Int, parts: Float, start: int, stop: int,
) -> None:  # fmt: skip
    """Coarse alpha and residual (4, h, w), bilinearly at full size -> alpha (H, W) and foreground (H, W, 3).

    ``threes``, ``others`` and ``parts`` are the taps of a row of pixels with its three channels side by side, into a
    row of residual: one flat loop is vectorised, three short ones a pixel are not.
    """
    one, top, half, zero = np.float32(1), np.float32(255), np.float32(0.5), np.float32(0)
    width = coarse.shape[2]
    line, flat = np.empty(width, np.float32), np.empty(3 * width, np.float32)
    for y in range(start, stop):
        upper, lower, share = rows[y], below[y], down[y] * top
        rest = top - share
        for x in range(width):
            line[x] = coarse[0, upper, x] * rest + coarse[0, lower, x] * share
        for c in range(3):
            for x in range(width):
                flat[c * width + x] = coarse[1 + c, upper, x] * rest + coarse[1 + c, lower, x] * share
        for x in range(frame.shape[1]):
            value = line[columns[x]] * (one - right[x]) + line[after[x]] * right[x]
            alpha[y, x] = np.uint8(np.int32(min(max(value, zero), top) + half))
        pixels, out = frame[y].reshape(-1), fgr[y].reshape(-1)
        for x in range(out.shape[0]):
            value = flat[threes[x]] * (one - parts[x]) + flat[others[x]] * parts[x] + np.float32(pixels[x])
            out[x] = np.uint8(np.int32(min(max(value, zero), top) + half))


@compiled
def put_cells(
    solved: Float, corners: Int, chosen: NDArray[np.bool_], frame: Bytes, alpha: Bytes, fgr: Bytes,
    start: int, stop: int,
) -> None:  # fmt: skip
    """Write solved patches (N, s, s, 4) of alpha and residual over the chosen cells; corners in pixels."""
    height, width = alpha.shape
    side = solved.shape[1]
    top, half, zero = np.float32(255), np.float32(0.5), np.float32(0)
    for n in range(start, stop):
        for i in range(side):
            y = corners[n, 0] + i
            if y >= height:
                break
            for j in range(side):
                x = corners[n, 1] + j
                if x >= width:
                    break
                if chosen[y // 4, x // 4]:
                    alpha[y, x] = np.uint8(min(max(solved[n, i, j, 0] * top, zero), top) + half)
                    for c in range(3):
                        value = solved[n, i, j, 1 + c] * top + np.float32(frame[y, x, c])
                        fgr[y, x, c] = np.uint8(min(max(value, zero), top) + half)


@compiled
def lay_over(alpha: Bytes, fgr: Bytes, backdrop: Bytes, out: Bytes, start: int, stop: int) -> None:
    """Mix display values: ``alpha`` of ``fgr``, the rest of ``backdrop``; rounded to the nearest byte."""
    for y in range(start, stop):
        for x in range(alpha.shape[1]):
            a = np.int32(alpha[y, x])
            for c in range(3):
                out[y, x, c] = np.uint8((a * fgr[y, x, c] + (255 - a) * backdrop[y, x, c] + 127) // 255)
