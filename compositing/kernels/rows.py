"""Pixel by pixel arithmetic on rows of linear light, compiled: what most of a composite's values go through.

The same steps as NumPy or OpenCV calls read and write the picture once for each of them; compiled together they do so
once, and took a quarter of the time. Strict arithmetic in float32 throughout, so that the values are the same on every
processor (see ``compositing.kernels.compiled``).

Light is (h, W, 3), some rows of a picture; all arrays are C-contiguous.
"""

from typing import Any

import numpy as np

from compositing.kernels.compiled import compiled

TABLE_SIZE = 4096
"""Steps of a table of light. They are even in the root of light, which is nearly even on display."""
TAPS = 5
"""Width of the sharpening's blur, pixels; half of it reaches over the rows on either side."""

_F = np.float32
_ZERO, _HALF, _ONE = _F(0), _F(0.5), _F(1)

# Loops stay apart where one part can use vectors and the next cannot: a look-up in a table does not.
# ``x if x > y else y`` compiles to one instruction; max() also asks for values that are no number.


@compiled
def toned(light: Any, table: Any, top: np.float32, out: Any) -> None:
    """Send light, clipped to 0..``top``, through a table of :func:`compositing.chain.look.curve_table`."""
    flat_light, flat_out = light.reshape(len(light), -1), out.reshape(len(out), -1)
    index = np.empty(flat_light.shape[1], np.int32)
    for y in range(len(flat_light)):
        _sent(flat_light[y], table, top, index, flat_out[y])


@compiled
def _sent(values: Any, table: Any, top: np.float32, index: Any, made: Any) -> None:
    """Send a row of values through a table; ``made`` may be ``values``, ``index`` is room to work in."""
    scale = _F(TABLE_SIZE) / np.sqrt(top)
    for i in range(len(values)):
        x = values[i]
        x = x if x > _ZERO else _ZERO
        x = x if x < top else top
        index[i] = np.int32(np.sqrt(x) * scale + _HALF)
    for i in range(len(values)):
        made[i] = table[np.uint32(index[i])]


@compiled
def looked(light: Any, gains: Any, table: Any, top: np.float32, saturation: np.float32, luma: Any, out: Any) -> None:
    """Give light its gains (3,), its contrast (a table, or an empty one for none), its saturation; clip to 0..1.

    ``out`` may be ``light``.
    """
    width = light.shape[1]
    flat_light, flat_out = light.reshape(len(light), -1), out.reshape(len(out), -1)
    index, grey = np.empty(3 * width, np.int32), np.empty(3 * width, _F)
    made, gain = np.empty(3 * width, _F), _side_by_side(gains, width)
    for y in range(len(flat_light)):
        row, last = flat_light[y], flat_out[y]
        for i in range(3 * width):
            made[i] = row[i] * gain[i]
        if len(table):
            _sent(made, table, top, index, made)
        if saturation != _ONE:
            for p in range(width):
                x = made[3 * p] * luma[0] + made[3 * p + 1] * luma[1] + made[3 * p + 2] * luma[2]
                for c in range(3):
                    grey[3 * p + c] = x
            for i in range(3 * width):
                made[i] = grey[i] + saturation * (made[i] - grey[i])
        for i in range(3 * width):
            x = made[i]
            x = x if x > _ZERO else _ZERO
            last[i] = x if x < _ONE else _ONE


@compiled
def laid_over(colour: Any, alpha: Any, behind: Any, shade: Any, gains: Any, uneven: Any, seen: Any) -> None:
    """Composite and expose: ``seen`` becomes (behind + alpha (colour - behind)) times gains (3,) and ``uneven``.

    ``alpha``, (h, W); ``shade``, (h, W): the share of light that shadows leave on ``behind``; ``uneven``, (h, W):
    factors of light; empty ones, (0, 0), stand for 1. ``colour`` gets gains and ``uneven``, too, in place.
    """
    width = colour.shape[1]
    flat_colour, flat_behind = colour.reshape(len(colour), -1), behind.reshape(len(behind), -1)
    flat_seen = seen.reshape(len(seen), -1)
    wide, gain = np.empty(3 * width, _F), _side_by_side(gains, width)
    for y in range(len(colour)):
        front, back, made = flat_colour[y], flat_behind[y], flat_seen[y]
        if len(shade):
            _widened(shade[y], wide)
            for i in range(3 * width):
                made[i] = back[i] * wide[i]
        else:
            for i in range(3 * width):
                made[i] = back[i]
        _widened(alpha[y], wide)
        for i in range(3 * width):
            made[i] = (made[i] + wide[i] * (front[i] - made[i])) * gain[i]
            front[i] = front[i] * gain[i]
        if len(uneven):
            _widened(uneven[y], wide)
            for i in range(3 * width):
                made[i] *= wide[i]
                front[i] *= wide[i]


