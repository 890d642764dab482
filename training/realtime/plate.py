"""The captured background before it is used: does it belong to the frame, how far is it off, what mends it."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.light import bytes_to_linear
from training.evaluation.alignment import SATURATION, align, apply, match_tone

Bytes = NDArray[np.uint8]

SIDE = 384
"""Long side of the pictures that are compared, pixels."""
LEAST_SIDE = 32
"""Frames with a shorter side say too little to be fitted."""
EDGE = 24.0
"""Sobel response of 8-bit values from which a pixel of the plate is an edge."""
LEAST_EDGES = 0.01
"""Plates with a smaller share of edges are judged by their tones alone."""
SAME_DIRECTION = 0.9
"""Cosine between two gradients that run the same way; 14 % of random ones do."""
BELONGS = 0.2
"""Share of the plate's edges that has to be in the frame. Measured: at most 0.10 for 40 pairs of unrelated photographs,
at least 0.32 for 24 scenes, moved and re-exposed, hidden up to 56 %, 0.80 to 0.87 for ten captured pairs."""
EXPLAINS = 0.3
"""Share of the frame that a plate without edges has to explain."""
CLOSE = 12.0
"""8-bit difference up to which the plate explains a pixel."""
GAIN = 0.97
"""A step of the fit is taken where it leaves at most this share of the misfit: resampling softens the plate."""
DARKEST, BRIGHTEST = 8, 247
"""8-bit values outside say nothing about exposure."""


@dataclass(frozen=True)
class Fit:
    """A captured background against one frame."""

    background: Bytes
    """(H, W, 3) RGB uint8: aligned and toned where that helped, else as it was given."""
    offset: float
    """Pixels by which it was moved, mean over the frame; 0 where it stayed."""
    stops: float
    """By how much the frame is brighter than the plate was; negative: darker."""
    red: float
    """Stops by which red rose against green from plate to frame."""
    blue: float
    """The same of blue."""
    edges: float | None
    """Share of the plate's edges that the frame has; None where the plate has hardly any."""
    explained: float
    """Share of the frame that differs from the fitted plate by at most ``CLOSE``."""

    @property
    def belongs(self) -> bool:
        """Whether the two show one place."""
        return self.explained >= EXPLAINS if self.edges is None else self.edges >= BELONGS

    @property
    def words(self) -> str:
        """What was found, in a sentence."""
        seen = f"explains {self.explained:.0%} of the frame" + (
            ", has too few edges to compare" if self.edges is None else f", {self.edges:.0%} of its edges are there"
        )
        if not self.belongs:
            return f"the background does not seem to belong to this frame: it {seen}"
        off = []
        if self.offset:
            off.append(f"{self.offset:.1f} pixels away")
        if abs(self.stops) >= 0.02:
            off.append(f"{abs(self.stops):.2f} stops too {'dark' if self.stops > 0 else 'bright'}")
        if max(abs(self.red), abs(self.blue)) >= 0.02:
            off.append(f"white balance off by {self.red:+.2f} (red) and {self.blue:+.2f} stops (blue)")
        return f"the background {seen}; it was {', '.join(off) + ': mended' if off else 'right as it is'}"


def fit(source: Bytes, background: Bytes) -> Fit:
    """Align and tone a captured background to a frame, each only where that brings the two clearly closer.

    ``source``, ``background``: (H, W, 3) RGB uint8 of one size. A background that does not belong to the frame is
    left as it is. Raises ValueError for sizes that differ.
    """
    if source.shape != background.shape:
        (rows, columns), (height, width) = source.shape[:2], background.shape[:2]
        raise ValueError(f"the frame is {columns}x{rows}, the background {width}x{height}; resize the background")
    if min(source.shape[:2]) < LEAST_SIDE:
        return _judged(source, background, background, 0.0)
    given, offset = background, 0.0
    toned = match_tone(source, given)
    found = align(source, background)
    if found.method != "none":
        # Compared after toning: another exposure would drown what a shift does.
        moved = apply(found, background)
        both = match_tone(source, moved)
        if _misfit(source, both) <= GAIN * _misfit(source, toned):
            given, toned, offset = moved, both, found.offset
    best = toned if _misfit(source, toned) <= GAIN * _misfit(source, given) else given
    fitted = _judged(source, best, given, offset)
    return fitted if fitted.belongs else _judged(source, background, background, 0.0)


def _judged(source: Bytes, plate: Bytes, untoned: Bytes, offset: float) -> Fit:
    stops, red, blue = _tone(untoned, plate)
    edges = None if min(source.shape[:2]) < LEAST_SIDE else edge_agreement(source, plate)
    far = np.abs(_small(source).astype(np.int16) - _small(plate)).max(axis=2)
    return Fit(plate, offset, stops, red, blue, edges, float((far <= CLOSE).mean()))


def edge_agreement(source: Bytes, plate: Bytes) -> float | None:
    """Share of the plate's edges, (H, W, 3) uint8, that ``source`` has in the same place, direction and strength.

    None where fewer than ``LEAST_EDGES`` of the plate's pixels are edges. It does not hang on light or colour.
    """
    (x, y), (u, v) = (_gradient(image) for image in (source, plate))
    one, two = np.hypot(x, y), np.hypot(u, v)
    strong = two > EDGE
    if strong.mean() < LEAST_EDGES:
        return None
    one, two = one[strong], two[strong]
    same = (x * u + y * v)[strong] > SAME_DIRECTION * one * two
    return float((same & (one > 0.4 * two) & (one < 2.5 * two)).mean())


def _gradient(image: Bytes) -> tuple[NDArray[Any], NDArray[Any]]:
    grey = cv2.GaussianBlur(cv2.cvtColor(_small(image), cv2.COLOR_RGB2GRAY), (0, 0), 1.2)
    return cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)


def _small(image: Bytes) -> Bytes:
    scale = SIDE / max(image.shape[:2])
    if scale >= 1:
        return image
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def _misfit(source: Bytes, plate: Bytes) -> float:
    difference = np.abs(_small(source).astype(np.int16) - _small(plate)).max(axis=2)
    return float(np.minimum(difference, SATURATION).mean())


def _tone(before: Bytes, after: Bytes) -> tuple[float, float, float]:
    """Stops from one picture to the other, then red's and blue's against green's; medians of the midtones."""
    if before is after:
        return 0.0, 0.0, 0.0
    one, two = (_small(image).reshape(-1, 3) for image in (before, after))
    usable = np.logical_and.reduce([((i >= DARKEST) & (i <= BRIGHTEST)).all(axis=1) for i in (one, two)])
    if not usable.any():
        return 0.0, 0.0, 0.0
    red, green, blue = np.median(np.log2(bytes_to_linear(two[usable]) / bytes_to_linear(one[usable])), axis=0)
    return float((red + green + blue) / 3), float(red - green), float(blue - green)
