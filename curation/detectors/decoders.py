"""What the outputs of the common detector families mean: each turns a file's answer into person boxes and scores.

A family says how it wants its input, and decodes. Class 0 of COCO is the person; where another class is likelier at the
same place (the cat that looks like a crouching man), the person's score shrinks by as much.
"""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Size = tuple[int, int]


class Found(NamedTuple):
    """Candidates before suppression."""

    boxes: Array
    """(N, 4): x, y, width, height in pixels of the input."""
    scores: Array
    """(N,): 0 to 1."""


class Family(Protocol):
    """One way of exporting a detector."""

    bgr: bool
    """Whether the input's channels are blue first."""
    mean: tuple[float, float, float]
    """Subtracted from the input's channels, 0 to 255."""
    scale: tuple[float, float, float]
    """The input is divided by it after that."""
    fill: int
    """Value around an image that does not fill the input."""

    def decode(self, answers: Sequence[Array], floor: float) -> Found:
        """Turn the answers for one image, in the file's order, into the candidates that score ``floor`` or more."""


class Yolox:
    """YOLOX: (1, A, 5 + classes), undecoded: centre offsets and log sizes in strides, objectness, class scores.

    Source: Ge et al. 2021, arXiv 2107.08430.
    """

    bgr, mean, scale, fill = True, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 114
    strides = (8, 16, 32)

    def __init__(self, size: Size) -> None:
        self.cells, self.steps = grid(size, self.strides)

    def decode(self, answers: Sequence[Array], floor: float) -> Found:
        """See :class:`Family`."""
        rows = answers[0][0]
        likely = np.flatnonzero(rows[:, 4] * rows[:, 5] >= floor)
        rows = rows[likely]
        return person_candidates(_on_grid(rows, self.cells[likely], self.steps[likely]), rows[:, 5:], rows[:, 4], floor)


class YoloV5:
    """YOLOv5 and YOLOv7: (1, A, 5 + classes), decoded: centre and size in pixels, objectness, class scores."""

    bgr, mean, scale, fill = False, (0.0, 0.0, 0.0), (255.0, 255.0, 255.0), 114

    def decode(self, answers: Sequence[Array], floor: float) -> Found:
        """See :class:`Family`."""
        rows = answers[0][0]
        rows = rows[rows[:, 4] * rows[:, 5] >= floor]
        return person_candidates(around(rows[:, :4]), rows[:, 5:], rows[:, 4], floor)


class YoloV8:
    """YOLOv8 to YOLO11: (1, 4 + classes, A): centre and size in pixels, class scores."""

    bgr, mean, scale, fill = False, (0.0, 0.0, 0.0), (255.0, 255.0, 255.0), 114

    def decode(self, answers: Sequence[Array], floor: float) -> Found:
        """See :class:`Family`."""
        rows = answers[0][0].T
        rows = rows[rows[:, 4] >= floor]
        return person_candidates(around(rows[:, :4]), rows[:, 4:], 1.0, floor)


class YoloV3:
    """YOLOv3's three heads: (1, 3 * (5 + classes), H, W) each, before the sigmoid, an anchor after another.

    Source: Redmon and Farhadi 2018, arXiv 1804.02767; anchors for 416 pixels as published with it.
    """

    bgr, mean, scale, fill = False, (0.0, 0.0, 0.0), (255.0, 255.0, 255.0), 128
    anchors: ClassVar[dict[int, tuple[Size, ...]]] = {
        8: ((10, 13), (16, 30), (33, 23)),
        16: ((30, 61), (62, 45), (59, 119)),
        32: ((116, 90), (156, 198), (373, 326)),
    }
    """Stride -> width and height of its three."""

    def __init__(self, size: Size) -> None:
        self.size = size

    def decode(self, answers: Sequence[Array], floor: float) -> Found:
        """See :class:`Family`."""
        parts = []
        for answer in answers:
            stride = self.size[0] // answer.shape[2]
            cells, _ = grid(self.size, (stride,))
            for rows, anchor in zip(answer[0].reshape(3, -1, len(cells)), self.anchors[stride], strict=True):
                rows = rows.T
                there = _sigmoid(rows[:, 4])
                likely = np.flatnonzero(there >= floor)
                rows = rows[likely]
                centre = (_sigmoid(rows[:, :2]) + cells[likely]) * stride
                side = np.exp(np.minimum(rows[:, 2:4], 20)) * np.array(anchor, np.float32)
                boxes = np.concatenate([centre - side / 2, side], axis=1).astype(np.float32)
                parts.append(person_candidates(boxes, _sigmoid(rows[:, 5:]), there[likely], floor))
        return Found(np.concatenate([part.boxes for part in parts]), np.concatenate([part.scores for part in parts]))


