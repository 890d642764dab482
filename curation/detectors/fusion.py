"""Two detectors that know each other's mistakes: one calibrated score an image.

A detector on tiles finds the small people that it misses on the whole image, and four times as many that are not there.
But two detectors of different making are seldom wrong at the same place: how well their best boxes agree is worth
more than either's score. The four figures of an image (the first detector's best score on the whole image, the
second's on the whole and on tiles, and their best agreement) go through a logistic regression.

Fitted on 131 camera photographs, 62 of them with people, with YOLOX-nano and NanoDet-m at 416. Cross-validated (ten
folds, ten times), a threshold of 0.37 found 61 of the 62 (98.4 %, 95 % interval 91.3 to 99.96) and rejected 2 of the 69
without people (2.9 %, 0.4 to 10.1). On the same photographs: YOLOX whole at 0.30 91.9 % and 1.4 %, on tiles alone at
0.30 95.2 % and 14.5 %; NanoDet whole at 0.45 88.7 % and 2.9 %.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from curation.detectors import NOBODY, Detections, arrange, suppress
from curation.detectors.onnx import OnnxDetector
from curation.images import Rgb

LEAST = 0.02
"""Lowest score either detector is asked for; scores are taken as at least this and at most 1 less it."""
AGREEING = 0.05
"""Lowest score of a box that may agree with another."""
OVERLAP = 0.4
"""Intersection over union from which two boxes are of the same person."""

COEFFICIENTS = (1.331, 0.702, 1.177, 0.659)
"""Of the log odds of: first whole, second whole, second tiled, agreement."""
INTERCEPT = 2.779
SURE = (0.947, 0.664, 1.090)
"""The same without tiles: first whole, second whole, agreement."""
SURE_INTERCEPT = 3.040
ENOUGH = 0.97
"""Probability from which the whole image has shown a person, and tiles are not looked at."""
TILES = tuple((x, y, 0.6, 0.6) for y in (0.0, 0.4) for x in (0.0, 0.4))


class FusedDetector:
    """A cascade: both detectors on the whole image, and on tiles unless that has settled it."""

    def __init__(self, weights: Sequence[Path], floor: float) -> None:
        """Load both files. Raises ValueError where there are not two, or one is no detector known here."""
        if len(weights) != 2:
            raise ValueError(f"detector 'fusion' takes two files, a YOLOX and a NanoDet; {len(weights)} were named")
        self.first, self.second = (OnnxDetector(path, LEAST) for path in weights)
        self.floor = floor
        self.name = f"fusion({self.first.name}+{self.second.name})"

    def detect(self, images: Sequence[Rgb]) -> list[Detections]:
        """Find people in images (H, W, 3) uint8; the best box of each carries the image's probability."""
        return [self._look(image) for image in images]

    def settled(self, image: Rgb) -> bool:
        """Whether the whole image shows a person so plainly that tiles are not looked at."""
        return self._whole(image)[0] >= ENOUGH

    def _whole(self, image: Rgb) -> tuple[float, Detections, Detections]:
        (one,), (two,) = self.first.detect([image]), self.second.detect([image])
        return logistic((best(one), best(two), agreement(one, two)), SURE, SURE_INTERCEPT), one, two

    def _look(self, image: Rgb) -> Detections:
        probability, one, two = self._whole(image)
        if probability < ENOUGH:
            first, second = join(one, tiled(self.first, image)), tiled(self.second, image)
            both = join(two, second)
            figures_all = (best(one), best(two), best(second), agreement(first, both))
            probability = logistic(figures_all, COEFFICIENTS, INTERCEPT)
            one, two = first, both
        if probability < self.floor:
            return NOBODY
        found = suppress(join(one, two), iou=0.5, inside=0.8)
        if not len(found.scores):
            return NOBODY
        scores = found.scores * (probability / float(found.scores[0]))
        likely = scores >= self.floor
        return arrange(found.boxes[likely], scores[likely])


def best(found: Detections) -> float:
    """The best score, 0 where there is none."""
    return float(found.scores[0]) if len(found.scores) else 0.0


def join(one: Detections, other: Detections) -> Detections:
    """Both, best first."""
    return arrange(np.concatenate([one.boxes, other.boxes]), np.concatenate([one.scores, other.scores]))


def tiled(detector: OnnxDetector, image: Rgb) -> Detections:
    """What a detector finds on 2 x 2 overlapping tiles."""
    height, width = image.shape[:2]
    cuts, places = [], []
    for x, y, w, h in TILES:
        top, left = round(y * height), round(x * width)
        bottom, right = max(top + 1, round((y + h) * height)), max(left + 1, round((x + w) * width))
        cuts.append(image[top:bottom, left:right])
        places.append([left / width, top / height, (right - left) / width, (bottom - top) / height])
    boxes, scores = [], []
    for (x, y, w, h), found in zip(places, detector.detect(cuts), strict=True):
        boxes.append(found.boxes * [w, h, w, h] + [x, y, 0, 0])
        scores.append(found.scores)
    return arrange(np.concatenate(boxes), np.concatenate(scores))


def agreement(one: Detections, other: Detections) -> float:
    """The largest geometric mean of two scores whose boxes overlap by at least ``OVERLAP``; 0 where none do."""
    a, b = (found.scores >= AGREEING for found in (one, other))
    if not a.any() or not b.any():
        return 0.0
    overlap = intersection_over_union(one.boxes[a], other.boxes[b])
    together = np.sqrt(one.scores[a][:, None] * other.scores[b][None])
    return float(np.where(overlap >= OVERLAP, together, 0).max())


def intersection_over_union(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Of each pair of boxes (N, 4) and (M, 4), both x, y, width, height: (N, M)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum((a[:, :2] + a[:, 2:])[:, None], (b[:, :2] + b[:, 2:])[None])
    common = np.clip(high - low, 0, None).prod(axis=2)
    areas = a[:, 2:].prod(axis=1)[:, None] + b[:, 2:].prod(axis=1)[None]
    return np.asarray(common / np.maximum(areas - common, 1e-12), np.float32)


def logistic(scores: Sequence[float], coefficients: Sequence[float], intercept: float) -> float:
    """The probability that somebody is there."""
    odds = [math.log(s / (1 - s)) for s in (min(max(score, LEAST), 1 - LEAST) for score in scores)]
    return 1 / (1 + math.exp(-intercept - sum(c * o for c, o in zip(coefficients, odds, strict=True))))
