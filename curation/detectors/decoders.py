"""What the outputs of the common detector families mean: each turns a file's answer into person boxes and scores.

A family recognises its files by the shapes of their outputs, says how it wants its input, and decodes. Class 0 of COCO
is the person.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Size = tuple[int, int]
COCO_CLASSES = 80


class Found(NamedTuple):
    """Candidates before suppression."""

    boxes: Array
    """(N, 4): x, y, width, height in pixels of the input."""
    scores: Array
    """(N,): 0 to 1."""


class Signature(NamedTuple):
    """What a file says of itself; sides that it leaves open are not integers."""

    size: Size
    """Height and width of the input."""
    outputs: dict[str, tuple[Any, ...]]
    """Name -> shape."""


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

    def decode(self, answers: Sequence[Array]) -> Found:
        """Turn the answers, in the file's order, into candidates."""


class Yolox:
    """YOLOX: (1, A, 5 + classes), undecoded: centre offsets and log sizes in strides, objectness, class scores.

    Source: Ge et al. 2021, arXiv 2107.08430.
    """

    bgr, mean, scale, fill = True, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), 114
    strides = (8, 16, 32)

    def __init__(self, size: Size) -> None:
        self.cells, self.steps = grid(size, self.strides)

    def decode(self, answers: Sequence[Array]) -> Found:
        """See :class:`Family`."""
        rows = answers[0][0]
        centre = (rows[:, :2] + self.cells) * self.steps
        side = np.exp(np.minimum(rows[:, 2:4], 20)) * self.steps
        return Found(np.concatenate([centre - side / 2, side], axis=1), rows[:, 4] * rows[:, 5])


class YoloV5:
    """YOLOv5 and YOLOv7: (1, A, 5 + classes), decoded: centre and size in pixels, objectness, class scores."""

    bgr, mean, scale, fill = False, (0.0, 0.0, 0.0), (255.0, 255.0, 255.0), 114

    def decode(self, answers: Sequence[Array]) -> Found:
        """See :class:`Family`."""
        rows = answers[0][0]
        return Found(_around(rows[:, :4]), rows[:, 4] * rows[:, 5])


class YoloV8:
    """YOLOv8 to YOLO11: (1, 4 + classes, A): centre and size in pixels, class scores."""

    bgr, mean, scale, fill = False, (0.0, 0.0, 0.0), (255.0, 255.0, 255.0), 114

    def decode(self, answers: Sequence[Array]) -> Found:
        """See :class:`Family`."""
        rows = answers[0][0].T
        return Found(_around(rows[:, :4]), rows[:, 4])


class NanoDet:
    """NanoDet: class scores and, for each side of a box, a distribution of its distance, a pair of outputs a stride.

    Source: Li et al. 2020, arXiv 2006.04388 (generalised focal loss).
    """

    bgr, mean, scale, fill = True, (103.53, 116.28, 123.675), (57.375, 57.12, 58.395), 0

    def __init__(self, size: Size, strides: Sequence[int], order: Sequence[tuple[int, int]]) -> None:
        """``order``: for each stride where its class scores and its distances are among the outputs."""
        self.strides, self.order = tuple(strides), tuple(order)
        self.grids = [grid(size, (stride,)) for stride in strides]

    def decode(self, answers: Sequence[Array]) -> Found:
        """See :class:`Family`."""
        boxes, scores = [], []
        for (cells, steps), (classes, distances) in zip(self.grids, self.order, strict=True):
            scores.append(answers[classes][0][:, 0])
            spread = answers[distances][0].reshape(len(cells), 4, -1)
            weight = np.exp(spread - spread.max(axis=2, keepdims=True))
            reach = (weight / weight.sum(axis=2, keepdims=True)) @ np.arange(spread.shape[2], dtype=np.float32) * steps
            low = (cells + 0.5) * steps - reach[:, :2]
            boxes.append(np.concatenate([low, reach[:, :2] + reach[:, 2:]], axis=1))
        return Found(np.concatenate(boxes).astype(np.float32), np.concatenate(scores))


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

    def decode(self, answers: Sequence[Array]) -> Found:
        """See :class:`Family`."""
        kind, there, rows = (np.concatenate([answers[i][0] for i in places]) for places in self.places)
        scores = np.sqrt(np.clip(kind[:, 0], 0, 1) * np.clip(there[:, 0], 0, 1))
        centre = (rows[:, :2] + self.cells) * self.steps
        side = np.exp(np.minimum(rows[:, 2:4], 20)) * self.steps
        return Found(np.concatenate([centre - side / 2, side], axis=1), scores)


def recognise(signature: Signature) -> Family:
    """Tell a file's family from its shapes. Raises ValueError naming the outputs where it is none of those known."""
    shapes = list(signature.outputs.values())
    if {f"{part}_{stride}" for part in YuNet.parts for stride in YuNet.strides} <= set(signature.outputs):
        return YuNet(signature.size, list(signature.outputs))
    if len(shapes) == 1 and len(shapes[0]) == 3:
        rows, columns = shapes[0][1:]
        cells = len(grid(signature.size, Yolox.strides)[0])
        # Three anchors a cell tell YOLOv5 from YOLOX; a number left open would tell nothing.
        if columns == 5 + COCO_CLASSES and rows in (cells, 3 * cells):
            return Yolox(signature.size) if rows == cells else YoloV5()
        if rows == 4 + COCO_CLASSES:
            return YoloV8()
    if len(shapes) >= 4 and len(shapes) % 2 == 0 and all(len(shape) == 3 for shape in shapes):
        return _nanodet(signature)
    listed = ", ".join(f"{name} {list(shape)}" for name, shape in signature.outputs.items())
    raise ValueError(
        f"outputs {listed}; expected YuNet, or YOLOX, YOLOv5, YOLOv8 or NanoDet with COCO's {COCO_CLASSES} "
        "classes, exported for a fixed size"
    )


def _nanodet(signature: Signature) -> Family:
    """Pair class scores with distances by their number of cells."""
    shapes = list(signature.outputs.values())
    strides, order = [], []
    for place, (_, count, columns) in enumerate(shapes):
        if columns != COCO_CLASSES:
            continue
        stride = round((signature.size[0] * signature.size[1] / count) ** 0.5)
        other = [i for i, shape in enumerate(shapes) if shape[1] == count and shape[2] != columns]
        if len(other) != 1 or shapes[other[0]][2] % 4 or len(grid(signature.size, (stride,))[0]) != count:
            break
        strides.append(stride)
        order.append((place, other[0]))
    if not order or 2 * len(order) != len(shapes):
        raise ValueError(
            f"outputs {shapes}: neither NanoDet's pairs of class scores and distances nor any other family"
        )
    return NanoDet(signature.size, strides, order)


def grid(size: Size, strides: Sequence[int]) -> tuple[Array, Array]:
    """Columns and rows of all cells (A, 2) and their strides (A, 1)."""
    cells, steps = [], []
    for stride in strides:
        rows, columns = -(-size[0] // stride), -(-size[1] // stride)
        y, x = np.mgrid[:rows, :columns]
        cells.append(np.stack([x.ravel(), y.ravel()], axis=1))
        steps.append(np.full((rows * columns, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(steps).astype(np.float32)


def _around(rows: Array) -> Array:
    return np.concatenate([rows[:, :2] - rows[:, 2:] / 2, rows[:, 2:]], axis=1)
