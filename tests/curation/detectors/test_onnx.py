from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.detectors.decoders import NanoDet, Yolox
from curation.detectors.onnx import OnnxDetector, letterbox, open_session, shrink
from curation.images import decode_rgb


def test_letterbox_fits_top_left_as_bgr() -> None:
    image = np.zeros((50, 100, 3), np.uint8)
    image[..., 0] = 200  # red
    into = np.zeros((3, 64, 64), np.float32)
    assert letterbox(image, Yolox((64, 64)), into) == 0.64
    assert into[:, 10, 10].tolist() == [0, 0, 200]
    assert into[:, 40, 10].tolist() == [114, 114, 114]
    letterbox(image, NanoDet((64, 64), (), (), 8), into)
    assert into[:, 10, 10].tolist() == pytest.approx(
        [-103.53 / 57.375, -116.28 / 57.12, (200 - 123.675) / 58.395], abs=1e-4
    )


def test_onnx_reads_its_input_size_and_maps_boxes_back(yolox_file: Callable[..., Path]) -> None:
    detector = OnnxDetector(yolox_file("one", (16, 8, 64, 32)), 0.3)
    (found,) = detector.detect([np.zeros((192, 200, 3), np.uint8)])  # fits at 0.5: boxes double
    assert found.scores.tolist() == pytest.approx([0.9])
    assert found.boxes[0].tolist() == pytest.approx([32 / 200, 16 / 192, 128 / 200, 64 / 192], rel=1e-4)
    nobody = OnnxDetector(yolox_file("none", None), 0.3)
    assert nobody.detect([np.zeros((20, 30, 3), np.uint8)])[0].scores.size == 0
    assert nobody.name.startswith("none@") and nobody.name.split("@")[1] != detector.name.split("@")[1]


def test_a_file_that_is_no_detector_names_itself(tmp_path: Path, yolox_file: Callable[..., Path]) -> None:
    (tmp_path / "page.onnx").write_bytes(b"<html>404</html>")
    with pytest.raises(ValueError, match=r"page.onnx is not an ONNX model"):
        OnnxDetector(tmp_path / "page.onnx", 0.3)
    with pytest.raises(ValueError, match=r"odd.onnx: outputs output \[1, \d+, 85\]; expected"):
        OnnxDetector(yolox_file("odd", None, (90, 160)), 0.3)


@pytest.mark.parametrize("sides", [(417, 833), (750, 1000), (300, 401), (90, 120), (3000, 4001)])
def test_shrinking_is_as_smooth_as_averaging_areas(sides: tuple[int, int]) -> None:
    """A fine chequer must come out grey, and a ramp where it was: neither moiré nor shift."""
    chequer = (np.indices(sides).sum(axis=0) % 2 * 255).astype(np.uint8)
    ramp = np.linspace(0, 255, sides[1], dtype=np.float32).astype(np.uint8)[None].repeat(sides[0], axis=0)
    image = np.stack([chequer, ramp, ramp], axis=2)
    size = (104, max(1, sides[0] * 104 // sides[1]))
    small = shrink(image, size)
    assert small.shape == (size[1], size[0], 3)
    if sides[1] >= 2 * size[0]:
        assert np.abs(small[..., 0].astype(int) - 127).max() <= 2
    expected = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    assert np.abs(small[..., 1].astype(int) - expected[..., 1]).max() <= 3


@pytest.mark.realset
def test_onnx_separates_real_photographs(realset: Path) -> None:
    cv2.setNumThreads(1)
    detector = OnnxDetector(realset / "models" / "yolox_nano.onnx", 0.2)
    lines = (realset / "photos" / "labels.csv").read_text().splitlines()[1:]
    best: dict[bool, list[float]] = {True: [], False: []}
    for file, person, *_ in (line.split(",") for line in lines):
        (found,) = detector.detect([decode_rgb((realset / "photos" / file).read_bytes())])
        best[person == "1"].append(found.scores.max(initial=0))
    assert np.mean(np.array(best[True]) >= 0.3) >= 0.91
    assert np.mean(np.array(best[False]) >= 0.3) <= 0.03


def test_a_gpu_that_is_not_there_is_said(yolox_file: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match=r"set detect\.device to cpu"):
        open_session(yolox_file("one", None), "cuda")
