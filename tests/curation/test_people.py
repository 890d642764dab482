import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest
from pydantic import ValidationError

from curation.detectors import Detections, arrange
from curation.identity import content_id
from curation.images import Rgb
from curation.index import Dataset, IndexParams, index_image
from curation.people import (
    PART,
    DetectorSpec,
    DetectParams,
    Target,
    build_detector,
    detect_part,
    find_people,
    look_at,
    summary,
    tasks,
    windows,
)
from curation.places365 import find_images
from curation.sources import Source
from curation.tables import IMAGES, PEOPLE, join_tables, to_arrow, write_table
from pipelines.engine import run_parts

BUILTIN = DetectorSpec("builtin", (), 0.2)


class RedDetector:
    """Takes each red area of its cut for a person."""

    name = "red"

    def detect(self, images: Sequence[Rgb]) -> list[Detections]:
        return [self._look(image) for image in images]

    def _look(self, image: Rgb) -> Detections:
        red = (image[..., 0] > 200) & (image[..., 1] < 50)
        _, _, stats, _ = cv2.connectedComponentsWithStats(red.astype(np.uint8))
        height, width = red.shape
        boxes = stats[1:, :4] / [width, height, width, height]
        return arrange(boxes, np.minimum(0.5 + stats[1:, 4] / 10_000, 0.95))


def red(*boxes: tuple[int, int, int, int]) -> Rgb:
    image = np.zeros((200, 300, 3), np.uint8)
    for x, y, w, h in boxes:
        image[y : y + h, x : x + w, 0] = 255
    return image


def test_tiles_cover_the_image_and_overlap() -> None:
    cover = np.zeros((100, 100), int)
    for x, y, w, h in windows("tiles2x2"):
        cover[round(100 * y) : round(100 * (y + h)), round(100 * x) : round(100 * (x + w))] += 1
    assert cover.min() == 1 and cover[50, 50] == 4
    assert windows("whole") == ((0, 0, 1, 1),)


def test_what_several_looks_see_is_one_person() -> None:
    image = red((20, 20, 30, 60), (130, 90, 40, 60))  # the second lies over the seam, cut by some tiles
    found = find_people(image, RedDetector(), ("whole", "tiles2x2"))
    boxes = found.boxes * [300, 200, 300, 200]
    assert sorted(boxes.round().tolist()) == [[20, 20, 30, 60], [130, 90, 40, 60]]


def save(image: Rgb, path: Path) -> Target:
    cv2.imwrite(str(path), np.ascontiguousarray(image[..., ::-1]))
    return Target("places365", path.name, content_id(path.read_bytes()), "ok")


def test_nobody_there_and_not_looked_at_are_different_rows(tmp_path: Path) -> None:
    source, detector = Source(tmp_path), RedDetector()
    two = look_at(save(red((20, 20, 30, 60), (130, 90, 40, 80)), tmp_path / "2.png"), source, detector, ("whole",), 0.3)
    assert [row["rank"] for row in two] == [0, 1] and two[0]["score"] > two[1]["score"]
    assert two[0]["x"] == pytest.approx(130 / 300) and two[0]["h"] == pytest.approx(80 / 200)
    (none,) = look_at(save(red(), tmp_path / "0.png"), source, detector, ("whole",), 0.3)
    assert none["status"] == "ok" and none["score"] is None and none["x"] is None and none["detector"] == "red"
    (bad,) = look_at(Target("places365", "b.png", None, "truncated: x"), source, detector, ("whole",), 0.3)
    assert bad["status"] == "not looked at: truncated: x" and bad["score"] is None
    (gone,) = look_at(Target("places365", "gone.png", "00", "ok"), source, detector, ("whole",), 0.3)
    assert gone["status"].startswith("not looked at: ")
    (tmp_path / "0.png").write_bytes((tmp_path / "2.png").read_bytes())
    (changed,) = look_at(Target("places365", "0.png", none["image_id"], "ok"), source, detector, ("whole",), 0.3)
    assert changed["status"].startswith("changed since it was indexed")
    counted = summary(to_arrow(PEOPLE, [*two, none, bad, {**gone, "locator": "gone.png"}]))
    assert (counted["images"], counted["with_person"], counted["nobody"], counted["detections"]) == (4, 1, 1, 2)
    assert counted["status"] == {"not looked at": 2, "ok": 2}
    with pytest.raises(ValueError, match="no image could be looked at: not looked at 1"):
        summary(to_arrow(PEOPLE, [bad]))


def test_the_same_bytes_for_any_number_of_workers_and_after_a_kill(corpus_folder: Path, tmp_path: Path) -> None:
    grace = Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")
    (corpus_folder / "grace.jpg").write_bytes(grace.read_bytes())
    params = IndexParams(group_pattern=None, max_megapixels=10)
    source = Source(corpus_folder)
    rows = [index_image(r, source, Dataset("places365", "", ""), params) for r in find_images(corpus_folder).records]
    cut = tasks(to_arrow(IMAGES, rows), corpus_folder, BUILTIN, ("whole",), chunk=6)

    def run(folder: str, workers: int) -> str:
        made = run_parts(cut, detect_part, tmp_path / folder, "people", workers=workers)
        table = join_tables(PEOPLE, [part / PART for part in made])
        best = {row["locator"]: row["score"] for row in table.to_pylist()[::-1]}
        assert len(best) == len(rows) and best["grace.jpg"] > 0.5
        write_table(PEOPLE, table, tmp_path / f"{folder}.parquet")
        return hashlib.sha256((tmp_path / f"{folder}.parquet").read_bytes()).hexdigest()

    one = run("one", 1)
    assert run("two", 2) == one
    part = sorted((tmp_path / "one").iterdir())[1]
    (part / PART).unlink()
    part.rmdir()
    assert run("one", 1) == one


def test_other_weights_are_other_parts(tmp_path: Path) -> None:
    images = to_arrow(PEOPLE, []).select(["dataset", "locator", "image_id", "status"])
    assert tasks(images, tmp_path, BUILTIN, ("whole",)) == {}
    assert build_detector(BUILTIN) is build_detector(BUILTIN)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"detector": "onnx"}, "needs detect.weights"),
        ({"weights": "x.onnx"}, "takes no weights"),
        ({"looks": []}, "looks"),
        ({"looks": ["whole", "whole"]}, "looks"),
        ({"floor": 0.0}, "floor"),
    ],
)
def test_params_that_make_no_sense_are_refused(change: dict[str, object], words: str) -> None:
    good = {"detector": "builtin", "weights": None, "looks": ["whole"], "floor": 0.2}
    DetectParams.model_validate_json(json.dumps(good))
    with pytest.raises(ValidationError, match=words):
        DetectParams.model_validate_json(json.dumps(good | change))
