"""What a sensor and its processing leave in a picture: grain in linear light, the tone curve, sharpening, 8 bits.

Noise is drawn once into tiles; a picture takes pieces of them, each turned and placed as its row says. Drawing normals
for each picture took ten times as long as all else here. Compression, which follows, is in ``compositing.codec``.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.blocks import row_blocks
from compositing.light import MID_GREY, Float, curve_table, look_up, power, to_bytes, to_display
from compositing.perturb import tint

TILE = 1024
"""Side of a noise tile, pixels."""
_PIECE = 512
"""Largest side of a piece taken from it: leaves room to start anywhere."""
_SIGMA = 0.8
"""Sigma of demosaicing and denoising in the correlated part of the noise, and of sharpening, pixels."""
_KERNEL = 7
_SLAB = 64
"""Rows that are sharpened at a time: they stay in the cache, and few are blurred twice."""
_BLACK, _WHITE = np.float32(0), np.float32(1)
_SLOPE = 1.055 / 2.4 * MID_GREY ** (1 / 2.4 - 1)
"""How fast display values rise with light at mid grey."""


class Sensor(NamedTuple):
    """One camera setting. Noise is stated as it is measured in the finished picture, before compression."""

    noise: float
    """Sigma at mid grey, display values 0 to 1."""
    read: float
    """Share of the variance at mid grey that does not depend on light, 0 to 1; the rest grows with it."""
    correlation: float
    """Correlation of the noise of neighbouring pixels, 0 to about 0.6."""
    tone: float
    """Strength of the S-curve over sRGB's tone curve, 0 for none to 1."""
    sharpen: float
    """Amount of the unsharp mask, 0 for none."""


class Picture:
    """A picture being developed, some rows at a time, so that what leads up to it can stay in the cache."""

    def __init__(self, shape: tuple[int, ...], sensor: Sensor, gamma: float, key: int, stream: int) -> None:
        """``shape``: (H, W, 3). ``key`` and ``stream`` choose the grain; different streams never share any."""
        self._sensor, self._gamma = sensor, gamma
        white, level = blend(sensor.correlation, sensor.sharpen)
        self._sigma = sensor.noise * level / (1 + sensor.tone / 2)  # the S-curve is steepest at mid grey
        self._grain = Grain(shape, white, key, stream) if sensor.noise > 0 else None
        curve = development(sensor.tone, gamma)
        # Sharpening looks at neighbours: it waits for the whole picture.
        self._curve: NDArray[Any] = curve if sensor.sharpen else to_bytes(curve)
        self._made: NDArray[Any] = np.empty(shape, self._curve.dtype)

    def expose(self, rows: slice, linear: Float) -> None:
        """Turn the light, (h, W, 3), on some rows into display values.

        Clipped to full well, grain added in light, then the tone curve, raised to ``gamma``.
        """
        light = linear
        if self._grain is not None:
            light = add_grain(np.clip(light, _BLACK, _WHITE), self._sigma, self._sensor.read, self._grain.rows(rows))
        self._made[rows] = look_up(light, self._curve)

    def finished(self) -> NDArray[np.uint8]:
        """Return the picture, (H, W, 3): sharpened and rounded once."""
        if self._sensor.sharpen:
            return sharpened_bytes(self._made, self._sensor.sharpen)
        return self._made


@lru_cache(maxsize=4)
def development(tone: float, gamma: float = 1.0) -> Float:
    """Tabulate what light, 0 to 1, becomes on display: sRGB's curve, the S-curve and ``gamma``; for ``look_up``."""
    return curve_table(lambda light: power(tone_curve(to_display(light), tone), gamma))


def develop(
    linear: Float, sensor: Sensor, gamma: float, key: int, stream: int, gains: NDArray[np.float64] | None = None
) -> NDArray[np.uint8]:
    """Turn the light on a sensor, (H, W, 3), into the 8-bit picture that it makes of it; see :class:`Picture`.

    ``gains``, (3,), multiply the light first.
    """
    picture = Picture(linear.shape, sensor, gamma, key, stream)
    for rows in row_blocks(linear.shape):
        picture.expose(rows, linear[rows] if gains is None else tint(linear[rows], gains))
    return picture.finished()


