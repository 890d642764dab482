"""Detectors as ONNX files: YOLOX, YOLOv3, YOLOv5, YOLOv8, NanoDet, YuNet; which of them, is seen from its shapes."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from curation.detectors import NOBODY, Detections, Device, arrange
from curation.detectors.decoders import Array, Family, Found
from curation.detectors.families import Signature, recognise
from curation.identity import file_id
from curation.images import Rgb
from curation.onnxfile import open_onnx, run_onnx

IOU = 0.45
OPEN_SIDE = 640
"""Side of the input where a file leaves it open."""
BATCH = 16
"""Inputs run at a time where a file leaves their number open."""


class OnnxDetector:
    """A detector file; on the CPU on one thread: the same numbers whatever else the machine does."""

    def __init__(self, weights: Path, floor: float, device: Device = "cpu") -> None:
        """Load the file. Raises ValueError where it is no detector known here, with the shapes found."""
        self.floor = floor
        self.name = f"{weights.stem}@{file_id(weights)[:8]}"
        self._session = open_session(weights, device)
        given = self._session.get_inputs()[0]
        if len(given.shape) != 4 or given.shape[1] != 3:
            raise ValueError(f"{weights}: input {given.shape}; expected (1, 3, H, W)")
        sides = [side if isinstance(side, int) else OPEN_SIDE for side in given.shape[2:]]
        self._input, self._size = given.name, (sides[0], sides[1])
        # Exported batch sizes are mostly fixed to 1; and on a CPU a batch wins nothing.
        self._insists = isinstance(given.shape[0], int)
        self._batch = given.shape[0] if self._insists else BATCH if device == "cuda" else 1
        outputs = {answer.name: tuple(answer.shape) for answer in self._session.get_outputs()}
        try:
            self.family: Family = recognise(Signature(self._size, outputs))
        except ValueError as error:
            raise ValueError(f"{weights}: {error}") from error

    def detect(self, images: Sequence[Rgb]) -> list[Detections]:
        """Find people in images (H, W, 3) uint8."""
        found: list[Detections] = []
        for start in range(0, len(images), self._batch):
            part = images[start : start + self._batch]
            inputs = np.zeros((len(part), 3, *self._size), np.float32)
            scales = [letterbox(image, self.family, into) for image, into in zip(part, inputs, strict=True)]
            answers = self.run(inputs)
            for i, (image, scale) in enumerate(zip(part, scales, strict=True)):
                found.append(self._read([answer[i : i + 1] for answer in answers], image.shape[:2], scale))
        return found

    def run(self, inputs: Array) -> list[Array]:
        """Run the bare model on ready inputs (B, 3, H, W)."""
        if self._insists and len(inputs) < self._batch:
            inputs = np.concatenate([inputs, np.zeros((self._batch - len(inputs), *inputs.shape[1:]), np.float32)])
        try:
            return run_onnx(self._session, {self._input: inputs})
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from error

    def _read(self, answers: list[Array], sides: tuple[int, ...], scale: float) -> Detections:
        candidates = self.family.decode(answers, self.floor)
        height, width = sides
        return one_a_person(candidates._replace(boxes=candidates.boxes / scale), self.floor, (width, height))


def one_a_person(found: Found, floor: float, sides: tuple[int, int] = (1, 1)) -> Detections:
    """Of candidates that overlap, the best. ``sides``: the image's width and height in the unit of the boxes."""
    if not len(found.scores):
        return NOBODY
    chosen = np.asarray(cv2.dnn.NMSBoxes(found.boxes.tolist(), found.scores.tolist(), floor, IOU), np.intp).reshape(-1)
    return arrange(found.boxes[chosen] / np.array([*sides, *sides]), found.scores[chosen])


def open_session(weights: Path, device: Device) -> Any:
    """Open an ONNX file. Raises ValueError where it cannot be run, or where no GPU is at hand for it."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    wanted = "CUDAExecutionProvider" if device == "cuda" else "CPUExecutionProvider"
    if wanted not in onnxruntime.get_available_providers():
        raise ValueError(
            "detect.device is 'cuda', but this onnxruntime runs on the CPU only; "
            "install onnxruntime-gpu in its place, or set detect.device to cpu"
        )
    return open_onnx(weights, wanted)


def shrink(image: Rgb, size: tuple[int, int]) -> Rgb:
    """Resize an image (H, W, 3) to ``size`` (width, height): halved as often as it can be, then bilinear.

    As smooth as averaging over areas, and four to eight times as fast: OpenCV has exact halves in SIMD.
    """
    while image.shape[1] >= 2 * size[0] and image.shape[0] >= 2 * size[1]:
        height, width = image.shape[0] // 2, image.shape[1] // 2
        even = image[: 2 * height, : 2 * width]
        image = np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def letterbox(image: Rgb, family: Family, into: npt.NDArray[np.float32]) -> float:
    """Fit an image (H, W, 3) RGB into ``into`` (3, height, width), top left, as the family wants it; the scale used."""
    height, width = image.shape[:2]
    scale = min(into.shape[1] / height, into.shape[2] / width)
    fitted = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = shrink(image, fitted)
    for channel, plane in enumerate(into):
        plane.fill(family.fill)
        plane[: fitted[1], : fitted[0]] = small[:, :, 2 - channel if family.bgr else channel]
        if family.mean[channel] or family.scale[channel] != 1:
            plane -= np.float32(family.mean[channel])
            plane *= np.float32(1 / family.scale[channel])
    return float(scale)
