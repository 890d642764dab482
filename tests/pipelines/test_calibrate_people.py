"""Fusion fitted to photographs whose brightness is all that the stand-in detectors see."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from curation.detectors.fusion import Measured
from curation.images import Rgb
from pipelines import calibrate_people as calibrate
from pipelines.engine import PartError


def measure(image: Rgb, first: object, second: object) -> Measured:
    light = float(image.mean()) / 255
    return Measured((light, light, light), (light, light, light))


@pytest.fixture(autouse=True)
def _by_brightness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEANPLATE_WORKERS", "1")
    monkeypatch.setattr(calibrate, "measure", measure)
    monkeypatch.setattr(
        calibrate, "build_detector", lambda spec, floor, device: SimpleNamespace(name=f"{spec.files[0].stem}@1")
    )


def write(folder: Path, levels: list[int]) -> None:
    for number, level in enumerate(levels):
        cv2.imwrite(str(folder / f"{number:02d}.png"), np.full((20, 30, 3), level, np.uint8))


WEIGHTS = (Path("a.onnx"), Path("b.onnx"))


def test_the_threshold_lies_between_those_with_people_and_those_without(tmp_path: Path) -> None:
    """People above 140, others below 90: anything between finds all and rejects none."""
    levels = [*range(20, 90, 3), *range(140, 230, 3)]
    write(tmp_path, levels)
    labels = {f"{number:02d}.png": level > 100 for number, level in enumerate(levels)}
    found = calibrate.calibrate(tmp_path, labels, WEIGHTS, 0.02)
    assert found.calibration.detectors == ("a@1", "b@1")
    assert (found.chosen.recall.share, found.chosen.false_alarms.share) == (1, 0)
    dark, light = (found.calibration.tiled((level / 255,) * 3) for level in (87, 140))
    assert dark < found.calibration.threshold < light
    assert (found.calibration.images, found.calibration.with_people) == (len(levels), sum(labels.values()))


def test_false_alarms_are_kept_below_what_was_allowed(tmp_path: Path) -> None:
    """Three bright ones without people: 3 of 40 are more than 2 %, so the people as dark as these are given up."""
    levels = [40] * 37 + [150, 160, 170] + [140] * 5 + [200] * 35
    write(tmp_path, levels)
    labels = {f"{number:02d}.png": number >= 40 for number in range(len(levels))}
    assert calibrate.calibrate(tmp_path, labels, WEIGHTS, 0.02).chosen.recall.hits == 35
    assert calibrate.calibrate(tmp_path, labels, WEIGHTS, 0.1).chosen.recall.hits == 40


def test_a_photograph_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PartError, match=r"gone\.png"):
        calibrate.calibrate(tmp_path, {"gone.png": True}, WEIGHTS, 0.02)


def test_views_are_the_photograph_its_mirror_and_a_small_one() -> None:
    image = np.arange(1024 * 2048 * 3, dtype=np.uint32).astype(np.uint8).reshape(1024, 2048, 3)
    own, mirror, small = calibrate.views(image)
    assert own is image and np.array_equal(mirror[:, ::-1], image) and small.shape == (512, 1024, 3)