class BoxesAndScores:
    """Corners as shares of the input (1, A, 1, 4) and class scores (1, A, classes): Darknet models made ONNX.

    So are the common conversions of YOLOv3 and YOLOv4.
    """

    bgr, mean, scale, fill = False, (0.0, 0.0, 0.0), (255.0, 255.0, 255.0), 128

    def __init__(self, size: Size) -> None:
        self.sides = np.array([size[1], size[0]], np.float32)

    def decode(self, answers: Sequence[Array], floor: float) -> Found:
        """See :class:`Family`."""
        corners, classes = answers[0][0].reshape(-1, 4), answers[1][0]
        likely = classes[:, 0] >= floor
        low, high = corners[likely, :2] * self.sides, corners[likely, 2:] * self.sides
        return person_candidates(np.concatenate([low, high - low], axis=1), classes[likely], 1.0, floor)


class NanoDet:
    """NanoDet: class scores and, for each side of a box, a distribution of its distance, a pair of outputs a stride.

    Source: Li et al. 2020, arXiv 2006.04388 (generalised focal loss).
    """

    bgr, mean, scale, fill = True, (103.53, 116.28, 123.675), (57.375, 57.12, 58.395), 0

    def __init__(self, size: Size, strides: Sequence[int], order: Sequence[tuple[int, int]], bins: int) -> None:
        """``order``: a stride's class scores and distances among the outputs; ``bins``: values a distance."""
        self.strides, self.order = tuple(strides), tuple(order)
        self.grids, self.bins = [grid(size, (stride,)) for stride in strides], bins

    def decode(self, answers: Sequence[Array], floor: float) -> Found:
        """See :class:`Family`."""
        parts = []
        for (cells, steps), (classes, distances) in zip(self.grids, self.order, strict=True):
            likely = np.flatnonzero(answers[classes][0][:, 0] >= floor)
            spread = answers[distances][0][likely].reshape(len(likely), 4, self.bins)
            weight = np.exp(spread - spread.max(axis=2, keepdims=True))
            reach = (weight / weight.sum(axis=2, keepdims=True)) @ np.arange(spread.shape[2], dtype=np.float32)
            reach *= steps[likely]
            low = (cells[likely] + 0.5) * steps[likely] - reach[:, :2]
            boxes = np.concatenate([low, reach[:, :2] + reach[:, 2:]], axis=1).astype(np.float32)
            parts.append(person_candidates(boxes, answers[classes][0][likely], 1.0, floor))
        return Found(np.concatenate([part.boxes for part in parts]), np.concatenate([part.scores for part in parts]))


class YuNet:
    """YuNet's faces: for strides 8, 16 and 32 a class, an objectness, a box (centre offset, log size) and landmarks.

    A face is a person; a back is none. Source: Wu et al. 2023.
    """

    bgr, mean, scale, fill = True, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 0
    strides = (8, 16, 32)
    parts = ("cls", "obj", "bbox")

    def __init__(self, size: Size, names: Sequence[str]) -> None:
        self.cells, self.steps = grid(size, self.strides)
        self.places = [[names.index(f"{part}_{stride}") for stride in self.strides] for part in self.parts]

    def decode(self, answers: Sequence[Array], floor: float) -> Found:
        """See :class:`Family`."""
        kind, there, rows = (np.concatenate([answers[i][0] for i in places]) for places in self.places)
        scores = np.sqrt(np.clip(kind[:, 0], 0, 1) * np.clip(there[:, 0], 0, 1))
        likely = np.flatnonzero(scores >= floor)
        return Found(_on_grid(rows[likely], self.cells[likely], self.steps[likely]), scores[likely])


def grid(size: Size, strides: Sequence[int]) -> tuple[Array, Array]:
    """Columns and rows of all cells (A, 2) and their strides (A, 1)."""
    cells, steps = [], []
    for stride in strides:
        rows, columns = -(-size[0] // stride), -(-size[1] // stride)
        y, x = np.mgrid[:rows, :columns]
        cells.append(np.stack([x.ravel(), y.ravel()], axis=1))
        steps.append(np.full((rows * columns, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(steps).astype(np.float32)


def person_candidates(boxes: Array, classes: Array, there: Array | float, floor: float) -> Found:
    """Score candidates by their classes (N, C), person first, times how sure it is that anything is there."""
    rival = classes[:, 1:].max(axis=1, initial=0)
    scores = classes[:, 0] * there * np.minimum(1, classes[:, 0] / np.maximum(rival, 1e-6))
    likely = scores >= floor
    return Found(boxes[likely], scores[likely])


def _on_grid(rows: Array, cells: Array, steps: Array) -> Array:
    """Centre offsets and log sizes (N, 4 or more), in strides, of cells -> boxes (N, 4)."""
    centre = (rows[:, :2] + cells) * steps
    side = np.exp(np.minimum(rows[:, 2:4], 20)) * steps
    return np.concatenate([centre - side / 2, side], axis=1)


def around(rows: Array) -> Array:
    """Boxes (N, 4) from their centres and sizes (N, 4)."""
    return np.concatenate([rows[:, :2] - rows[:, 2:] / 2, rows[:, 2:]], axis=1)


def _sigmoid(values: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -60, 60))), np.float32)
