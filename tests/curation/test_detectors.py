from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from curation.detectors import Detections, arrange, suppress
from curation.detectors.builtin import BuiltinDetector
from curation.detectors.decoders import NanoDet, Signature, YoloV5, YoloV8, Yolox, YuNet, grid, recognise
from curation.detectors.fusion import FusedDetector, agreement, logistic, tiled
from curation.detectors.onnx import OnnxDetector, letterbox
from curation.images import decode_rgb

boxes_of = arrays(np.float64, st.tuples(st.integers(1, 12), st.just(4)), elements=st.floats(-0.5, 1.5, width=32))


@given(boxes_of, st.data())
def test_boxes_lie_in_the_image_and_scores_fall(boxes: np.ndarray, data: st.DataObject) -> None:
    scores = np.array(data.draw(st.lists(st.floats(0, 1), min_size=len(boxes), max_size=len(boxes))))
    found = arrange(boxes, scores)
    assert found.boxes.min(initial=0) >= 0 and (found.boxes[:, :2] + found.boxes[:, 2:]).max(initial=0) <= 1 + 1e-6
    assert np.all(found.boxes[:, 2:] > 0) and np.all(np.diff(found.scores) <= 0)
    again = arrange(boxes[::-1], scores[::-1])
    assert np.array_equal(found.boxes, again.boxes) and np.array_equal(found.scores, again.scores)


def test_suppression_keeps_the_best_of_each_person() -> None:
    boxes = np.array([[0.1, 0.1, 0.3, 0.6], [0.12, 0.1, 0.3, 0.6], [0.1, 0.1, 0.3, 0.3], [0.6, 0.1, 0.3, 0.6]])
    found = Detections(boxes.astype(np.float32), np.array([0.9, 0.8, 0.7, 0.6], np.float32))
    assert suppress(found, iou=0.5).scores.tolist() == pytest.approx([0.9, 0.7, 0.6])
    assert suppress(found, iou=0.5, inside=0.8).scores.tolist() == pytest.approx([0.9, 0.6])


def photo(*parts: str) -> np.ndarray:
    return decode_rgb(Path(*parts).read_bytes())


