"""What a sensor and its processing leave in a picture: grain in linear light, the tone curve, sharpening, 8 bits.

Compression, which follows, is in ``compositing.codec``.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.chain.grain import SIGMA, Grain, blend, blur_kernel
from compositing.chain.look import curve_table
from compositing.kernels.blocks import row_blocks
from compositing.kernels.rows import TAPS, grainy, sharpened, toned
from compositing.light import MID_GREY, Float, power, to_bytes, to_display

_HALO = TAPS // 2
_KERNEL = blur_kernel()[_HALO:].astype(np.float32)
"""Weights of the sharpening's blur from its middle outward."""
_SLOPE = 1.055 / 2.4 * MID_GREY ** (1 / 2.4 - 1)
"""How fast display values rise with light at mid grey."""
_TOP = np.float32(1)
_NO_GAINS = np.ones(3, np.float32)


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
    """A picture being developed, some rows at a time from the top, so that what leads up to it stays in the cache."""

    def __init__(
        self,
        shape: tuple[int, ...],
        sensor: Sensor,
        gamma: float,
        key: int,
        stream: int,
        gains: NDArray[np.float64] | None = None,
    ) -> None:
        """``shape``: (H, W, 3). ``key`` and ``stream`` choose the grain; different streams never share any.

        ``gains``, (3,), multiply the light first.
        """
        self._sensor = sensor
        self._gains = _NO_GAINS if gains is None else gains.astype(np.float32)
        self._grain: Grain | None = None
        if sensor.noise > 0:
            white, level = blend(sensor.correlation, sensor.sharpen)
            sigma = sensor.noise * level / (1 + sensor.tone / 2)  # the S-curve is steepest at mid grey
            self._grain = Grain(shape, white, key, stream)
            self._spread = np.array([*grain_variance(sigma, sensor.read), *self._grain.shares], np.float32)
        curve = development(sensor.tone, gamma)
        self._curve: NDArray[Any] = curve if sensor.sharpen else to_bytes(curve[None])[0]
        self._made: NDArray[np.uint8] = np.empty(shape, np.uint8)
        # Sharpening looks at neighbours: the last rows wait for those that follow.
        self._waiting: Float = np.empty((2 * _HALO, *shape[1:]), np.float32)

    def expose(self, rows: slice, linear: Float) -> None:
        """Turn the light, (h, W, 3), on the next rows into display values.

        Clipped to full well, grain added in light, then the tone curve, raised to ``gamma``.
        """
        if not self._sensor.sharpen:
            self._tone(rows.start, linear, self._made[rows])
            return
        strip = np.empty((2 * _HALO + len(linear), *linear.shape[1:]), np.float32)
        self._tone(rows.start, linear, strip[2 * _HALO :])
        strip[: 2 * _HALO] = self._waiting if rows.start else strip[2 * _HALO]
        self._sharpen(strip, rows.start - _HALO)
        self._waiting[...] = strip[-2 * _HALO :]

    def _tone(self, first: int, linear: Float, out: NDArray[Any]) -> None:
        if self._grain is None:
            toned(linear, self._gains, self._curve, _TOP, out)
        else:
            places = self._grain.pieces, *self._grain.tiles
            grainy(linear, self._gains, first, *places, self._spread, self._curve, out)

    def finished(self) -> NDArray[np.uint8]:
        """Return the picture, (H, W, 3): sharpened and rounded once."""
        if self._sensor.sharpen:
            self._sharpen(np.concatenate([self._waiting, *[self._waiting[-1:]] * _HALO]), len(self._made) - _HALO)
        return self._made

    def _sharpen(self, strip: Float, first: int) -> None:
        """Sharpen what has its neighbours on either side in a strip; its third row is the picture's row ``first``."""
        above = max(0, -first)  # repetitions of the first row
        count = len(strip) - 2 * _HALO - above
        if count > 0:
            out = self._made[first + above : first + above + count]
            sharpened(strip[above:], _KERNEL, np.float32(self._sensor.sharpen), out)


@lru_cache(maxsize=4)
def development(tone: float, gamma: float = 1.0) -> Float:
    """Tabulate what light, 0 to 1, becomes on display: sRGB's curve, the S-curve and ``gamma``."""
    return curve_table(lambda light: power(tone_curve(to_display(light), tone), gamma))


def develop(
    light: Callable[[slice], Float],
    shape: tuple[int, ...],
    sensor: Sensor,
    gamma: float,
    key: int,
    stream: int,
    gains: NDArray[np.float64] | None = None,
) -> NDArray[np.uint8]:
    """Turn the light on a sensor into the 8-bit picture that it makes of it, ``shape`` (H, W, 3); see :class:`Picture`.

    ``light`` tells that on some rows, (h, W, 3).
    """
    picture = Picture(shape, sensor, gamma, key, stream, gains)
    for rows in row_blocks(shape):
        picture.expose(rows, np.ascontiguousarray(light(rows)))
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


def grain_variance(sigma: float, read: float) -> tuple[float, float]:
    """Return the variance of shot and read noise in linear light: a constant, and what each unit of light adds.

    ``sigma``: of the display value at mid grey, where ``read`` is the constant's share. Photons arrive as a Poisson
    process, so that their variance is their number; the electronics add a constant (EMVA 1288, section 2).
    """
    variance = (sigma / _SLOPE) ** 2
    return variance * read, variance * (1 - read) / MID_GREY


def sharpen(display: Float, amount: float) -> Float:
    """Sharpen display values by an unsharp mask of 0.8 pixels; :class:`Picture` does the same by rows."""
    if amount == 0:
        return display
    soft = cv2.GaussianBlur(display, (TAPS, TAPS), SIGMA, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.addWeighted(display, 1 + amount, soft, -amount, 0.0), np.float32)
