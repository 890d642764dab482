"""The classical baseline: the best that can be had without learning, tuned on ``valid`` and frozen before ``test``.

Four rivals: all zero; the training set's mean matte; a threshold and a ramp on the colour difference between the
source and the captured background, after the background was aligned and its tone matched
(``training.evaluation.alignment``). For each perturbation strength the one with the smallest MAD on ``valid`` wins,
with the settings that made it smallest.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from training.evaluation.alignment import align, apply, match_tone

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Rival = Literal["zero", "mean", "threshold", "ramp"]

SPACES = ("rgb", "lab", "chroma")
SLACKS = (0, 1)
SMOOTHS = (0, 5, 11, 21)
LEVELS = 256


@dataclass(frozen=True)
class Feature:
    """How the colour difference is measured."""

    space: str
    """``rgb``: Euclidean; ``lab``: CIELAB; ``chroma``: CIELAB with less weight on lightness, for shadows."""
    slack: int
    """A pixel is compared with the nearest colours that the background has within this many pixels."""
    smooth: int
    """Side of the median filter over the difference, pixels, odd; 0: none."""


FEATURES = tuple(Feature(*values) for values in product(SPACES, SLACKS, SMOOTHS))


@dataclass(frozen=True)
class Tuned:
    """What won on ``valid`` at one strength, and its settings."""

    rival: Rival
    feature: Feature
    low: int
    """8-bit difference up to which alpha is 0."""
    high: int
    """8-bit difference from which alpha is 1; one above ``low`` for a threshold."""
    mad: dict[str, float]
    """MAD (0 to 1) of each rival on ``valid`` with its own best settings."""

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        feature = {"space": self.feature.space, "slack": self.feature.slack, "smooth": self.feature.smooth}
        return {"rival": self.rival, "low": self.low, "high": self.high, "mad": self.mad, **feature}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Tuned":
        """Read what :meth:`to_json` wrote."""
        feature = Feature(values["space"], values["slack"], values["smooth"])
        return cls(values["rival"], feature, values["low"], values["high"], values["mad"])


def prepare(source: Bytes, background: Bytes) -> Bytes:
    """Align the captured background with the source and match its tone; (H, W, 3) RGB uint8 each."""
    return match_tone(source, apply(align(source, background), background))


def difference(source: Bytes, prepared: Bytes, feature: Feature) -> Bytes:
    """Measure how far each pixel of the source is from the prepared background.

    Both (H, W, 3) RGB uint8; returns (H, W) uint8, clipped at 255. With slack, the distance of each channel is to
    the range of the background's values around the pixel: an edge that is half a pixel off then costs nothing.
    """
    return smoothed(distance(source, prepared, feature.space, feature.slack), feature.smooth)


def distance(source: Bytes, prepared: Bytes, space: str, slack: int) -> Bytes:
    """The colour difference before smoothing; (H, W) uint8."""
    one, two = (_in_space(image, space) for image in (source, prepared))
    if slack:
        window = np.ones((2 * slack + 1, 2 * slack + 1), np.uint8)
        outside = np.maximum(one - cv2.dilate(two, window), cv2.erode(two, window) - one)
        apart = np.maximum(outside, 0)
    else:
        apart = one - two
    length = np.sqrt(np.einsum("hwc,hwc->hw", apart, apart))
    return np.asarray(np.minimum(np.rint(length), LEVELS - 1), dtype=np.uint8)


def smoothed(length: Bytes, side: int) -> Bytes:
    """Median-filter a difference; ``side`` 0 leaves it."""
    return np.asarray(cv2.medianBlur(length, side), dtype=np.uint8) if side else length


def _in_space(image: Bytes, space: str) -> Floats:
    if space == "rgb":
        return image.astype(np.float32)
    lab = cv2.cvtColor(image.astype(np.float32) / 255, cv2.COLOR_RGB2Lab)
    # CIELAB distances run to about 100: doubled, they use the 8 bits.
    weights = {"lab": (2.0, 2.0, 2.0), "chroma": (1.0, 2.5, 2.5)}[space]
    return np.asarray(lab * np.array(weights, np.float32), dtype=np.float32)


def response(low: int, high: int) -> Floats:
    """Alpha for each 8-bit difference: 0 up to ``low``, 1 from ``high``, straight between; (256,) float32."""
    ramp = (np.arange(LEVELS, dtype=np.float32) - low) / (high - low)
    return np.clip(ramp, 0, 1).astype(np.float32)


def matte(source: Bytes, background: Bytes, tuned: Tuned, mean: Floats) -> Floats:
    """The baseline's alpha.

    ``source``, ``background``: (H, W, 3) RGB uint8; ``mean``: any size, float32 in [0, 1]. Returns (H, W) float32 in
    [0, 1].
    """
    height, width = source.shape[:2]
    if tuned.rival == "zero":
        return np.zeros((height, width), np.float32)
    if tuned.rival == "mean":
        return _fit(mean, height, width)
    length = difference(source, prepare(source, background), tuned.feature)
    return np.asarray(response(tuned.low, tuned.high)[length], dtype=np.float32)


def mean_matte(mattes: Iterable[Bytes], height: int, width: int) -> Floats:
    """Average alphas ((H, W) uint8, any sizes), each resized first; (height, width) float32 in [0, 1].

    Raises ValueError where there are none.
    """
    total, count = np.zeros((height, width)), 0
    for alpha in mattes:
        total += _fit(_unit(alpha), height, width)
        count += 1
    if not count:
        raise ValueError("the training set holds no mattes to average; raise plan.refine.count in params.yaml")
    return (total / count).astype(np.float32)


def _unit(alpha: Bytes) -> Floats:
    return np.asarray(alpha / np.float32(255), dtype=np.float32)


def _fit(alpha: Floats, height: int, width: int) -> Floats:
    if alpha.shape == (height, width):
        return alpha
    return np.asarray(cv2.resize(alpha, (width, height), interpolation=cv2.INTER_AREA), dtype=np.float32)


def measure(source: Bytes, background: Bytes, alpha: Bytes, mean: Floats) -> tuple[NDArray[np.float64], float]:
    """Take down everything that tuning needs of one ``valid`` sample.

    Returns the joint histograms (features, 256 differences, 256 alphas), each summing to 1, from which the MAD of any
    response follows exactly, and the MAD of the mean matte.
    """
    prepared = prepare(source, background)
    joint = np.zeros((len(FEATURES), LEVELS, LEVELS))
    for at, (space, slack) in enumerate(product(SPACES, SLACKS)):
        length = distance(source, prepared, space, slack)
        for i, side in enumerate(SMOOTHS):
            index = smoothed(length, side).astype(np.int32).ravel() * LEVELS + alpha.ravel()
            counts = np.bincount(index, minlength=LEVELS * LEVELS).reshape(LEVELS, LEVELS)
            joint[at * len(SMOOTHS) + i] = counts / alpha.size
    off = np.abs(_fit(mean, *alpha.shape) - _unit(alpha))
    return joint, float(off.mean(dtype=np.float64))


def tune(measured: Sequence[tuple[NDArray[np.float64], float]]) -> Tuned:
    """Choose rival and settings with the smallest mean MAD over the measured ``valid`` samples of one strength.

    The first wins a tie. Raises ValueError where nothing was measured.
    """
    if not measured:
        raise ValueError("no valid samples to tune the baseline on; raise plan.valid.count in params.yaml")
    joint = sum((histograms for histograms, _ in measured), np.zeros((len(FEATURES), LEVELS, LEVELS))) / len(measured)
    alphas = np.arange(LEVELS) / (LEVELS - 1)
    best: dict[Rival, tuple[float, Feature, int, int]] = {
        "zero": (float((joint[0] * alphas).sum()), FEATURES[0], LEVELS - 2, LEVELS - 1),
        "mean": (sum(mad for _, mad in measured) / len(measured), FEATURES[0], LEVELS - 2, LEVELS - 1),
    }
    for feature, histogram in zip(FEATURES, joint, strict=True):
        for low, high in _grid():
            mad = float((histogram * np.abs(response(low, high)[:, None] - alphas)).sum())
            rival: Rival = "threshold" if high == low + 1 else "ramp"
            if rival not in best or mad < best[rival][0]:
                best[rival] = (mad, feature, low, high)
    winner = min(best, key=lambda name: best[name][0])
    _, feature, low, high = best[winner]
    return Tuned(winner, feature, low, high, {name: round(mad, 6) for name, (mad, *_) in best.items()})


def _grid() -> list[tuple[int, int]]:
    lows = [*range(0, 24, 2), *range(24, 80, 4), *range(80, 160, 16)]
    return [(low, low + width) for low in lows for width in (1, 4, 8, 12, 16, 24, 32, 48, 64, 96)]
