"""A real Darknet file, small: one convolution that answers the same of any image, and YOLOv3's head."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.detectors.darknet import DarknetDetector

pytestmark = pytest.mark.skipif(not hasattr(cv2.dnn, "readNetFromDarknet"), reason="OpenCV 5 reads no Darknet files")

CFG = """[net]
batch=1
width=64
height=32
channels=3

[convolutional]
filters=85
size=1
stride=1
pad=0
activation=linear

[maxpool]
size=32
stride=32

[yolo]
mask=0
anchors=16,24
classes=80
num=1
"""


def write(folder: Path, logits: dict[int, float]) -> tuple[Path, Path]:
    """The convolution's weights are 0: what it answers is its bias."""
    bias = np.full(85, -20, np.float32)
    bias[:4] = 0
    for place, value in logits.items():
        bias[place] = value
    cfg, weights = folder / "tiny.cfg", folder / "tiny.weights"
    cfg.write_text(CFG)
    header = np.array([0, 2, 0], np.int32).tobytes() + np.array([0], np.int64).tobytes()
    weights.write_bytes(header + bias.tobytes() + np.zeros(85 * 3, np.float32).tobytes())
    return cfg, weights


def test_boxes_are_where_darknet_puts_them(tmp_path: Path) -> None:
    cfg, weights = write(tmp_path, {4: 20, 5: np.log(4)})  # sure that something is there, 0.8 that it is a person
    detector = DarknetDetector(cfg, weights, 0.3)
    (found,) = detector.detect([np.zeros((50, 90, 3), np.uint8)])
    assert detector.name.startswith("tiny@")
    # Two cells of 32 pixels, a box of 16 x 24 in the middle of each.
    assert found.scores.tolist() == pytest.approx([0.8, 0.8], abs=1e-3)
    assert sorted(found.boxes.round(3).tolist()) == [
        pytest.approx([0.125, 0.125, 0.25, 0.75], abs=1e-3),
        pytest.approx([0.625, 0.125, 0.25, 0.75], abs=1e-3),
    ]


def test_a_likelier_dog_takes_from_the_person(tmp_path: Path) -> None:
    cfg, weights = write(tmp_path, {4: 20, 5: 0.0, 6: 20})
    (found,) = DarknetDetector(cfg, weights, 0.2).detect([np.zeros((32, 64, 3), np.uint8)])
    assert found.scores.tolist() == pytest.approx([0.25, 0.25], abs=1e-3)
    assert not len(DarknetDetector(cfg, weights, 0.3).detect([np.zeros((32, 64, 3), np.uint8)])[0].scores)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.cfg").write_text("<html>")
    (tmp_path / "a.weights").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"a.cfg and .*a.weights cannot be read as a Darknet model"):
        DarknetDetector(tmp_path / "a.cfg", tmp_path / "a.weights", 0.3)
