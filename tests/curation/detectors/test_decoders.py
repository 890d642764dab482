import numpy as np
import pytest

from curation.detectors.decoders import BoxesAndScores, NanoDet, YoloV3, YoloV5, YoloV8, Yolox, YuNet, grid
from curation.detectors.families import Signature, recognise

BOX = [48.0, 40.0, 32.0, 64.0]
"""Of the person in each family's answer below, in pixels of a 96x160 input."""


def answer(family: str) -> list[np.ndarray]:
    """What each family says of one person at BOX with a score of 0.72; everything else is 0."""
    x, y, w, h = BOX
    middle = (x + w / 2, y + h / 2)
    cells, steps = grid((96, 160), (8, 16, 32))
    at = int(np.flatnonzero((cells * steps == [64, 64]).all(axis=1) & (steps[:, 0] == 16))[0])
    if family == "yolox":
        rows = np.zeros((1, len(cells), 85), np.float32)
        rows[0, at, :6] = [middle[0] / 16 - 4, middle[1] / 16 - 4, np.log(w / 16), np.log(h / 16), 0.9, 0.8]
        return [rows]
    if family == "yolov5":
        rows = np.zeros((1, 3 * len(cells), 85), np.float32)
        rows[0, 7, :6] = [*middle, w, h, 0.9, 0.8]
        return [rows]
    if family == "yolov8":
        rows = np.zeros((1, 84, len(cells)), np.float32)
        rows[0, :5, 7] = [*middle, w, h, 0.72]
        return [rows]
    if family == "yolov3":
        heads = [np.full((1, 255, 96 // stride, 160 // stride), -50, np.float32) for stride in (32, 16, 8)]
        anchor = 85 * 1  # the second of stride 16: 62 x 45
        there = [np.log(9), np.log(4)]  # logits of 0.9 and 0.8
        heads[1][0, anchor : anchor + 6, 4, 4] = [-50, 0.5, np.log(w / 62), np.log(h / 45), *there]
        heads[1][0, anchor : anchor + 2, 4, 4] = [-50, 0]  # at the cell's left edge, half way down it
        return heads
    if family == "darknet":
        corners = np.array([[x, y, x + w, y + h], [0, 0, 1, 1]], np.float32) / [160, 96, 160, 96]
        classes = np.zeros((1, 2, 80), np.float32)
        classes[0, 0, 0] = 0.72
        return [corners.reshape(1, 2, 1, 4).astype(np.float32), classes]
    counts = [len(grid((96, 160), (stride,))[0]) for stride in (8, 16, 32)]
    place = int(np.flatnonzero((grid((96, 160), (16,))[0] == [4, 4]).all(axis=1))[0])
    if family == "nanodet":
        classes, distances = ([np.zeros((1, n, k), np.float32) for n in counts] for k in (80, 32))
        classes[1][0, place, 0] = 0.72
        # From the middle of cell (4, 4), (72, 72): left 24, up 32, right 8, down 32, in strides of 16.
        for side, reach in enumerate((1.5, 2.0, 0.5, 2.0)):
            low = int(reach)
            distances[1][0, place, side * 8 : side * 8 + 8] = -50
            distances[1][0, place, side * 8 + low] = np.log(1 - reach % 1) if reach % 1 else 0
            if reach % 1:
                distances[1][0, place, side * 8 + low + 1] = np.log(reach % 1)
        return classes + distances
    kinds = [[np.zeros((1, n, k), np.float32) for n in counts] for k in (1, 1, 4)]
    kinds[0][1][0, place], kinds[1][1][0, place] = 0.9, 0.72**2 / 0.9
    kinds[2][1][0, place] = [middle[0] / 16 - 4, middle[1] / 16 - 4, np.log(w / 16), np.log(h / 16)]
    return [part for parts in kinds for part in parts]


NAMES = {"yunet": [f"{part}_{stride}" for part in ("cls", "obj", "bbox") for stride in (8, 16, 32)]}
FAMILIES = {
    "yolox": Yolox, "yolov5": YoloV5, "yolov8": YoloV8, "yolov3": YoloV3, "darknet": BoxesAndScores, "nanodet": NanoDet,
    "yunet": YuNet,
}  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_is_recognised_and_decoded(name: str) -> None:
    answers = answer(name)
    names = NAMES.get(name, [f"output_{i}" for i in range(len(answers))])
    shapes = {key: value.shape for key, value in zip(names, answers, strict=True)}
    family = recognise(Signature((96, 160), shapes))
    assert type(family) is FAMILIES[name]
    found = family.decode(answers, 0.01)
    best = int(found.scores.argmax())
    assert found.boxes[best].tolist() == pytest.approx(BOX, abs=0.01)
    assert found.scores[best] == pytest.approx(0.72)
    assert len(found.scores) == 1
    assert not len(family.decode(answers, 0.75).scores)


@pytest.mark.parametrize(
    "shapes", [{"logits": (1, 1000)}, {"output": (1, "anchors", 85)}, {"a": (1, 9, 80), "b": (1, 9, 3)}]
)
def test_an_unknown_family_lists_its_outputs(shapes: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(shapes))):
        recognise(Signature((96, 160), shapes))


def test_a_likelier_class_at_the_same_place_takes_from_the_person() -> None:
    """A cat of 0.9 where the person has 0.6: what is left is 0.6 * 0.6 / 0.9."""
    (rows,) = answer("yolov8")
    rows[0, 4, 7], rows[0, 4 + 15, 7] = 0.6, 0.9
    assert YoloV8().decode([rows], 0.1).scores.tolist() == pytest.approx([0.4])
    rows[0, 4 + 15, 7] = 0.5
    assert YoloV8().decode([rows], 0.1).scores.tolist() == pytest.approx([0.6])
    rows[0, 4 + 15, 7] = 0.9
    assert not len(YoloV8().decode([rows], 0.5).scores)
