"""What OpenCV's wheel carries: Haar faces and bodies, and the HOG pedestrian. A stand-in, not a filter to rely on.

On 131 camera photographs (62 with people), the ones its scores were fitted on, 0.5 finds 35 in 100 of the photographs
with people, with no false alarm; YOLOX-nano finds 92 at 0.3. It catches near, frontal faces; backs, crouching and
distant people pass. It is here because it needs no download: use ``onnx`` for real data.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from curation.detectors import NOBODY, Detections, arrange, suppress
from curation.images import Rgb

LONG_SIDE = 448
STEP = 1.15
# Cascades answer yes or no, but a real face is hit by many neighbouring windows and a chance one by few: the count n
# becomes the score n / (n + half), with ``half`` where false alarms had ended on the photographs (HOG_MIDDLE likewise).
HALF = {"frontalface_alt2": 6.0, "profileface": 5.0, "upperbody": 15.0, "fullbody": 12.0}
LEAST_SIDE = {"frontalface_alt2": 24, "profileface": 24, "upperbody": 48, "fullbody": 48}
"""Pixels: most of the time goes into the smallest windows, where bodies are mostly chance."""
MIRRORED = ("profileface",)  # knows faces that look left
HOG_MIDDLE, HOG_WIDTH = 1.4, 0.35
LEAST = 2


class BuiltinDetector:
    """Haar cascades and HOG on grey levels at up to 448 pixels on the long side."""

    def __init__(self, floor: float) -> None:
        self.floor = floor
        digest = hashlib.blake2b(digest_size=16)
        self._cascades: dict[str, cv2.CascadeClassifier] = {}
        for kind in HALF:
            file = Path(cv2.__file__).parent / "data" / f"haarcascade_{kind}.xml"
            if not file.is_file():
                raise FileNotFoundError(
                    f"{file} is missing; install opencv-python-headless again, or use detector 'onnx'"
                )
            digest.update(file.read_bytes())
            self._cascades[kind] = cv2.CascadeClassifier(str(file))
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(np.asarray(cv2.HOGDescriptor.getDefaultPeopleDetector(), np.float32))
        self.name = f"builtin@{digest.hexdigest()[:8]}"

    def detect(self, images: Sequence[Rgb]) -> list[Detections]:
        """Find people in images (H, W, 3) uint8."""
        return [self._look(image) for image in images]

    def _look(self, image: Rgb) -> Detections:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        height, width = grey.shape
        scale = LONG_SIDE / max(height, width)
        if scale < 1:
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        height, width = grey.shape
        even = cv2.equalizeHist(grey)
        found = []
        for kind, cascade in self._cascades.items():
            found.append(_windows(kind, cascade, even))
            if kind in MIRRORED:
                boxes, scores = _windows(kind, cascade, np.ascontiguousarray(even[:, ::-1]))
                boxes[:, 0] = width - boxes[:, 0] - boxes[:, 2]
                found.append((boxes, scores))
        if height >= 128 and width >= 64:  # the HOG window
            rects, weights = self._hog.detectMultiScale(grey, winStride=(8, 8), scale=1.05)
            margins = np.asarray(weights, np.float64).reshape(-1)
            found.append((_rects(rects), 1 / (1 + np.exp((HOG_MIDDLE - margins) / HOG_WIDTH))))
        boxes = np.concatenate([each for each, _ in found]) / [width, height, width, height]
        scores = np.concatenate([each for _, each in found])
        keep = scores >= self.floor
        return suppress(arrange(boxes[keep], scores[keep]), iou=0.4) if keep.any() else NOBODY


def _windows(
    kind: str, cascade: cv2.CascadeClassifier, grey: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    least = (LEAST_SIDE[kind], LEAST_SIDE[kind])
    rects, counts = cascade.detectMultiScale2(grey, scaleFactor=STEP, minNeighbors=LEAST, minSize=least)
    number = np.asarray(counts, np.float64).reshape(-1)
    return _rects(rects), number / (number + HALF[kind])


def _rects(rects: object) -> npt.NDArray[np.float64]:
    return np.asarray(rects, np.float64).reshape(-1, 4)
