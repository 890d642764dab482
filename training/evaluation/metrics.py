"""What a matte is worth: the field's metrics in both of its conventions.

- :func:`whole_image` and :func:`dtssd` follow Robust Video Matting: MAD and MSE times 10^3, gradient and connectivity
  divided by 1000, dtSSD times 10^2.
- :func:`unknown_region` follows Background Matting V2: only pixels the trimap calls unknown; SAD divided by 1000, MSE
  as it is, gradient and connectivity as sums.

Gradient and connectivity are those of Rhemann et al. 2009. All functions are pure and take float arrays in [0, 1].
"""

import math
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

UNKNOWN = 128
"""The trimap's value for unknown."""

TRIMAP_LIMITS = (0.06, 0.96)
"""True alpha between these makes a pixel unknown."""
TRIMAP_ROUNDS = 10
"""How often the unknown region grows by a pixel, and shrinks again: gaps of up to twice that close."""
GRADIENT_SIGMA = 1.4
CONNECTIVITY_STEP = 0.1
CONNECTIVITY_TOLERANCE = 0.15
"""Distances to the connected level below this count as none."""


class WholeImage(NamedTuple):
    """Robust Video Matting's metrics of one frame."""

    mad: float
    """Mean absolute difference, times 10^3."""
    mse: float
    """Mean squared difference, times 10^3."""
    grad: float
    """Squared difference of the gradients, summed, divided by 1000."""
    conn: float
    """Difference of the connectedness, summed, divided by 1000."""


class UnknownRegion(NamedTuple):
    """Background Matting V2's metrics of one frame."""

    sad: float
    """Absolute difference, summed, divided by 1000."""
    mse: float
    """Mean squared difference; NaN where the trimap has no unknown pixel."""
    grad: float
    """Squared difference of the gradients, summed."""
    conn: float
    """Difference of the connectedness, summed."""


class Foreground(NamedTuple):
    """How well the foreground's colour is known where true alpha is above 0; NaN where it is nowhere."""

    mad: float
    """Mean absolute difference, times 10^3."""
    mse: float
    """Mean squared difference, times 10^3."""


class ByRegion(NamedTuple):
    """MAD times 10^3 in each part of the true matte; NaN where there is no such part."""

    background: float
    """Where true alpha is 0."""
    soft: float
    """Where it is neither 0 nor 1."""
    foreground: float
    """Where it is 1."""


def whole_image(pred: npt.ArrayLike, true: npt.ArrayLike) -> WholeImage:
    """Compare two mattes (H, W) in [0, 1] over all pixels.

    A constant matte has a gradient of 0. Where the two mattes share no pixel at some connectivity threshold, nothing
    is connected there (see :func:`_connectivity_map`).

    Raises:
        ValueError: the two differ in shape, are not two-dimensional, not floating point or not finite.
    """
    return _over_all(_compared(pred, true))


def unknown_region(pred: npt.ArrayLike, true: npt.ArrayLike, trimap: npt.ArrayLike) -> UnknownRegion:
    """Compare two mattes (H, W) in [0, 1] where ``trimap`` (H, W), uint8, is 128.

    Gradient and connectivity are computed on the whole frame and summed inside.

    Raises:
        ValueError: shapes differ, a matte is not floating point or not finite.
    """
    return _inside(_compared(pred, true), trimap)


def both_conventions(
    pred: npt.ArrayLike, true: npt.ArrayLike, trimap: npt.ArrayLike
) -> tuple[WholeImage, UnknownRegion]:
    """Return :func:`whole_image` and :func:`unknown_region` for little more than the price of one.

    Raises:
        ValueError: as they do.
    """
    maps = _compared(pred, true)
    return _over_all(maps), _inside(maps, trimap)


def make_trimap(true: npt.ArrayLike) -> npt.NDArray[np.uint8]:
    """Make the trimap of the published figures out of true alpha (H, W) in [0, 1]: 0, 128 (unknown) or 255.

    Unknown is where alpha lies between 0.06 and 0.96, then ten rounds of dilation and ten of erosion with a circle of
    three pixels (Background Matting V2's supplement): gaps close, and the band becomes hardly wider. The rounds are
    pixels whatever the size of the frame, as published.

    Raises:
        ValueError: the matte is not floating point or not finite.
    """
    truth = _matte(true, "true")
    low, high = TRIMAP_LIMITS
    soft = ((truth > low) & (truth < high)).astype(np.uint8)
    circle = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    unknown = cv2.erode(cv2.dilate(soft, circle, iterations=TRIMAP_ROUNDS), circle, iterations=TRIMAP_ROUNDS)
    return np.where(unknown > 0, UNKNOWN, np.where(truth >= 0.5, 255, 0)).astype(np.uint8)


