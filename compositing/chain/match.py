"""Fitting the subject's colours to the light of the scene that it stands in."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.light import LUMA, Float

_SMALL = 48
"""Side of the pictures that statistics are taken from, pixels."""
_DARKEST = 2e-3
_MOST = 1.2
"""Most stops of exposure that matching adds: a person may well be darker than the scene."""
_FLATTEST = 0.8
"""Least contrast factor of a full match; its inverse is the most."""
_BRIGHT = 1.5
"""Spreads above the mean where a subject's bright parts begin, which nobody lets burn out to match a bright sky."""
_MOST_COLOUR = 0.35
"""Most stops of one colour against green: the mean of a forest is green, its light is not."""


class Tones(NamedTuple):
    """How bright, coloured and varied something is."""

    mean: NDArray[np.float64]
    """Mean logarithm of red, green, blue and luminance, (4,) stops."""
    spread: float
    """Standard deviation of log luminance, stops."""


def tones(linear: Float, weight: Float | None = None) -> Tones | None:
    """Measure linear light, (H, W, 3), or where ``weight``, (H, W) 0 to 1, says so; None where that is nowhere."""
    small = cv2.resize(linear, (_SMALL, _SMALL), interpolation=cv2.INTER_NEAREST)
    shares = np.ones((_SMALL, _SMALL)) if weight is None else _thinned(weight)
    total = float(shares.sum())
    if total < 1:
        return None
    every = np.concatenate([small, small @ np.array(LUMA, np.float32)[:, None]], axis=2)
    logs = np.log2(np.maximum(every, _DARKEST)).astype(np.float64)
    mean = np.einsum("rc,rcl->l", shares, logs) / total
    return Tones(mean, float(np.sqrt((shares * (logs[:, :, 3] - mean[3]) ** 2).sum() / total)))


def _thinned(weight: Float) -> NDArray[np.float64]:
    return np.asarray(cv2.resize(weight, (_SMALL, _SMALL), interpolation=cv2.INTER_NEAREST), np.float64)


def matched(subject: Tones, scene: Tones, strength: float) -> tuple[NDArray[np.float64], float]:
    """Return the gains on light, (3,), and the contrast factor that bring the subject to the scene.

    In mean and spread of the logarithm of light, a share ``strength`` (0 to 1) of the way, after Reinhard et al.,
    *Color Transfer between Images*, 2001; gains rather than Lab offsets, because another light multiplies. Bounded.
    """
    change = scene.mean - subject.mean
    room = max(0.0, -float(subject.mean[3] + _BRIGHT * subject.spread))
    exposure = np.clip(change[3], -_MOST, min(_MOST, room))
    colour = np.clip(change[:3] - change[1], -_MOST_COLOUR, _MOST_COLOUR)
    ratio = np.clip(scene.spread / max(subject.spread, 1e-3), _FLATTEST, 1 / _FLATTEST)
    return np.exp2(strength * (exposure + colour)), float(ratio**strength)
