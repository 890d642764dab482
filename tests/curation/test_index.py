import hashlib
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from curation.identity import content_id
from curation.index import (
    PART,
    Dataset,
    IndexParams,
    group_of,
    index_image,
    index_part,
    require_images,
    tasks,
)
from curation.places365 import find_images
from curation.sources import Source
from curation.tables import IMAGES, by_kind, join_tables, write_table
from pipelines.engine import run_parts

DATASET = Dataset("places365", "some licence", "some source")
PARAMS = IndexParams(group_pattern=r"(?P<group>[a-z]+)_[^/]*$", max_megapixels=10)


def grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def test_the_corpus_becomes_rows(corpus, corpus_folder: Path, tmp_path: Path) -> None:
    records = find_images(corpus_folder).records
    rows = {r.locator: index_image(r, Source(corpus_folder), DATASET, PARAMS) for r in records}
    for name, (data, kind) in corpus.items():
        locator = "bytes:caf%E9.jpg" if b"\xe9" in name else os.fsdecode(name)
        row = rows[locator if "#" not in locator else "bytes:" + locator.replace("#", "%23").replace("+", "%2B")]
        assert row["status"].partition(":")[0] == kind, name
        assert (row["width"] is not None) == (kind == "ok"), name
        if kind not in ("ok", "not an image"):
            assert row["image_id"] == content_id(data), name  # what was read is known by its content
    assert rows["gone.jpg"]["status"] == rows["pipe.jpg"]["status"] == "not readable: missing or not a regular file"
    assert (rows["turned.jpg"]["width"], rows["turned.jpg"]["height"]) == (240, 320)
    assert rows["black.jpg"]["clipped"] == 1 and rows["black.jpg"]["luma_mean"] == 0
    write_table(IMAGES, rows.values(), tmp_path / "images.parquet")
    assert pq.read_table(tmp_path / "images.parquet").num_rows == len(rows)


def test_the_group_comes_from_the_name() -> None:
    assert group_of("data_large/s/street/coffee_012.jpg", PARAMS.group_pattern) == "coffee"
    assert group_of("data_large/s/street/00012.jpg", PARAMS.group_pattern) is None
    assert group_of("coffee_012.jpg", None) is None


@pytest.mark.parametrize("pattern", ["(", "no group"])
def test_a_bad_pattern_names_itself(pattern: str) -> None:
    with pytest.raises(ValidationError, match="group_pattern"):
        IndexParams(group_pattern=pattern, max_megapixels=10)


def run(root: Path, parts: Path, workers: int) -> str:
    cut = tasks(find_images(root).records, root, DATASET, PARAMS, chunk=7)
    made = run_parts(cut, index_part, parts, "images", workers=workers)
    out = parts.with_suffix(".parquet")
    write_table(IMAGES, join_tables(IMAGES, [part / PART for part in made]), out)
    return hashlib.sha256(out.read_bytes()).hexdigest()


def test_the_same_bytes_for_any_number_of_workers_and_after_a_kill(corpus_folder: Path, tmp_path: Path) -> None:
    one = run(corpus_folder, tmp_path / "one", 1)
    assert run(corpus_folder, tmp_path / "two", 2) == one
    parts = sorted((tmp_path / "two").iterdir())
    kept = {part.name: (part / PART).stat().st_ino for part in parts[:2]}
    for part in parts[2:]:
        shutil.rmtree(part)
    assert run(corpus_folder, tmp_path / "two", 2) == one
    assert {name: (tmp_path / "two" / name / PART).stat().st_ino for name in kept} == kept


def test_a_changed_folder_is_read_again(corpus_folder: Path, tmp_path: Path) -> None:
    before = run(corpus_folder, tmp_path / "parts", 1)
    (corpus_folder / "good.jpg").write_bytes((corpus_folder / "grey.jpg").read_bytes())
    assert run(corpus_folder, tmp_path / "parts", 1) != before


def test_no_images_at_all_is_an_error_with_the_layout() -> None:
    with pytest.raises(ValueError, match=r"places365.root: '/data/places' has no images; expected data_large/"):
        require_images([], Path("/data/places"), "data_large/")
    with pytest.raises(ValueError, match=r"2 files: empty 1, truncated 1"):
        require_images(["truncated: a", "empty: b"], Path("/data/places"), "data_large/")
    require_images(["truncated: a", "ok"], Path("/data/places"), "data_large/")


def test_statuses_are_counted_by_kind() -> None:
    assert by_kind(["ok", "truncated: 3", "truncated: 9", "ok"]) == {"ok": 2, "truncated": 2}
