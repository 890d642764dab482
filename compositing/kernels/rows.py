"""Pixel by pixel arithmetic on rows of linear light, compiled: what most of a composite's values go through.

The same steps as NumPy or OpenCV calls read and write the picture once for each of them; compiled together they do so
once, and took a quarter of the time. Strict arithmetic in float32 throughout, so that the values are the same on every
processor (see ``compositing.kernels.compiled``).

Light is (h, W, 3), some rows of a picture; all arrays are C-contiguous.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compositing.kernels.compiled import compiled

TAPS = 5
"""Width of the sharpening's blur, pixels; half of it reaches over the rows on either side."""

_F, _U = np.float32, np.uint32
_ZERO, _HALF, _ONE = _F(0), _F(0.5), _F(1)
_DARK = _F(2**-6)
"""Added to light before a table is asked: a float's leading bits are its logarithm, and so near its display value."""
_SHIFT = _U(13)
"""Trailing bits that a table does not tell apart: 1024 steps an octave, the darkest from black to twice ``_DARK``."""
_FIRST = _DARK.view(_U)
_BELOW = _U(_FIRST - (_U(1) << (_SHIFT - _U(1))))
"""Half a step below, so that dropping bits rounds to the nearest step."""
_PART = 512
"""Pixels of a row that go through all steps before the next ones do: with what is worked with they fit the first cache.
"""


def table_lights(top: float) -> NDArray[np.float32]:
    """Return the lights, from 0 to ``top``, (N,), that a table for :func:`toned` holds the values of.

    Even in the logarithm of light but for the darkest, where they are even in light, as display values nearly are. That
    takes no root of each pixel's light: its bits tell the place. ``top``: 1 or 2.
    """
    last = (_F(top) + _DARK).view(_U)
    steps = np.arange(int(_FIRST >> _SHIFT), int(last >> _SHIFT) + 1, dtype=np.uint32)
    return (steps << _SHIFT).view(np.float32) - _DARK


# Loops stay apart where one part can use vectors and the next cannot: a look-up in a table does not.
# ``x if x > y else y`` compiles to one instruction; max() also asks for values that are no number.