def dtssd(pred: npt.ArrayLike, pred_prev: npt.ArrayLike, true: npt.ArrayLike, true_prev: npt.ArrayLike) -> float:
    """Flicker: root mean square of how much more one matte changes from frame to frame than the other, times 10^2.

    Args:
        pred: (H, W) predicted matte.
        pred_prev: the one of the frame before.
        true: (H, W) true matte.
        true_prev: the one of the frame before.

    Source: Erofeev et al. 2015, in Robust Video Matting's scaling.

    Raises:
        ValueError: shapes differ, a matte is not floating point or not finite.
    """
    names = ("pred", "pred_prev", "true", "true_prev")
    mattes = [_matte(value, name) for value, name in zip((pred, pred_prev, true, true_prev), names, strict=True)]
    for matte in mattes[1:]:
        _same_shape(mattes[0], matte)
    change = (mattes[0] - mattes[1]) - (mattes[2] - mattes[3])
    return 1e2 * math.sqrt(float(np.square(change).mean()))


def foreground(pred: npt.ArrayLike, true: npt.ArrayLike, true_pha: npt.ArrayLike) -> Foreground:
    """Compare two foregrounds (3, H, W) in [0, 1] where ``true_pha`` (H, W) is above 0.

    Raises:
        ValueError: shapes differ, an array is not floating point or not finite.
    """
    predicted, truth = _floats(pred, "pred"), _floats(true, "true")
    seen = _matte(true_pha, "true_pha") > 0
    _same_shape(predicted, truth)
    if predicted.shape != (3, *seen.shape):
        raise ValueError(f"foregrounds {predicted.shape} must be (3, H, W) with the matte's H, W {seen.shape}")
    difference = (predicted - truth)[:, seen]
    return Foreground(mad=1e3 * _mean(np.abs(difference)), mse=1e3 * _mean(np.square(difference)))


def by_region(pred: npt.ArrayLike, true: npt.ArrayLike) -> ByRegion:
    """MAD of two mattes (H, W) in [0, 1], apart for background, soft pixels and foreground of the true one.

    Raises:
        ValueError: shapes differ, a matte is not floating point or not finite.
    """
    predicted, truth = _matte(pred, "pred"), _matte(true, "true")
    _same_shape(predicted, truth)
    difference = np.abs(predicted - truth)
    empty, full = truth <= 0, truth >= 1
    return ByRegion(
        background=1e3 * _mean(difference[empty]),
        soft=1e3 * _mean(difference[~empty & ~full]),
        foreground=1e3 * _mean(difference[full]),
    )


class _Compared(NamedTuple):
    """Two mattes pixel by pixel, each (H, W)."""

    difference: Array
    gradient: Array
    connectivity: Array


def _compared(pred: npt.ArrayLike, true: npt.ArrayLike) -> _Compared:
    predicted, truth = _matte(pred, "pred"), _matte(true, "true")
    _same_shape(predicted, truth)
    return _Compared(predicted - truth, _gradient_map(predicted, truth), _connectivity_map(predicted, truth))


def _over_all(maps: _Compared) -> WholeImage:
    return WholeImage(
        mad=1e3 * float(np.abs(maps.difference).mean()),
        mse=1e3 * float(np.square(maps.difference).mean()),
        grad=1e-3 * float(maps.gradient.sum()),
        conn=1e-3 * float(maps.connectivity.sum()),
    )


def _inside(maps: _Compared, trimap: npt.ArrayLike) -> UnknownRegion:
    unknown: Mask = np.asarray(trimap) == UNKNOWN
    _same_shape(maps.difference, unknown)
    difference = maps.difference[unknown]
    return UnknownRegion(
        sad=1e-3 * float(np.abs(difference).sum()),
        mse=_mean(np.square(difference)),
        grad=float(maps.gradient[unknown].sum()),
        conn=float(maps.connectivity[unknown].sum()),
    )