def test_builtin_sees_frontal_faces_and_passes_scenes() -> None:
    wheel = Path(skimage.data.__file__).parent
    detector = BuiltinDetector(0.2)
    people = [photo(wheel, "astronaut.png"), photo(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")]
    for found in detector.detect(people):
        assert found.scores[0] >= 0.5
    face = detector.detect(people[:1])[0].boxes[0]
    assert face[0] > 0.3 and face[0] + face[2] < 0.6 and face[1] + face[3] < 0.4
    scenes = [photo(wheel, name) for name in ("coffee.png", "brick.png", "motorcycle_left.png", "rocket.jpg")]
    for found in detector.detect(scenes):
        assert found.scores.max(initial=0) < 0.5


@pytest.mark.parametrize("shape", [(1, 1), (3, 400), (40, 20), (130, 70)])
def test_builtin_looks_at_any_size(shape: tuple[int, int]) -> None:
    (found,) = BuiltinDetector(0.2).detect([np.full((*shape, 3), 90, np.uint8)])
    assert found.scores.size == 0


def test_letterbox_fits_top_left_as_bgr() -> None:
    image = np.zeros((50, 100, 3), np.uint8)
    image[..., 0] = 200  # red
    batch, scale = letterbox(image, (64, 64), Yolox((64, 64)))
    assert batch.shape == (1, 3, 64, 64) and batch.dtype == np.float32 and scale == 0.64
    assert batch[0, :, 10, 10].tolist() == [0, 0, 200]
    assert batch[0, :, 40, 10].tolist() == [114, 114, 114]


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
FAMILIES = {"yolox": Yolox, "yolov5": YoloV5, "yolov8": YoloV8, "nanodet": NanoDet, "yunet": YuNet}


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_is_recognised_and_decoded(name: str) -> None:
    answers = answer(name)
    names = NAMES.get(name, [f"output_{i}" for i in range(len(answers))])
    shapes = {key: value.shape for key, value in zip(names, answers, strict=True)}
    family = recognise(Signature((96, 160), shapes))
    assert type(family) is FAMILIES[name]
    found = family.decode(answers)
    best = int(found.scores.argmax())
    assert found.boxes[best].tolist() == pytest.approx(BOX, abs=0.01)
    assert found.scores[best] == pytest.approx(0.72)
    assert (found.scores > 0.01).sum() == 1


@pytest.mark.parametrize(
    "shapes", [{"logits": (1, 1000)}, {"output": (1, "anchors", 85)}, {"a": (1, 9, 80), "b": (1, 9, 3)}]
)
def test_an_unknown_family_lists_its_outputs(shapes: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(shapes))):
        recognise(Signature((96, 160), shapes))


def found(*rows: tuple[float, ...]) -> Detections:
    """Boxes with the score last, best first."""
    table = np.array(rows, np.float32).reshape(-1, 5)
    return Detections(table[:, :4], table[:, 4])


def test_agreement_counts_boxes_of_the_same_person_only() -> None:
    one = found((0.1, 0.1, 0.2, 0.4, 0.81), (0.6, 0.1, 0.2, 0.4, 0.36))
    assert agreement(one, found((0.11, 0.1, 0.2, 0.4, 0.25))) == pytest.approx(0.45)
    assert agreement(one, found((0.4, 0.1, 0.1, 0.4, 0.9), (0.6, 0.1, 0.2, 0.4, 0.16))) == pytest.approx(0.24)
    assert agreement(one, found()) == 0


def test_fusion_trusts_two_more_than_one() -> None:
    low, high = logistic((0.3, 0.3), (1, 1), 1), logistic((0.6, 0.3), (1, 1), 1)
    assert low < high
    assert 0 < logistic((0, 0), (1, 1), 0) < 0.001


def test_fusion_looks_at_tiles_where_the_whole_does_not_settle_it(tmp_path: Path) -> None:
    sure = yolox_file(tmp_path / "sure.onnx", (96, 160), (16, 8, 64, 32))
    none = yolox_file(tmp_path / "none.onnx", (96, 160), None)
    image = np.zeros((192, 200, 3), np.uint8)
    seen = FusedDetector((sure, sure), 0.05)
    (settled,) = seen.detect([image])
    assert settled.scores[0] > 0.97 and len(settled.scores) == 1
    (nobody,) = FusedDetector((none, none), 0.05).detect([image])
    assert nobody.scores.size == 0
    (doubted,) = FusedDetector((none, sure), 0.05).detect([image])
    assert len(doubted.scores) > 1  # the whole image and tiles
    assert len(tiled(seen.first, image).scores) == 4
    with pytest.raises(ValueError, match="takes two files"):
        FusedDetector((sure,), 0.05)


def yolox_file(path: Path, sides: tuple[int, int], person: tuple[float, float, float, float] | None) -> Path:
    """A model with YOLOX's shapes whose answer is fixed: nobody, or one person box in input pixels."""
    onnx = pytest.importorskip("onnx")
    count = sum((sides[0] // stride) * (sides[1] // stride) for stride in Yolox.strides)
    rows = np.zeros((1, count, 85), np.float32)
    if person:
        x, y, w, h = person  # in the grid of stride 8, cell 0
        rows[0, 0, :6] = [(x + w / 2) / 8, (y + h / 2) / 8, np.log(w / 8), np.log(h / 8), 0.9, 1.0]
        rows[0, 1, :6] = [(x + w / 2) / 8 - 1, (y + h / 2) / 8, np.log(w / 8), np.log(h / 8), 0.8, 1.0]
    helper = onnx.helper
    kind = onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["rows", "nothing"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "fixed",
        [helper.make_tensor_value_info("images", kind, [1, 3, *sides])],
        [helper.make_tensor_value_info("output", kind, [1, count, 85])],
        [onnx.numpy_helper.from_array(rows, "rows"), onnx.numpy_helper.from_array(np.float32(0), "zero")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


def test_onnx_reads_its_input_size_and_maps_boxes_back(tmp_path: Path) -> None:
    detector = OnnxDetector(yolox_file(tmp_path / "one.onnx", (96, 160), (16, 8, 64, 32)), 0.3)
    (found,) = detector.detect([np.zeros((192, 200, 3), np.uint8)])  # fits at 0.5: boxes double
    assert found.scores.tolist() == pytest.approx([0.9])
    assert found.boxes[0].tolist() == pytest.approx([32 / 200, 16 / 192, 128 / 200, 64 / 192], rel=1e-4)
    nobody = OnnxDetector(yolox_file(tmp_path / "none.onnx", (96, 160), None), 0.3)
    assert nobody.detect([np.zeros((20, 30, 3), np.uint8)])[0].scores.size == 0
    assert nobody.name.startswith("none@") and nobody.name.split("@")[1] != detector.name.split("@")[1]


def test_a_file_that_is_no_detector_names_itself(tmp_path: Path) -> None:
    (tmp_path / "page.onnx").write_bytes(b"<html>404</html>")
    with pytest.raises(ValueError, match=r"page.onnx is not an ONNX model"):
        OnnxDetector(tmp_path / "page.onnx", 0.3)
    with pytest.raises(ValueError, match=r"odd.onnx: outputs output \[1, \d+, 85\]; expected"):
        OnnxDetector(yolox_file(tmp_path / "odd.onnx", (90, 160), None), 0.3)


@pytest.mark.realset
def test_onnx_separates_real_photographs(realset: Path) -> None:
    cv2.setNumThreads(1)
    detector = OnnxDetector(realset / "models" / "yolox_nano.onnx", 0.2)
    lines = (realset / "photos" / "labels.csv").read_text().splitlines()[1:]
    best: dict[bool, list[float]] = {True: [], False: []}
    for file, person, *_ in (line.split(",") for line in lines):
        (found,) = detector.detect([photo(str(realset), "photos", file)])
        best[person == "1"].append(found.scores.max(initial=0))
    assert np.mean(np.array(best[True]) >= 0.3) >= 0.91
    assert np.mean(np.array(best[False]) >= 0.3) <= 0.03
