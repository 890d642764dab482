"""Which family a detector file is of, told from its shapes."""

from typing import Any, NamedTuple

from curation.detectors.decoders import (
    BoxesAndScores,
    Family,
    NanoDet,
    Size,
    YoloV3,
    YoloV5,
    YoloV8,
    Yolox,
    YuNet,
    grid,
)

COCO_CLASSES = 80


class Signature(NamedTuple):
    """What a file says of itself; sides that it leaves open are not integers."""

    size: Size
    """Height and width of the input."""
    outputs: dict[str, tuple[Any, ...]]
    """Name -> shape."""


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
    if len(shapes) == 3 and {_head(shape, signature.size) for shape in shapes} == set(YoloV3.anchors):
        return YoloV3(signature.size)
    if len(shapes) == 2 and shapes[0][1:] == (shapes[1][1], 1, 4) and shapes[1][2:] == (COCO_CLASSES,):
        return BoxesAndScores(signature.size)
    if len(shapes) >= 4 and len(shapes) % 2 == 0 and all(len(shape) == 3 for shape in shapes):
        return _nanodet(signature)
    listed = ", ".join(f"{name} {list(shape)}" for name, shape in signature.outputs.items())
    raise ValueError(
        f"outputs {listed}; expected YuNet, or YOLOX, YOLOv3, YOLOv5, YOLOv8 or NanoDet with COCO's {COCO_CLASSES} "
        "classes, exported for a fixed size"
    )


def _head(shape: tuple[Any, ...], size: Size) -> int | None:
    """The stride of one of YOLOv3's heads; None where it is none."""
    if len(shape) != 4 or shape[1] != 3 * (5 + COCO_CLASSES):
        return None
    return next((s for s in YoloV3.anchors if shape[2:] == (-(-size[0] // s), -(-size[1] // s))), None)


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
    return NanoDet(signature.size, strides, order, shapes[order[0][1]][2] // 4)