def tone_curve(display: Float, strength: float) -> Float:
    """Press display values, 0 to 1, together at both ends, as cameras' picture styles do: an S-curve with toe and
    shoulder, a share ``strength`` of the way to 3 d^2 - 2 d^3.
    """
    if strength == 0:
        return display
    bent = display * np.float32(-2 * strength)
    bent += np.float32(3 * strength)
    bent *= display
    bent += np.float32(1 - strength)
    bent *= display
    return bent


def add_grain(light: Float, sigma: float, read: float, field: Float) -> Float:
    """Add shot and read noise to linear light: variance ``read + (1 - read) * light / grey``, times that at mid grey.

    ``field``: unit normals of the same shape; ``sigma``: of the display value at mid grey. Photons arrive as a Poisson
    process, so that their variance is their number; the electronics add a constant (EMVA 1288, section 2).
    """
    variance = (sigma / _SLOPE) ** 2
    slope = variance * (1 - read) / MID_GREY
    spread = np.asarray(cv2.addWeighted(light, slope, light, 0.0, variance * read), np.float32).reshape(light.shape)
    np.sqrt(spread, out=spread)
    spread *= field
    spread += light
    return spread


class _Piece(NamedTuple):
    """A rectangle of the picture and what it takes from the tile."""

    top: int
    left: int
    height: int
    width: int
    y: int
    x: int
    turned: bool
    upside_down: bool
    mirrored: bool


class Grain:
    """A field of noise from the tiles: ``white`` parts white noise, the rest blurred; its variance is the blend's.

    Pieces lie side by side, each from a place of its own and turned or mirrored in one of eight ways. Deterministic in
    (key, stream).
    """

    def __init__(self, shape: tuple[int, ...], white: float, key: int, stream: int) -> None:
        self._width, self._white = shape[1], white
        self._sharp, self._soft = _tiles(stream)
        generator = np.random.Generator(np.random.Philox(key=np.array([key, stream], dtype=np.uint64)))
        self._pieces = []
        for top in range(0, shape[0], _PIECE):
            for left in range(0, shape[1], _PIECE):
                y, x = (int(at) for at in generator.integers(0, TILE - _PIECE, size=2, endpoint=True))
                turned, upside_down, mirrored = (bool(side) for side in generator.integers(0, 2, size=3))
                height, width = min(_PIECE, shape[0] - top), min(_PIECE, shape[1] - left)
                self._pieces.append(_Piece(top, left, height, width, y, x, turned, upside_down, mirrored))

    def rows(self, rows: slice) -> Float:
        """Return the field on some rows, (h, W, 3)."""
        field = np.empty((rows.stop - rows.start, self._width, 3), np.float32)
        for piece in self._pieces:
            first, last = max(rows.start, piece.top), min(rows.stop, piece.top + piece.height)
            if first < last:
                where = np.s_[first - rows.start : last - rows.start, piece.left : piece.left + piece.width]
                field[where] = self._taken(piece, first - piece.top, last - piece.top)
        return field

    def _taken(self, piece: _Piece, first: int, last: int) -> Float:
        if piece.upside_down:
            first, last = piece.height - last, piece.height - first
        across = slice(0, piece.width)
        down, right = (across, slice(first, last)) if piece.turned else (slice(first, last), across)
        where = np.s_[piece.y + down.start : piece.y + down.stop, piece.x + right.start : piece.x + right.stop]
        mixed = cv2.addWeighted(self._sharp[where], self._white, self._soft[where], 1 - self._white, 0.0)
        if piece.turned:
            mixed = cv2.transpose(mixed)
        if piece.upside_down:
            mixed = cv2.flip(mixed, 0)
        if piece.mirrored:
            mixed = cv2.flip(mixed, 1)
        return np.asarray(mixed, np.float32)


