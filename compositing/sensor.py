"""What a sensor and its processing leave in a picture: grain in linear light, the tone curve, sharpening, 8 bits.

Noise is drawn once into tiles; a picture takes pieces of them, each turned and placed as its row says. Drawing normals
for each picture took ten times as long as all else here. Compression, which follows, is in ``compositing.codec``.
"""

from functools import lru_cache, partial
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.blocks import by_rows
from compositing.light import Float, Number, curve_table, look_up, power, to_bytes, to_display

TILE = 1024
"""Side of a noise tile, pixels."""
_PIECE = 512
"""Largest side of a piece taken from it: leaves room to start anywhere."""
_SIGMA = 0.8
"""Sigma of demosaicing and denoising in the correlated part of the noise, and of sharpening, pixels."""
_KERNEL = 7
_SLAB = 64
"""Rows that are sharpened at a time: stay in the cache, and the rows around them are blurred only a little more."""
MID_GREY = 0.21404114
"""Linear light of mid grey (0.5 on display)."""
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


def develop(linear: Float, sensor: Sensor, gamma: float, key: int, stream: int) -> NDArray[np.uint8]:
    """Turn the light on a sensor, (H, W, 3), into the 8-bit picture that it makes of it.

    Clipped to full well, grain added in light, the tone curve raised to ``gamma``, sharpened, rounded once.
    ``key`` and ``stream`` choose the grain; pictures of different streams never share any.
    """
    layers = [linear]
    white, level = blend(sensor.correlation, sensor.sharpen)
    sigma = sensor.noise * level / (1 + sensor.tone / 2)  # the S-curve is steepest at mid grey
    if sigma > 0:
        layers.append(grain(linear.shape, white, key, stream))
    table = development(sensor.tone, gamma)

    def exposed(values: NDArray[Number], light: Float, *field: Float) -> NDArray[Number]:
        if field:
            light = add_grain(np.clip(light, _BLACK, _WHITE), sigma, sensor.read, *field)
        return look_up(light, values)

    if sensor.sharpen == 0:
        return by_rows(partial(exposed, to_bytes(table)), *layers)
    return sharpened_bytes(by_rows(partial(exposed, table), *layers), sensor.sharpen)


@lru_cache(maxsize=4)
def development(tone: float, gamma: float = 1.0) -> Float:
    """Tabulate what light, 0 to 1, becomes on display: sRGB's curve, the S-curve and ``gamma``; for ``look_up``."""
    return curve_table(lambda light: power(tone_curve(to_display(light), tone), gamma))


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


_BLACK, _WHITE = np.float32(0), np.float32(1)


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


def grain(shape: tuple[int, ...], white: float, key: int, stream: int) -> Float:
    """Take a field of noise, (H, W, 3), from the tiles: ``white`` parts white noise, the rest blurred.

    Its variance is that of the blend, see :func:`blend`. Pieces lie side by side, each from a place of its own and
    turned or mirrored in one of eight ways. Deterministic in (key, stream).
    """
    height, width = shape[:2]
    sharp, soft = _tiles(stream)
    generator = np.random.Generator(np.random.Philox(key=np.array([key, stream], dtype=np.uint64)))
    field = np.empty((height, width, 3), np.float32)
    for top in range(0, height, _PIECE):
        for left in range(0, width, _PIECE):
            part = field[top : top + _PIECE, left : left + _PIECE]
            y, x = generator.integers(0, TILE - _PIECE, size=2, endpoint=True)
            turned, flip = generator.integers(0, 2), int(generator.integers(-1, 3))
            h, w = part.shape[1::-1] if turned else part.shape[:2]
            piece = np.s_[y : y + h, x : x + w]
            mixed = cv2.addWeighted(sharp[piece], white, soft[piece], 1 - white, 0.0)
            if turned:
                mixed = cv2.transpose(mixed)
            part[...] = mixed if flip == 2 else cv2.flip(mixed, flip)
    return field


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
        soft = cv2.GaussianBlur(
            display[first : low + halo], (_KERNEL, _KERNEL), _SIGMA, borderType=cv2.BORDER_REFLECT_101
        )[top - first : low - first]
        cv2.addWeighted(display[top:low], 255 * (1 + amount), soft, -255 * amount, 0.0, done[top:low], cv2.CV_8U)
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
