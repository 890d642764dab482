"""Detectors as ONNX files: YOLOX, YOLOv5, YOLOv8, NanoDet, YuNet; which of them a file is, is seen from its shapes."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from curation.detectors import NOBODY, Detections, arrange
from curation.detectors.decoders import Family, Signature, recognise
from curation.identity import file_id
from curation.images import Rgb

IOU = 0.45
OPEN_SIDE = 640
"""Side of the input where a file leaves it open."""


class OnnxDetector:
    """A detector file, run on one CPU thread: the same numbers whatever else the machine does."""

    def __init__(self, weights: Path, floor: float) -> None:
        """Load the file. Raises ValueError where it is no detector known here, with the shapes found."""
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime

        self.floor = floor
        self.name = f"{weights.stem}@{file_id(weights)[:8]}"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(weights), sess_options=options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's own exceptions have no common base
            raise ValueError(f"{weights} is not an ONNX model that can be run: {error}") from error
        given = self._session.get_inputs()[0]
        if len(given.shape) != 4 or given.shape[1] != 3:
            raise ValueError(f"{weights}: input {given.shape}; expected (1, 3, H, W)")
        sides = [side if isinstance(side, int) else OPEN_SIDE for side in given.shape[2:]]
        self._input, self._size = given.name, (sides[0], sides[1])
        outputs = {answer.name: tuple(answer.shape) for answer in self._session.get_outputs()}
        try:
            self.family: Family = recognise(Signature(self._size, outputs))
        except ValueError as error:
            raise ValueError(f"{weights}: {error}") from error

    def detect(self, images: Sequence[Rgb]) -> list[Detections]:
        """Find people in images (H, W, 3) uint8."""
        # One at a time: exported batch sizes are mostly fixed to 1, and on a CPU a batch wins nothing.
        return [self._look(image) for image in images]

    def _look(self, image: Rgb) -> Detections:
        batch, scale = letterbox(image, self._size, self.family)
        found = self.family.decode(self._session.run(None, {self._input: batch}))
        likely = found.scores >= self.floor
        if not likely.any():
            return NOBODY
        boxes, scores = found.boxes[likely] / scale, found.scores[likely]
        chosen = np.asarray(cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), self.floor, IOU), np.intp).reshape(-1)
        height, width = image.shape[:2]
        return arrange(boxes[chosen] / [width, height, width, height], scores[chosen])


def letterbox(image: Rgb, size: tuple[int, int], family: Family) -> tuple[npt.NDArray[np.float32], float]:
    """Fit an image (H, W, 3) RGB into ``size`` (height, width), top left: a batch (1, 3, H, W), and the scale used."""
    height, width = image.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, fitted, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    canvas = np.full((*size, 3), family.fill, np.uint8)
    canvas[: fitted[1], : fitted[0]] = small[:, :, ::-1] if family.bgr else small
    batch = canvas.astype(np.float32)
    if any(family.mean) or family.scale != (1.0, 1.0, 1.0):
        batch = np.asarray((batch - np.array(family.mean)) / np.array(family.scale), np.float32)
    return np.ascontiguousarray(batch.transpose(2, 0, 1)[None], dtype=np.float32), scale