def sharpen(display: Float, amount: float) -> Float:
    """Sharpen display values by an unsharp mask of 0.8 pixels."""
    if amount == 0:
        return display
    soft = cv2.GaussianBlur(display, (_KERNEL, _KERNEL), _SIGMA, borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(cv2.addWeighted(display, 1 + amount, soft, -amount, 0.0), np.float32)


def sharpened_bytes(display: Float, amount: float) -> NDArray[np.uint8]:
    """Return ``to_bytes(sharpen(display, amount))`` without a float picture in between, some rows at a time."""
    height, halo = len(display), _KERNEL // 2
    done = np.empty(display.shape, np.uint8)
    for top in range(0, height, _SLAB):
        first, low = max(0, top - halo), min(height, top + _SLAB)
        around = display[first : low + halo]
        soft = cv2.GaussianBlur(around, (_KERNEL, _KERNEL), _SIGMA, borderType=cv2.BORDER_REFLECT_101)
        inside = soft[top - first : low - first]
        done[top:low] = cv2.addWeighted(display[top:low], 255 * (1 + amount), inside, -255 * amount, 0, dtype=cv2.CV_8U)
    return done


def blend(correlation: float, amount: float) -> tuple[float, float]:
    """Return the white share that gives the neighbour correlation after sharpening, and what then restores sigma.

    With g the blur's spectrum, t the blurred share and s the sharpening, the noise's spectrum is
    ``(1 - t + t g)^2 (1 + s - s g)^2``: variance and covariance are moments of g, and t solves a quadratic equation.
    A correlation out of reach becomes the nearest in reach.
    """
    plain, shifted = _moments()
    sharpening = np.array([(1 + amount) ** 2, -2 * amount * (1 + amount), amount**2])
    m, c = (np.array([sharpening @ moments[k : k + 3] for k in range(3)]) for moments in (plain, shifted))

    def variance(values: NDArray[np.float64], t: float) -> float:
        return float(values @ np.array([(1 - t) ** 2, 2 * t * (1 - t), t**2]))

    e = c - correlation * m
    if variance(e, 0.0) >= 0:
        t = 0.0
    elif variance(e, 1.0) <= 0:
        t = 1.0
    else:
        roots = np.roots([e[0] - 2 * e[1] + e[2], 2 * (e[1] - e[0]), e[0]])
        t = float(next(root.real for root in roots if 0 <= root.real <= 1))
    return 1 - t, variance(m, t) ** -0.5


def _blur_kernel() -> NDArray[np.float64]:
    return np.asarray(cv2.getGaussianKernel(_KERNEL, _SIGMA, cv2.CV_64F), np.float64).ravel()


@lru_cache(maxsize=1)
def _moments() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the means of g^k and of g^k cos(w), k = 0 to 4, over all frequencies."""
    size = 32
    wave = 2 * np.pi * np.arange(size) / size
    line = np.cos(np.outer(wave, np.arange(_KERNEL) - _KERNEL // 2)) @ _blur_kernel()
    g = np.outer(line, line)
    powers = [g**k for k in range(5)]
    return np.array([p.mean() for p in powers]), np.array([(p * np.cos(wave)).mean() for p in powers])


@lru_cache(maxsize=2)
def _tiles(stream: int) -> tuple[Float, Float]:
    """Return a stream's tile of unit normals, (TILE, TILE, 3), and the same blurred; 25 MB, kept by the process."""
    key = np.array([0x6772_6169_6E, stream], dtype=np.uint64)
    white = np.random.Generator(np.random.Philox(key=key)).standard_normal((TILE, TILE, 3), dtype=np.float32)
    wide = np.pad(white, ((_KERNEL, _KERNEL), (_KERNEL, _KERNEL), (0, 0)), mode="wrap")
    soft = cv2.GaussianBlur(wide, (_KERNEL, _KERNEL), _SIGMA)[_KERNEL:-_KERNEL, _KERNEL:-_KERNEL]
    return white, np.ascontiguousarray(soft, dtype=np.float32)
