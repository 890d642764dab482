"""The pattern of a picture's noise: unit normals, a share of them blurred as demosaicing and denoising do.

Noise is drawn once into tiles; a picture takes pieces of them, each turned and placed as its row says. Drawing normals
for each picture took ten times as long as all else here.
"""

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.kernels.rows import TAPS, noise
from compositing.light import Float

TILE = 1024
"""Side of a noise tile, pixels."""
PIECE = 512
"""Side of a piece taken from it: leaves room to start anywhere."""
SIGMA = 0.8
"""Sigma of demosaicing and denoising in the correlated part of the noise, and of sharpening, pixels."""
_STEPS = 6000
"""Steps of a stored value to a sigma: 16 bits hold five sigmas, and rounding is far below any picture's."""


class _Tiles(NamedTuple):
    """Unit normals in ``_STEPS``, (TILE, 3 TILE) int16."""

    sharp: NDArray[np.int16]
    soft: NDArray[np.int16]
    """The same, blurred."""


class Grain:
    """A field of noise from the tiles: ``white`` parts white noise, the rest blurred; its variance is the blend's.

    Pieces lie side by side, each from a place of its own, upside down or not, its sign turned or not. Deterministic in
    (key, stream); different streams never share any.
    """

    def __init__(self, shape: tuple[int, ...], white: float, key: int, stream: int) -> None:
        """``shape``: the picture's, (H, W, 3)."""
        self._width = shape[1]
        self.tiles = _tiles(stream)
        generator = np.random.Generator(np.random.Philox(key=np.array([key, stream], dtype=np.uint64)))
        down, across = -(-shape[0] // PIECE), -(-shape[1] // PIECE)
        self.pieces = np.full((down, across, 5), PIECE, np.int64)
        self.pieces[:, :, 1:3] = generator.integers(0, TILE - PIECE, size=(down, across, 2), endpoint=True)
        self.pieces[:, :, 3:] = generator.integers(0, 2, size=(down, across, 2)) * [1, 2] - [0, 1]
        self.shares = np.array([white, 1 - white]) / _STEPS
        """Factors of the two tiles."""

    def rows(self, rows: slice) -> Float:
        """Return the field on some rows, (h, W, 3)."""
        field = np.empty((rows.stop - rows.start, self._width * 3), np.float32)
        spread = np.array([0, 0, *self.shares], np.float32)
        for y, line in enumerate(field):
            noise(rows.start + y, self.pieces, *self.tiles, spread, line)
        return field.reshape(len(field), self._width, 3)


def blur_kernel() -> NDArray[np.float64]:
    """Return the weights, (TAPS,), of the blur by ``SIGMA``."""
    return np.asarray(cv2.getGaussianKernel(TAPS, SIGMA, cv2.CV_64F), np.float64).ravel()


def blend(correlation: float, amount: float) -> tuple[float, float]:
    """Return the white share that gives the neighbour correlation after sharpening, and what then restores sigma.

    With g the blur's spectrum, t the blurred share and s the sharpening, the noise's spectrum is
    ``(1 - t + t g)^2 (1 + s - s g)^2``: variance and covariance are moments of g, and t solves a quadratic equation.
    A correlation out of reach becomes the nearest in reach.
    """
    plain, shifted = _moments()
    sharpening = np.array([(1 + amount) ** 2, -2 * amount * (1 + amount), amount**2])
    m, c = (np.array([sharpening @ moments[k : k + 3] for k in range(3)]) for moments in (plain, shifted))
    blurred = _share(c - correlation * m)
    return 1 - blurred, float(m @ np.array([(1 - blurred) ** 2, 2 * blurred * (1 - blurred), blurred**2])) ** -0.5


def _share(e: NDArray[np.float64]) -> float:
    """Solve ``e0 (1 - t)^2 + 2 e1 t (1 - t) + e2 t^2 = 0``, which starts below 0 at t = 0, or take the nearer end."""
    if e[0] >= 0:
        return 0.0
    if e[2] <= 0:
        return 1.0
    a, half, c = e[0] - 2 * e[1] + e[2], e[1] - e[0], e[0]
    # The stable form: of the two roots the one between 0 and 1, as c < 0 < a + 2 half + c.
    return float(-c / (half + np.sqrt(half * half - a * c)))


@lru_cache(maxsize=1)
def _moments() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the means of g^k and of g^k cos(w), k = 0 to 4, over all frequencies."""
    size = 32
    wave = 2 * np.pi * np.arange(size) / size
    line = np.cos(np.outer(wave, np.arange(TAPS) - TAPS // 2)) @ blur_kernel()
    g = np.outer(line, line)
    powers = [g**k for k in range(5)]
    return np.array([p.mean() for p in powers]), np.array([(p * np.cos(wave)).mean() for p in powers])


@lru_cache(maxsize=2)
def _tiles(stream: int) -> _Tiles:
    """Return a stream's tiles; 13 MB, kept by the process."""
    key = np.array([0x6772_6169_6E, stream], dtype=np.uint64)
    white = np.random.Generator(np.random.Philox(key=key)).standard_normal((TILE, TILE, 3), dtype=np.float32)
    wide = np.pad(white, ((TAPS, TAPS), (TAPS, TAPS), (0, 0)), mode="wrap")
    soft = cv2.GaussianBlur(wide, (TAPS, TAPS), SIGMA)[TAPS:-TAPS, TAPS:-TAPS]
    return _Tiles(_stored(white), _stored(np.asarray(soft, np.float32)))


def _stored(values: Float) -> NDArray[np.int16]:
    return np.clip(np.rint(values * _STEPS), -(2**15), 2**15 - 1).astype(np.int16).reshape(TILE, 3 * TILE)
