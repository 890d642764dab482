"""Darknet's own files, such as YOLOv3's cfg and weights, run by OpenCV."""

import re
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from curation.detectors import Detections
from curation.detectors.decoders import around, person_candidates
from curation.detectors.onnx import one_a_person
from curation.identity import file_id
from curation.images import Rgb

MOST_SIDE = 4096
"""Of the input, pixels."""
LEARNT = ("Convolution", "BatchNorm", "InnerProduct")
PERSON = 5
"""Column of COCO's first class, after the box (4) and objectness."""


class DarknetDetector:
    """A cfg and its weights; answers are centre, size (shares of the input), objectness, class scores times it."""

    def __init__(self, cfg: Path, weights: Path, floor: float) -> None:
        """Load both files. Raises ValueError where they do not fit each other or hold no detector."""
        self.floor = floor
        self.name = f"{weights.stem}@{file_id(weights)[:8]}"
        try:
            self._net = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
        except (cv2.error, AttributeError) as error:  # OpenCV 5 reads it no more
            raise ValueError(f"{cfg} and {weights} cannot be read as a Darknet model: {error}") from error
        self._size = _input_size(cfg)
        self._require_whole(weights)
        self._net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
        self._outputs = self._net.getUnconnectedOutLayersNames()

    def _require_whole(self, weights: Path) -> None:
        """OpenCV reads a file that ends early without a word, and takes for weights what lay in memory."""
        layers = (self._net.getLayer(number) for number in range(1, len(self._net.getLayerNames()) + 1))
        count = sum(blob.size for layer in layers if layer.type in LEARNT for blob in layer.blobs)
        if weights.stat().st_size < 4 * count:
            raise ValueError(
                f"{weights} has {weights.stat().st_size:,} bytes, its cfg asks for {4 * count:,}: cut short"
            )

    def detect(self, images: Sequence[Rgb]) -> list[Detections]:
        """Find people in images (H, W, 3) uint8, stretched to the input as Darknet does."""
        return [self._look(image) for image in images]

    def _look(self, image: Rgb) -> Detections:
        self._net.setInput(cv2.dnn.blobFromImage(image, 1 / 255, self._size))
        rows = np.concatenate([np.asarray(out, np.float32) for out in self._net.forward(self._outputs)])
        if rows.ndim != 2 or rows.shape[1] <= PERSON:
            raise ValueError(f"{self.name}: answers of shape {rows.shape}; expected (N, 5 + classes), a YOLO")
        return one_a_person(person_candidates(around(rows[:, :4]), rows[:, PERSON:], 1.0, self.floor), self.floor)


def _input_size(cfg: Path) -> tuple[int, int]:
    """Width and height, from the first section of a cfg: keys may come twice in a file, so it is no INI."""
    found: dict[str, int] = {}
    for line in cfg.read_text(encoding="utf-8", errors="replace").splitlines():
        key, _, value = line.partition("=")
        if key.strip() in ("width", "height") and re.fullmatch("[0-9]{1,9}", value.strip()):
            found.setdefault(key.strip(), int(value))
    if len(found) < 2:
        raise ValueError(f"{cfg} states no width and height; is it a Darknet cfg?")
    if not all(0 < side <= MOST_SIDE for side in found.values()):
        raise ValueError(f"{cfg} asks for {found['width']}x{found['height']} pixels; expected sides up to {MOST_SIDE}")
    return found["width"], found["height"]
