"""Light over the frame between a source and its plate: how uneven it became, and what the person does to a meter."""

from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import theilslopes

from compositing.light import LUMA, Float, to_linear

Mask = NDArray[np.bool_]

DARKEST_LIGHT = 1e-3
"""Light below which a meter sees nothing, as ``chain.camera`` has it."""
DARKEST = 0.01
"""Light below which a block is too noisy for its logarithm."""
BRIGHTEST = 0.9
BLOCK = 16
"""Pixels a side of what is averaged for the evenness of light."""
LEAST_BLOCKS = 30
ANGLES = 36
"""Directions of uneven light that are tried, over half a turn."""
TRIMMED = 3.0
"""Spreads (of the median kind) beyond which a block is a shadow, or something that changed."""
FEWEST_PAIRS = 5
LEAST_SPREAD = 0.04
"""Stops that what people do to the frame must vary by, pair to pair, to tell an answer to it from a drift."""
SURE = 0.9
"""Of the interval that a coupling is given with."""


class Light(NamedTuple):
    """What light did."""

    uneven: float
    """Stops from corner to corner by which the source is lit otherwise, at least 0; NaN where too little is seen."""
    angle: float
    """Where it is brighter, degrees, as ``chain.camera.uneven`` has it."""
    subject: float
    """What the person adds to the frame's mean logarithm of luminance, stops."""
    subject_red: float
    """The same of red against green."""
    subject_blue: float


class Coupling(NamedTuple):
    """How much of the change that people make a camera took back, over many pairs."""

    share: float
    """0 for a camera set by hand, 1 for one that keeps the mean."""
    low: float
    """Lower end of where it lies with a probability of ``SURE``."""
    high: float
    pairs: int


def measure_light(predicted: Float, bgr: Float, free: Mask, seen: Mask) -> Light:
    """Measure light over the frame.

    ``predicted``: (H, W, 3) the source with the plate's tone; ``bgr``: the plate brought onto it; levels of 255.
    ``free``: (H, W), where no person is; ``seen``: where both show the same place.
    """
    one, two = (to_linear(np.clip(image / np.float32(255), 0, 1)) for image in (predicted, bgr))
    change = _logarithms(one) - _logarithms(two)
    there = seen & ~free
    subject = change[there].sum(axis=0, dtype=np.float64) / max(int(seen.sum()), 1)
    red, green, blue, luminance = (float(value) for value in subject)
    uneven, angle = _uneven(one, two, free)
    return Light(uneven, angle, luminance, red - green, blue - green)


def fit_coupling(measures: pd.DataFrame) -> tuple[Coupling | None, Coupling | None]:
    """Fit how exposure and how white balance answered people, from MEASURES rows with status ``ok``.

    The gain of plate against source, stops, is the drift plus the share of what the person adds to the frame that the
    camera took back in the source: the slope of the one over the other (Theil and Sen, robust). None where the pairs
    are too few or people do the same to the frame in all of them.
    """
    exposure = _slope([(measures["subject"], measures["gain"])])
    colour = _slope([(measures[f"subject_{name}"], measures[f"gain_{name}"]) for name in ("red", "blue")])
    return exposure, colour


def _slope(columns: list[tuple["pd.Series[float]", "pd.Series[float]"]]) -> Coupling | None:
    x, y, pairs = [], [], 0
    for change, gain in columns:
        both = np.column_stack([change.to_numpy(np.float64), gain.to_numpy(np.float64)])
        both = both[np.isfinite(both).all(axis=1)]
        if len(both) < FEWEST_PAIRS:
            return None
        pairs = max(pairs, len(both))
        # Each about its own middle, so that a drift of one is no answer of the other.
        x.append(both[:, 0] - np.median(both[:, 0]))
        y.append(both[:, 1] - np.median(both[:, 1]))
    if float(np.concatenate(x).std()) < LEAST_SPREAD:
        return None
    slope, _, low, high = (float(value) for value in theilslopes(np.concatenate(y), np.concatenate(x), SURE))
    return Coupling(slope, low, high, pairs)


def _logarithms(linear: Float) -> NDArray[np.float32]:
    every = np.concatenate([linear, linear @ np.array(LUMA, np.float32)[:, None]], axis=2)
    return np.asarray(np.log2(np.maximum(every, DARKEST_LIGHT)), np.float32)


def _uneven(one: Float, two: Float, free: Mask) -> tuple[float, float]:
    """Fit the light of ``chain.camera.uneven`` to the ratio of the two."""
    height, width = free.shape
    size = (max(2, width // BLOCK), max(2, height // BLOCK))
    share = cv2.resize(free.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    light = []
    for image in (one, two):
        luminance = (image @ np.array(LUMA, np.float32)) * free
        light.append(cv2.resize(luminance, size, interpolation=cv2.INTER_AREA) / np.maximum(share, 1e-3))
    fits = (share > 0.5) & (np.minimum(*light) > DARKEST) & (np.maximum(*light) < BRIGHTEST)
    if int(fits.sum()) < LEAST_BLOCKS:
        return float("nan"), 0.0
    x, y = np.meshgrid(np.linspace(-1, 1, size[0]), np.linspace(-1, 1, size[1]))
    stops = np.log2(light[0][fits] / light[1][fits]).astype(np.float64)
    for _ in range(2):
        found, angle, rest = _best_slope(x[fits], y[fits], stops)
        spread = 1.4826 * float(np.median(np.abs(rest)))
        keep = np.abs(rest) <= TRIMMED * max(spread, 1e-3)
        fits[fits] = keep
        stops = stops[keep]
        if len(stops) < LEAST_BLOCKS:
            break
    return abs(found), angle if found >= 0 else angle + 180


def _best_slope(
    x: NDArray[np.float64], y: NDArray[np.float64], stops: NDArray[np.float64]
) -> tuple[float, float, NDArray[np.float64]]:
    """Return stops, angle and what is left."""
    best: tuple[float, float, float, NDArray[np.float64]] | None = None
    for angle in np.arange(ANGLES) * np.pi / ANGLES:
        along, down = np.cos(angle), -np.sin(angle)
        shape = np.sin((along * x + down * y) / (abs(along) + abs(down)) * np.pi / 2) / 2
        base = np.column_stack([np.ones_like(shape), shape])
        values, *_ = np.linalg.lstsq(base, stops, rcond=None)
        rest = stops - base @ values
        # The middle of the errors, not their squares: shadows are one-sided and large.
        wrong = float(np.abs(rest).mean())
        if best is None or wrong < best[0]:
            best = wrong, float(values[1]), float(np.degrees(angle)), rest
    assert best is not None
    return best[1:]