@compiled
def _side_by_side(gains: Any, width: int) -> Any:
    """Repeat three gains for each pixel of a row, (3 W,)."""
    row = np.empty(3 * width, _F)
    for p in range(width):
        for c in range(3):
            row[3 * p + c] = gains[c]
    return row


@compiled
def _widened(values: Any, wide: Any) -> None:
    for p in range(len(values)):
        x = values[p]
        wide[3 * p] = x
        wide[3 * p + 1] = x
        wide[3 * p + 2] = x


@compiled
def grainy(light: Any, gains: Any, top: int, pieces: Any, sharp: Any, soft: Any, spread: Any, out: Any) -> None:
    """Light times gains (3,), clipped to 0..1, plus noise of variance ``spread[0] + spread[1] * light``.

    The noise is ``spread[2] * sharp + spread[3] * soft``: two tiles of int16, (T, 3 T), from the places that
    ``pieces`` tell; ``top`` is the picture's row that the first one here is: :class:`compositing.chain.grain.Grain`.
    """
    width, flat_light, flat_out = light.shape[1], light.reshape(len(light), -1), out.reshape(len(out), -1)
    field, gain = np.empty(3 * width, _F), _side_by_side(gains, width)
    base, slope = spread[0], spread[1]
    for y in range(len(light)):
        noise(top + y, pieces, sharp, soft, spread, field)
        row, made = flat_light[y], flat_out[y]
        for i in range(3 * width):
            x = row[i] * gain[i]
            x = x if x > _ZERO else _ZERO
            x = x if x < _ONE else _ONE
            made[i] = x + np.sqrt(base + slope * x) * field[i]


@compiled
def noise(y: int, pieces: Any, sharp: Any, soft: Any, spread: Any, field: Any) -> None:
    """Fill ``field``, (3 W,), with the noise of a picture's row ``y``; see :func:`grainy`.

    ``pieces``: (down, across, 5) int64, a place in the tiles for each square of the picture: its side, y, x, 1 if it is
    upside down, and -1 if its sign is turned.
    """
    side = pieces[0, 0, 0]
    band = y // side
    for k in range(pieces.shape[1]):
        piece = pieces[band, k]
        inside = y - band * side
        at = piece[1] + (side - 1 - inside if piece[3] else inside)
        first = 3 * side * k
        size = min(3 * side, len(field) - first)
        a, b = sharp[at, 3 * piece[2] : 3 * piece[2] + size], soft[at, 3 * piece[2] : 3 * piece[2] + size]
        white, blurred = spread[2] * _F(piece[4]), spread[3] * _F(piece[4])
        for i in range(size):
            field[first + i] = _F(a[i]) * white + _F(b[i]) * blurred


@compiled
def sharpened(display: Any, kernel: Any, amount: np.float32, out: Any) -> None:
    """Sharpen display values by an unsharp mask and round them to bytes: (n + 4, W, 3) float32 -> (n, W, 3) uint8.

    ``kernel``, (3,): the blur's weights from its middle outward. The picture's left and right border are repeated.
    """
    width = display.shape[1]
    flat, flat_out = display.reshape(len(display), -1), out.reshape(len(out), -1)
    k0, k1, k2 = kernel[0], kernel[1], kernel[2]
    line = np.empty(3 * width + 12, _F)
    own, less = _F(255) * (_ONE + amount), _F(255) * amount
    for y in range(len(out)):
        m0, m1, m2, m3, m4 = flat[y], flat[y + 1], flat[y + 2], flat[y + 3], flat[y + 4]
        for i in range(3 * width):
            line[i + 6] = m2[i] * k0 + (m1[i] + m3[i]) * k1 + (m0[i] + m4[i]) * k2
        for c in range(6):
            line[c] = line[6 + c % 3]
            line[3 * width + 6 + c] = line[3 * width + 3 + c % 3]
        made = flat_out[y]
        for i in range(3 * width):
            blurred = line[i + 6] * k0 + (line[i + 3] + line[i + 9]) * k1 + (line[i] + line[i + 12]) * k2
            x = m2[i] * own - blurred * less
            x = x if x > _ZERO else _ZERO
            x = x if x < _F(255) else _F(255)
            made[i] = np.uint8(np.int32(x + _HALF))