def _gradient_map(pred: Array, true: Array) -> Array:
    """Squared difference of the gradients' magnitudes, each matte stretched to its own minimum and maximum first."""
    difference: Array = np.square(_gradient(_stretched(pred)) - _gradient(_stretched(true)))
    return difference


def _gradient(matte: Array) -> Array:
    bell, slope = gradient_taps()
    # Both factors of the kernel are symmetric but for the sign, which the magnitude does not see.
    along_x = cv2.sepFilter2D(matte, cv2.CV_64F, slope, bell, borderType=cv2.BORDER_REPLICATE)
    along_y = cv2.sepFilter2D(matte, cv2.CV_64F, bell, slope, borderType=cv2.BORDER_REPLICATE)
    magnitude: Array = np.hypot(along_x, along_y)
    return magnitude


def gradient_taps(sigma: float = GRADIENT_SIGMA, epsilon: float = 1e-2) -> tuple[Array, Array]:
    """A Gaussian and its derivative, cut where the Gaussian falls under ``epsilon``; their product has norm 1."""
    half = math.ceil(sigma * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * sigma * epsilon)))
    offset = np.arange(-half, half + 1, dtype=np.float64)
    bell = np.exp(-(offset**2) / (2 * sigma**2))
    slope = -offset * bell
    return bell / np.sqrt(np.square(bell).sum()), slope / np.sqrt(np.square(slope).sum())


def _stretched(matte: Array) -> Array:
    low, high = float(matte.min()), float(matte.max())
    if high <= low:
        return np.zeros_like(matte)
    return (matte - low) / (high - low)


def _connectivity_map(pred: Array, true: Array) -> Array:
    """Difference of how far each pixel lies above the level at which it still hangs together with the main body.

    The main body at a threshold is the largest 4-connected region that both mattes share there. Where they share
    none, the published code stops; the limit of ever smaller bodies is that no pixel is connected at that threshold
    and above, and this is what happens here.
    """
    levels = np.full(true.shape, 1.0)
    undecided = np.ones(true.shape, dtype=bool)
    for step in range(1, round(1 / CONNECTIVITY_STEP) + 1):
        # 8-bit mattes sit exactly on every second threshold: rounding must not decide.
        threshold = step * CONNECTIVITY_STEP - 1e-6
        lost = undecided & ~largest_region((pred >= threshold) & (true >= threshold))
        levels[lost] = (step - 1) * CONNECTIVITY_STEP
        undecided &= ~lost
    difference: Array = np.abs(_above(pred - levels) - _above(true - levels))
    return difference


def _above(distance: Array) -> Array:
    kept: Array = np.where(distance >= CONNECTIVITY_TOLERANCE, distance, 0.0)
    return kept


def largest_region(mask: Mask) -> Mask:
    """The largest 4-connected region of a mask (H, W); of several, the one that begins topmost."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=4)
    areas = stats[1:, cv2.CC_STAT_AREA]
    if not len(areas):
        return np.zeros(mask.shape, dtype=bool)
    largest: Mask = labels == 1 + int(np.argmax(areas))
    return largest


def _mean(values: Array) -> float:
    return float(values.mean()) if values.size else math.nan


def _matte(value: npt.ArrayLike, name: str) -> Array:
    matte = _floats(value, name)
    if matte.ndim != 2 or not matte.size:
        raise ValueError(f"{name}: a matte of shape {matte.shape}; expected (H, W)")
    return matte


def _floats(value: npt.ArrayLike, name: str) -> Array:
    array = np.asarray(value)
    if array.dtype.kind != "f":
        raise ValueError(f"{name}: {array.dtype} values; expected floats in [0, 1], divide 8-bit values by 255")
    bad = array.size - int(np.isfinite(array).sum())
    if bad:
        raise ValueError(f"{name}: {bad} of {array.size} values are not finite")
    return array.astype(np.float64)


def _same_shape(one: npt.NDArray[np.generic], other: npt.NDArray[np.generic]) -> None:
    if one.shape != other.shape:
        raise ValueError(f"shapes differ: {one.shape} and {other.shape}; resize one to the other first")
