"""Measured pairs -> the ranges that the plan draws from."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from compositing.calibration.metering import fit_coupling

LOW, HIGH = 0.05, 0.95
"""Quantiles that a range spans before it is widened."""
DIGITS = 3
"""Significant digits of a proposed bound, rounded outward."""

MOST_CORRELATION = 0.6
"""Of neighbouring pixels: more than a renderer's sensor makes."""

Values = NDArray[np.float64]
Bounds = tuple[float, float]


LEAST_COUPLING = 0.05
"""Share of a change taken back below which a camera is set by hand."""


class Proposal(NamedTuple):
    """One range, or one probability, that the pairs support."""

    key: str
    """Key of ``CaptureParams``."""
    low: float
    high: float
    """As low where it is a probability."""
    pairs: int
    """Pairs it stands on."""


def propose(measures: pd.DataFrame) -> list[Proposal]:
    """Propose a range for each quantity that was measured, from MEASURES rows (those with status ``ok`` count).

    A range spans the 5 to 95 % quantiles. Few pairs seldom hold the extremes, so it is widened by w = 1 + 2 /
    sqrt(n), n the number of pairs: 1.6 for 10, 1.2 for 100. Drifts (rotation, scale, gain, white balance, gamma) span
    as far up as down, since their sign hangs on which picture was taken first; sizes (shift, noise) are divided and
    multiplied by w. What happens now and then (perspective, changed focus, uneven light) has a probability, the share
    of the pairs in which more was measured than a still pair shows, and a range over those alone; nothing seen is a
    probability of 0 and leaves the range. An exposure that followed the people is taken out of the drifts.
    """
    good = measures[measures["status"] == "ok"]
    metered, good = _metering(good)
    proposals = [*metered, *(each for key, rule in _SOMETIMES.items() for each in _sometimes(good, key, *rule))]
    for key, (columns, rule, unit) in _QUANTITIES.items():
        values = np.concatenate([good[name].dropna().to_numpy(np.float64) for name in columns]) * unit
        if not len(values):
            continue
        pairs = int(good[list(columns)].notna().any(axis=1).sum())
        low, high = rule(values, 1 + 2 / math.sqrt(pairs))
        proposals.append(Proposal(key, low, high, pairs))
    return proposals


def _metering(good: pd.DataFrame) -> tuple[list[Proposal], pd.DataFrame]:
    """Propose how a meter answers people, and return the pairs as they would be without its answers."""
    found = [fit for fit in zip(fit_coupling(good), (("",), ("_red", "_blue")), strict=True) if fit[0] is not None]
    if not found:
        return [], good
    pairs = min(fit.pairs for fit, _ in found if fit)
    answers = [(fit, names) for fit, names in found if fit and fit.low > LEAST_COUPLING]
    if not answers:
        return [Proposal("metering", 0.0, 0.0, pairs)], good
    good = good.copy()
    for fit, names in answers:
        for name in names:
            good[f"gain{name}"] -= fit.share * good[f"subject{name}"]
    low = round(max(min(fit.low for fit, _ in answers), 0.0), 3)
    high = round(min(max(fit.high for fit, _ in answers), 1.0), 3)
    return [Proposal("metering", 1.0, 1.0, pairs), Proposal("coupling", min(low, high), high, pairs)], good


def _sometimes(good: pd.DataFrame, key: str, column: str, side: int, floor: float) -> list[Proposal]:
    values = good[column].dropna().to_numpy(np.float64) * side
    if not len(values):
        return []
    met = values[values > floor]
    share = round(len(met) / len(values), 3)
    proposals = [Proposal(f"{key}_probability", share, share, len(values))]
    return [Proposal(key, *_size(met, 1 + 2 / math.sqrt(len(met))), len(met)), *proposals] if len(met) else proposals


def _drift(values: Values, widen: float) -> Bounds:
    most = _outward(float(np.quantile(np.abs(values), HIGH)) * widen)
    return -most, most


def _factor(values: Values, widen: float) -> Bounds:
    most = float(np.quantile(np.abs(np.log(values)), HIGH)) * widen
    # Four more digits: a scale of 1.0004 is a motion of half a pixel.
    return round(math.exp(-most), 4), round(math.exp(most) + 5e-5, 4)


def _size(values: Values, widen: float) -> Bounds:
    low, high = np.quantile(values, (LOW, HIGH))
    return _outward(max(float(low), 0.0) / widen, down=True), _outward(float(high) * widen)


def _share(values: Values, widen: float) -> Bounds:
    low, high = _size(values, widen)
    return min(low, MOST_CORRELATION), min(high, MOST_CORRELATION)


def _quality(values: Values, widen: float) -> Bounds:
    low, middle, high = np.quantile(values, (LOW, 0.5, HIGH))
    return (
        float(max(1, math.floor(middle - (middle - low) * widen))),
        float(min(100, math.ceil(middle + (high - middle) * widen))),
    )


def _outward(value: float, down: bool = False) -> float:
    if value <= 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(value)) - DIGITS + 1)
    return round((math.floor if down else math.ceil)(value / step) * step, 10)


_SOMETIMES = {
    "perspective": ("perspective", 1, 0.0),
    "focus": ("focus", 1, 0.7),
    "breathing": ("focus", -1, 0.7),
    "shading": ("shading", 1, 0.03),
}
"""Key -> column measured, the sign it has, and what a still pair may show, in the key's unit: to resample a plate alone
makes it up to 0.6 pixels crisper or softer; perspective is none where it is doubtful (``registration``)."""

_QUANTITIES: dict[str, tuple[tuple[str, ...], Callable[[Values, float], Bounds], float]] = {
    "shift": (("shift",), _size, 1),
    "rotate": (("rotate",), _drift, 1),
    "scale": (("scale",), _factor, 1),
    "gain": (("gain",), _drift, 1),
    "white_balance": (("gain_red", "gain_blue"), _drift, 1),
    "gamma": (("gamma",), _factor, 1),
    "noise": (("src_noise", "bgr_noise"), _size, 1 / 255),
    "correlation": (("noise_correlation",), _share, 1),
    "quality": (("src_quality", "bgr_quality"), _quality, 1),
}
"""Key -> columns measured, rule, and what one measured unit is in the key's."""
