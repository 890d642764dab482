"""COCO detectors of the YOLOX family as ONNX files, decoded here (Ge et al. 2021, arXiv 2107.08430).

Such a file takes one image (1, 3, H, W), BGR, 0 to 255, fitted into the top left corner and filled with 114, and
returns (1, A, 5 + classes): for each cell of the grids at strides 8, 16 and 32 a centre offset, a log size (both in
strides), and objectness and class scores. Class 0 of COCO is the person.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from curation.detectors import NOBODY, Detections, arrange
from curation.identity import file_id
from curation.images import Rgb

STRIDES = (8, 16, 32)
FILL = 114
PERSON = 5
"""Column of the person's class score."""
IOU = 0.45


class OnnxDetector:
    """A YOLOX file, run on one CPU thread: the same numbers whatever else the machine does."""

    def __init__(self, weights: Path, floor: float) -> None:
        """Load the file. Raises ValueError where it is no YOLOX detector, with the shapes found."""
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
        (given,), shape = self._session.get_inputs()[:1], self._session.get_inputs()[0].shape
        if len(shape) != 4 or shape[1] != 3 or not all(isinstance(side, int) and side % 32 == 0 for side in shape[2:]):
            raise ValueError(f"{weights}: input {shape}; expected (1, 3, H, W) with sides fixed to multiples of 32")
        self._input, self._size = given.name, (int(shape[2]), int(shape[3]))
        self._cells, self._strides = _grid(self._size)
        answer = self._session.get_outputs()[0].shape
        if len(answer) != 3 or answer[1] not in (len(self._cells), None) or answer[2] < PERSON + 1:
            raise ValueError(f"{weights}: output {answer}; expected (1, {len(self._cells)}, 85), as YOLOX exports it")

    def detect(self, images: Sequence[Rgb]) -> list[Detections]:
        """Find people in images (H, W, 3) uint8."""
        # One at a time: exported batch sizes are mostly fixed to 1, and on a CPU a batch wins nothing.
        return [self._look(image) for image in images]

    def _look(self, image: Rgb) -> Detections:
        batch, scale = letterbox(image, self._size)
        (rows,) = self._session.run(None, {self._input: batch})[:1]
        boxes, scores = decode(np.asarray(rows, np.float32)[0], self._cells, self._strides)
        likely = scores >= self.floor
        if not likely.any():
            return NOBODY
        boxes, scores = boxes[likely] / scale, scores[likely]
        chosen = np.asarray(cv2.dnn.NMSBoxes(boxes.tolist(), scores.tolist(), self.floor, IOU), np.intp).reshape(-1)
        height, width = image.shape[:2]
        return arrange(boxes[chosen] / [width, height, width, height], scores[chosen])


def letterbox(image: Rgb, size: tuple[int, int]) -> tuple[npt.NDArray[np.float32], float]:
    """Fit an image (H, W, 3) RGB into ``size`` (height, width): a batch (1, 3, H, W) BGR 0-255, and the scale used."""
    height, width = image.shape[:2]
    scale = min(size[0] / height, size[1] / width)
    fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(image, fitted, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    canvas = np.full((*size, 3), FILL, np.uint8)
    canvas[: fitted[1], : fitted[0]] = small[:, :, ::-1]
    return np.ascontiguousarray(canvas.transpose(2, 0, 1)[None], dtype=np.float32), scale


def _grid(size: tuple[int, int]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    cells, strides = [], []
    for stride in STRIDES:
        rows, columns = size[0] // stride, size[1] // stride
        y, x = np.mgrid[:rows, :columns]
        cells.append(np.stack([x.ravel(), y.ravel()], axis=1))
        strides.append(np.full((rows * columns, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


def decode(
    rows: npt.NDArray[np.float32], cells: npt.NDArray[np.float32], strides: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Turn the network's rows (A, 5 + classes) into person boxes (A, 4: x, y, w, h in input pixels) and scores (A,)."""
    centre = (rows[:, :2] + cells) * strides
    size = np.exp(np.minimum(rows[:, 2:4], 20)) * strides
    return np.concatenate([centre - size / 2, size], axis=1), rows[:, 4] * rows[:, PERSON]