@compiled
def toned(light: Any, gains: Any, table: Any, top: np.float32, out: Any) -> None:
    """Send light times gains (3,), clipped to 0..``top``, through a table of the values at :func:`table_lights`."""
    flat_light, flat_out = light.reshape(len(light), -1), out.reshape(len(out), -1)
    part = min(3 * light.shape[1], 3 * _PART)
    room, gain = np.empty(part, _F), _side_by_side(gains, part // 3)
    for y in range(len(flat_light)):
        for first in range(0, flat_light.shape[1], part):
            row, made = flat_light[y, first : first + part], flat_out[y, first : first + part]
            for i in range(len(row)):
                room[i] = row[i] * gain[i]
            _sent(room[: len(row)], table, top, made)


@compiled
def _sent(values: Any, table: Any, top: np.float32, made: Any) -> None:
    """Send part of a row, which is not kept, through a table."""
    for i in range(len(values)):
        x = values[i]
        x = x if x > _ZERO else _ZERO
        x = x if x < top else top
        values[i] = x + _DARK
    _looked_up(values.view(_U), table, made)


@compiled
def _looked_up(bits: Any, table: Any, made: Any) -> None:
    for i in range(len(bits)):
        made[i] = table[(bits[i] - _BELOW) >> _SHIFT]


@compiled
def looked(light: Any, gains: Any, table: Any, top: np.float32, saturation: np.float32, luma: Any, out: Any) -> None:
    """Give light its gains (3,), its contrast (a table, or an empty one for none), its saturation; clip to 0..1.

    ``out`` may be ``light``.
    """
    flat_light, flat_out = light.reshape(len(light), -1), out.reshape(len(out), -1)
    part = min(3 * light.shape[1], 3 * _PART)
    room, grey, made = np.empty(part, _F), np.empty(part, _F), np.empty(part, _F)
    gain = _side_by_side(gains, part // 3)
    for y in range(len(flat_light)):
        for first in range(0, flat_light.shape[1], part):
            row, last = flat_light[y, first : first + part], flat_out[y, first : first + part]
            size = len(row)
            for i in range(size):
                made[i] = row[i] * gain[i]
            if len(table):
                for i in range(size):
                    room[i] = made[i]
                _sent(room[:size], table, top, made)
            if saturation != _ONE:
                for p in range(size // 3):
                    x = made[3 * p] * luma[0] + made[3 * p + 1] * luma[1] + made[3 * p + 2] * luma[2]
                    for c in range(3):
                        grey[3 * p + c] = x
                for i in range(size):
                    made[i] = grey[i] + saturation * (made[i] - grey[i])
            for i in range(size):
                x = made[i]
                x = x if x > _ZERO else _ZERO
                last[i] = x if x < _ONE else _ONE


@compiled
def laid_over(colour: Any, alpha: Any, behind: Any, shade: Any, gains: Any, uneven: Any, seen: Any) -> None:
    """Composite and expose: ``seen`` becomes (behind + alpha (colour - behind)) times gains (3,) and ``uneven``.

    ``alpha``, (h, W); ``shade``, (h, W): the share of light that shadows leave on ``behind``; ``uneven``, (h, W):
    factors of light; empty ones, (0, 0), stand for 1. ``colour`` gets gains and ``uneven``, too, in place.
    """
    height, width = colour.shape[:2]
    flat_colour, flat_behind = colour.reshape(height, -1), behind.reshape(height, -1)
    flat_seen = seen.reshape(height, -1)
    part = min(width, _PART)
    wide, gain = np.empty(3 * part, _F), _side_by_side(gains, part)
    for y in range(height):
        for left in range(0, width, part):
            right = min(left + part, width)
            first, last = 3 * left, 3 * right
            front, back, made = flat_colour[y, first:last], flat_behind[y, first:last], flat_seen[y, first:last]
            if len(shade):
                _widened(shade[y, left:right], wide)
                for i in range(last - first):
                    made[i] = back[i] * wide[i]
            else:
                for i in range(last - first):
                    made[i] = back[i]
            _widened(alpha[y, left:right], wide)
            for i in range(last - first):
                made[i] = (made[i] + wide[i] * (front[i] - made[i])) * gain[i]
                front[i] = front[i] * gain[i]
            if len(uneven):
                _widened(uneven[y, left:right], wide)
                for i in range(last - first):
                    made[i] *= wide[i]
                    front[i] *= wide[i]


@compiled
def _side_by_side(gains: Any, width: int) -> Any:
    """Repeat three gains for each of some pixels, (3 width,)."""
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
def grainy(
    light: Any, gains: Any, top: int, pieces: Any, sharp: Any, soft: Any, spread: Any, table: Any, out: Any
) -> None:
    """Light times gains (3,), clipped to 0..1, with noise of variance ``spread[0] + spread[1] * light``, as a table has
    it (:func:`toned`, up to 1).

    The noise is ``spread[2] * sharp + spread[3] * soft``: two tiles of int16, (T, 3 T), from the places that
    ``pieces`` tell; ``top`` is the picture's row that the first one here is: :class:`compositing.chain.grain.Grain`.
    """
    flat_light, flat_out = light.reshape(len(light), -1), out.reshape(len(out), -1)
    part = min(3 * light.shape[1], 3 * pieces[0, 0, 0])
    room, gain = np.empty(part, _F), _side_by_side(gains, part // 3)
    base, slope = spread[0], spread[1]
    for y in range(len(light)):
        for k in range(pieces.shape[1]):
            first, size, a, b, sign = _piece(top + y, k, pieces, sharp, soft, flat_light.shape[1])
            white, blurred = spread[2] * sign, spread[3] * sign
            row = flat_light[y, first : first + size]
            for i in range(size):
                x = row[i] * gain[i]
                x = x if x > _ZERO else _ZERO
                x = x if x < _ONE else _ONE
                x += np.sqrt(base + slope * x) * (_F(a[i]) * white + _F(b[i]) * blurred)
                x = x if x > _ZERO else _ZERO
                x = x if x < _ONE else _ONE
                room[i] = x + _DARK
            _looked_up(room[:size].view(_U), table, flat_out[y, first : first + size])


@compiled
def noise(y: int, pieces: Any, sharp: Any, soft: Any, spread: Any, field: Any) -> None:
    """Fill ``field``, (3 W,), with the noise of a picture's row ``y``; see :func:`grainy`."""
    for k in range(pieces.shape[1]):
        first, size, a, b, sign = _piece(y, k, pieces, sharp, soft, len(field))
        white, blurred = spread[2] * sign, spread[3] * sign
        for i in range(size):
            field[first + i] = _F(a[i]) * white + _F(b[i]) * blurred


@compiled
def _piece(y: int, k: int, pieces: Any, sharp: Any, soft: Any, width: int) -> Any:
    """Return where the ``k``-th piece of row ``y`` begins, its size, it in both tiles, and its sign.

    ``pieces``: (down, across, 5) int64, a place in the tiles for each square of the picture: its side, y, x, 1 if it is
    upside down, and -1 if its sign is turned. ``width``: the row's, values.
    """
    side = pieces[0, 0, 0]
    band = y // side
    piece, inside = pieces[band, k], y - band * side
    at = piece[1] + (side - 1 - inside if piece[3] else inside)
    first = 3 * side * k
    size, start = min(3 * side, width - first), 3 * piece[2]
    return first, size, sharp[at, start : start + size], soft[at, start : start + size], _F(piece[4])


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
