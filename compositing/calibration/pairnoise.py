"""The noise of a source and its plate, from what differs between them where the scene is flat."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.light import Float

Mask = NDArray[np.bool_]

BINS = 8
"""Brightness bins of equal width, 0 to 255."""
LEAST = 400
"""Pixels of a bin that make a figure."""
FLATTEST = 0.25
"""Share of the pixels, those with the least slope, that are used however badly the two fit."""
MISFIT = 0.4
"""Levels that what is left of a motion may change: a pixel with a steeper slope is not used."""
REGISTERED = 0.05
"""Pixels: how far registration can be trusted at best."""
SMOOTH = 6.0
"""Sigma of what is taken for uneven light and not for noise, pixels."""
OUTLIER = 5.0
"""Standard deviations beyond which a difference is something that moved."""


class PairNoise(NamedTuple):
    """Noise after camera and codec, levels of 255."""

    src: float
    """Standard deviation in the source, at mid grey."""
    bgr: float
    """Standard deviation in the plate, at mid grey."""
    correlation: float
    """Of neighbours, mean of across and down; NaN where there is no noise."""
    by_brightness: tuple[float, ...]
    """Standard deviation (mean of the two pictures) in each of ``BINS`` bins; NaN where few pixels are."""


def measure_noise(src: Float, predicted: Float, bgr: Float, outside: Mask, left: float) -> PairNoise:
    """Measure the noise of two registered pictures.

    ``src``: (H, W, 3) the source as it is, ``predicted``: the source with the plate's tone, ``bgr``: the plate
    brought onto it by whole pixels; all levels of 255, float32. ``outside``: (H, W), where no person is. ``left``:
    pixels that the two are still apart. Where they fit, textured places count too: a codec keeps less noise where the
    picture is flat. The scene's own texture is in both pictures and cancels: of the variances V, noise(src) = (V(src
    - bgr) + V(src) - V(bgr)) / 2. Raises ValueError where nothing is flat and well exposed.
    """
    middle = (predicted + bgr).mean(2) / 2
    smooth = cv2.GaussianBlur(middle, (0, 0), 2.0)
    slope = np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)) / 8
    exposed = (np.minimum(src, bgr) > 3).all(2) & (np.maximum(src, bgr) < 252).all(2) & outside
    if int(exposed.sum()) < LEAST:
        raise ValueError("nothing outside the person is well exposed, so noise cannot be measured")
    flat = exposed & (slope <= max(float(np.quantile(slope[exposed], FLATTEST)), MISFIT / max(left, REGISTERED)))
    rest = _rough(predicted - bgr, exposed)
    spread = float(rest[flat].std())
    flat &= (np.abs(rest) <= OUTLIER * max(spread, 0.5)).all(2)
    if int(flat.sum()) < LEAST:
        raise ValueError("nothing outside the person is flat, so noise cannot be measured; show some bare wall")
    # The tone between the two stretches the source's noise as well: it is taken back in the end.
    stretch = _stretch(src, predicted, flat)
    both, one, two = (_variance(each, flat) for each in (rest, _rough(predicted, exposed), _rough(bgr, exposed)))
    noise_one, noise_two = max(0.0, (both + one - two) / 2), max(0.0, (both + two - one) / 2)
    levels = _by_brightness(rest, smooth, flat)
    if np.isnan(levels).all():
        raise ValueError("too little outside the person is flat, so noise cannot be measured; show some bare wall")
    middling = _at_mid_grey(levels) / np.sqrt(both / 2) if both > 0 else 1.0
    one, two = (float(np.sqrt(noise) * middling) for noise in (noise_one, noise_two))
    return PairNoise(one / stretch, two, _correlation(rest, flat), levels)


def _at_mid_grey(levels: tuple[float, ...]) -> float:
    """Read noise at mid grey between the bins that are known; at its end where the picture is all dark or bright."""
    middles, found = (np.arange(BINS) + 0.5) * 256 / BINS, np.array(levels)
    there = np.isfinite(found)
    return float(np.interp(127.5, middles[there], found[there]))


def _rough(image: Float, where: Mask) -> Float:
    """Take out what is smooth, without letting the person's side leak in."""
    weight = cv2.GaussianBlur(where.astype(np.float32), (0, 0), SMOOTH)
    mean = cv2.GaussianBlur(image * where[:, :, None], (0, 0), SMOOTH) / np.maximum(weight, 1e-3)[:, :, None]
    return np.asarray(image - mean, np.float32)


def _variance(image: Float, where: Mask) -> float:
    return float(np.mean(np.square(image[where], dtype=np.float64)))


def _stretch(src: Float, predicted: Float, flat: Mask) -> float:
    one, two = src[flat].mean(1).astype(np.float64), predicted[flat].mean(1).astype(np.float64)
    spread = float(one.var())
    slope = float(((one - one.mean()) * (two - two.mean())).mean() / spread) if spread > 25 else 1.0
    return min(max(slope, 0.5), 2.0)


def _correlation(rest: Float, flat: Mask) -> float:
    found = []
    for one, two in (((slice(None), slice(1, None)), (slice(None), slice(None, -1))),
                     ((slice(1, None), slice(None)), (slice(None, -1), slice(None)))):  # fmt: skip
        both = flat[one] & flat[two]
        a, b = rest[one][both].astype(np.float64), rest[two][both].astype(np.float64)
        power = float(np.sqrt((a * a).mean() * (b * b).mean())) if len(a) else 0.0
        found.append(float((a * b).mean()) / power if power > 0 else float("nan"))
    return float(np.mean(found))


def _by_brightness(rest: Float, level: Float, flat: Mask) -> tuple[float, ...]:
    place = np.clip(level * BINS / 256, 0, BINS - 1).astype(np.int64)[flat]
    square = np.square(rest[flat], dtype=np.float64).mean(1)
    counts = np.bincount(place, minlength=BINS)
    sums = np.bincount(place, weights=square, minlength=BINS)
    return tuple(float(np.sqrt(s / c / 2)) if c >= LEAST else float("nan") for s, c in zip(sums, counts, strict=True))
