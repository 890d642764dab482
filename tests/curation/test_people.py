import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest
from pydantic import ValidationError

from curation.detectors import Detections
from curation.detectors.build import DetectParams, MemberSpec, ObserverSpec, build_observer
from curation.detectors.observers import AnyOf, Member
from curation.identity import content_id
from curation.images import Rgb
from curation.index import Dataset, IndexParams, index_image
from curation.people import PART, Target, detect_part, look, summary, targets_of, tasks
from curation.places365 import find_images
from curation.sources import Source
from curation.tables import IMAGES, PEOPLE, join_tables, to_arrow, write_table
from pipelines.engine import run_parts
from tests.curation.stand_ins import RedDetector

BUILTIN = ObserverSpec("one", (MemberSpec("builtin", None, (), ("whole",)),), 0.2)


def save(path: Path, *boxes: tuple[int, int, int, int]) -> Target:
    image = np.zeros((200, 300, 3), np.uint8)
    for x, y, w, h in boxes:
        image[y : y + h, x : x + w, 2] = 255
    cv2.imwrite(str(path), image)
    return Target("places365", path.name, content_id(path.read_bytes()), "ok")


def test_nobody_there_and_not_looked_at_are_different_rows(tmp_path: Path) -> None:
    targets = [
        save(tmp_path / "2.png", (20, 20, 30, 60), (130, 90, 40, 80)),
        save(tmp_path / "0.png"),
        Target("places365", "b.png", None, "truncated: x"),
        Target("places365", "gone.png", "00", "ok"),
        save(tmp_path / "old.png", (20, 20, 30, 60)),
        save(tmp_path / "new.png", (20, 20, 30, 60))._replace(image_id=None),
    ]
    (tmp_path / "old.png").write_bytes((tmp_path / "0.png").read_bytes())
    observer = AnyOf([Member(RedDetector(), ("whole",))], 0.3)
    rows = list(look(targets, Source(tmp_path), observer))
    assert list(look(targets, Source(tmp_path), observer, batch=4)) == rows
    first, second, none, bad, gone, changed, unindexed = rows
    assert [first["rank"], second["rank"]] == [0, 1] and first["score"] > second["score"]
    assert first["x"] == pytest.approx(130 / 300) and first["h"] == pytest.approx(80 / 200)
    assert (none["status"], none["score"], none["x"], none["look"]) == ("ok", None, None, "whole")
    assert (bad["status"], bad["score"], bad["look"]) == ("not looked at: truncated: x", None, "none")
    assert gone["status"].startswith("not looked at: ")
    assert changed["status"].startswith("changed since it was indexed")
    assert unindexed["score"] and unindexed["image_id"] == content_id((tmp_path / "new.png").read_bytes())
    counted = summary(to_arrow(PEOPLE, rows))
    assert (counted["images"], counted["with_person"], counted["nobody"], counted["detections"]) == (6, 2, 1, 3)
    assert counted["status"] == {"changed since it was indexed; run 'cleanplate scan'": 1, "not looked at": 2, "ok": 3}
    assert counted["looks"] == {"whole": 3}
    with pytest.raises(ValueError, match="no image could be looked at: not looked at 1"):
        summary(to_arrow(PEOPLE, [bad]))


def test_each_look_is_stored_beside_the_answer(tmp_path: Path) -> None:
    target = save(tmp_path / "1.png", (20, 20, 30, 60))
    observer = AnyOf([Member(RedDetector(), ("whole", "tiles2x2"))], 0.3)
    rows = list(look([target], Source(tmp_path), observer))
    assert [(row["role"], row["look"], row["rank"]) for row in rows] == [
        ("verdict", "whole+tiles2x2", 0), ("member", "whole", 0), ("member", "tiles2x2", 0),
    ]  # fmt: skip
    assert summary(to_arrow(PEOPLE, rows))["detections"] == 1


def test_a_large_photograph_is_decoded_no_larger_than_needed(tmp_path: Path) -> None:
    class Sizes(RedDetector):
        seen: list[tuple[int, ...]] = []  # noqa: RUF012

        def detect(self, images: Sequence[Rgb]) -> list[Detections]:
            self.seen.extend(image.shape for image in images)
            return super().detect(images)

    cv2.imwrite(str(tmp_path / "12mp.jpg"), np.zeros((3000, 4000, 3), np.uint8))
    cv2.imwrite(str(tmp_path / "small.jpg"), np.zeros((512, 683, 3), np.uint8))
    targets = [Target("d", name, None, "ok") for name in ("12mp.jpg", "small.jpg")]
    list(look(targets, Source(tmp_path), AnyOf([Member(Sizes(), ("whole",))], 0.3)))
    assert Sizes.seen == [(750, 1000, 3), (512, 683, 3)]


def test_the_same_bytes_for_any_number_of_workers_and_after_a_kill(corpus_folder: Path, tmp_path: Path) -> None:
    grace = Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")
    (corpus_folder / "grace.jpg").write_bytes(grace.read_bytes())
    params = IndexParams(group_pattern=None, max_megapixels=10)
    source = Source(corpus_folder)
    rows = [index_image(r, source, Dataset("places365", "", ""), params) for r in find_images(corpus_folder).records]
    cut = tasks(targets_of(to_arrow(IMAGES, rows)), corpus_folder, BUILTIN, chunk=6)

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
    assert tasks([], tmp_path, BUILTIN) == {}
    assert build_observer(BUILTIN) is build_observer(BUILTIN)
    targets = [Target("d", "a.jpg", "00", "ok")]
    assert tasks(targets, tmp_path, BUILTIN).keys() != tasks(targets, tmp_path, BUILTIN._replace(floor=0.3)).keys()


def params(change: dict[str, object], member: dict[str, object]) -> str:
    one = {"detector": "builtin", "weights": None, "looks": ["whole"]} | member
    base = {"combine": "one", "members": [one], "calibration": None, "floor": 0.2, "device": "cpu"}
    return json.dumps(base | change)


@pytest.mark.parametrize(
    ("change", "member", "words"),
    [
        ({}, {"detector": "onnx"}, "needs weights: the path of one file"),
        ({}, {"detector": "darknet", "weights": "a.weights"}, "the cfg and the weights"),
        ({}, {"detector": "torchvision"}, "the name of a model"),
        ({}, {"weights": "x.onnx"}, "takes no weights"),
        ({}, {"looks": []}, "looks"),
        ({}, {"looks": ["whole", "whole"]}, "looks"),
        ({"floor": 0.0}, {}, "floor"),
        ({"combine": "confirm"}, {}, "takes two members, 1 are listed"),
        ({"members": []}, {}, "members"),
        ({"calibration": "x.json"}, {}, "takes no calibration"),
    ],
)
def test_params_that_make_no_sense_are_refused(change: dict, member: dict, words: str) -> None:
    DetectParams.model_validate_json(params({}, {}))
    with pytest.raises(ValidationError, match=words):
        DetectParams.model_validate_json(params(change, member))


def test_fusion_has_looks_of_its_own() -> None:
    both = [{"detector": "onnx", "weights": f"{name}.onnx", "looks": ["whole"]} for name in "ab"]
    with pytest.raises(ValidationError, match=r"set looks to \[whole\] and \[whole, tiles2x2\]"):
        DetectParams.model_validate_json(params({"combine": "fusion", "members": both}, {}))
    both[1]["looks"] = ["whole", "tiles2x2"]
    DetectParams.model_validate_json(params({"combine": "fusion", "members": both}, {}))
