import json
import re
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import cv2
import imagehash
import numpy as np
import pytest
from PIL import Image

from curation.identity import file_id
from curation.index import group_of
from curation.places365 import find_images
from curation.quality import measure
from pipelines.engine import PartError
from pipelines.params import SampleParams, load
from pipelines.sample import catalogue, places365, spoiled
from pipelines.sample.photographs import PEOPLE, PHOTOGRAPHS, TEXTURES, Photograph, cut, read

COUNT = 6


def params(**changes: int) -> SampleParams:
    values = {"seed": 7, "backgrounds": COUNT, "train_clips": 10, "test_clips": 3, "frames": 24, "height": 640}
    return SampleParams(**(values | changes))


def hashes(root: Path) -> dict[str, str]:
    return {f.relative_to(root).as_posix(): file_id(f) for f in sorted(root.rglob("*")) if f.is_file()}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, int]]]:
    root = tmp_path_factory.mktemp("sample") / "places365"
    yield root, places365.write_places365(root, params(), workers=2)


def usable(root: Path) -> list[Path]:
    bad = re.compile(
        "(copy|blurred|black|white|flat|small|bordered|grey|screen|truncated|empty|text)[0-9]+_|" + "|".join(PEOPLE)
    )
    return [f for f in sorted((root / "data_large").rglob("*.jpg")) if not bad.match(f.name)]


def test_same_bytes_for_any_number_of_workers(sample: tuple[Path, dict[str, int]], tmp_path: Path) -> None:
    root, counts = sample
    again = tmp_path / "places365"
    assert places365.write_places365(again, params(), workers=1) == counts
    assert hashes(again) == hashes(root)


def test_finished_parts_are_not_made_again(
    sample: tuple[Path, dict[str, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _ = sample
    before = hashes(root)

    def never(*_: object) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr(places365, "make_background", never)
    places365.write_places365(root, params(), workers=1)
    assert hashes(root) == before


def test_the_layout_is_the_official_one(sample: tuple[Path, dict[str, int]]) -> None:
    root, counts = sample
    for name, pattern in (
        ("categories_places365.txt", r"/([a-z])/\1[a-z_]*(/[a-z_]+)? \d{1,3}"),
        ("IO_places365.txt", r"/([a-z])/\1[a-z_]*(/[a-z_]+)? [12]"),
    ):
        lines = (root / name).read_text(encoding="utf-8").splitlines()
        assert len(lines) == len(catalogue.SCENES)
        assert all(re.fullmatch(pattern, line) for line in lines)
    found = find_images(root)
    records = [r for r in found.records if r.locator.startswith("data_large/")]
    assert len(records) == sum(counts.values())
    assert all(r.scene in catalogue.SCENES for r in records)
    assert all(r.indoor is catalogue.SCENES[r.scene][1] for r in records if r.scene)


def test_scene_numbers_follow_the_alphabet_as_the_official_ones_do() -> None:
    numbers = [number for number, _ in catalogue.SCENES.values()]
    assert list(catalogue.SCENES) == sorted(catalogue.SCENES)
    assert numbers == sorted(set(numbers))
    assert numbers[0] == 0 and numbers[-1] == 364


def test_every_slot_has_a_scene_and_a_group_the_split_can_read() -> None:
    pattern = load().index.group_pattern
    slots = catalogue.slots(120)
    assert len({slot.stem for slot in slots}) == 120
    for slot in slots:
        assert slot.scene in catalogue.SCENES
        assert group_of(f"{slot.folder}/{slot.stem}.jpg", pattern) == slot.group
    drawn = [slot.group for slot in slots if slot.hand != "photograph"]
    assert len(set(drawn)) == len(drawn)
    assert {slot.scene for slot in slots} >= {scene for _, scene in catalogue.DRAWN}


def test_usable_images_are_apart_and_within_the_thresholds(sample: tuple[Path, dict[str, int]]) -> None:
    root, counts = sample
    files = usable(root)
    assert len(files) == counts["usable"] == COUNT
    limits = load().curate
    for a, b in combinations([imagehash.phash(Image.open(f)) for f in files], 2):
        assert a - b > places365.APART
    for file in files:
        figures = measure(cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB))
        assert figures["sharpness"] > limits.min_sharpness
        assert limits.luma[0] < figures["luma_mean"] < limits.luma[1]
        assert figures["luma_spread"] > limits.min_spread
        assert figures["clipped"] < limits.max_clipped
        assert limits.min_chroma is not None and figures["chroma"] > limits.min_chroma
        assert figures["border"] == 0 and limits.max_drawn is not None and figures["drawn"] < limits.max_drawn / 2
        assert min(figures["width"], figures["height"]) * 1.25 >= limits.refine_side


def test_every_kind_of_rubbish_is_there(sample: tuple[Path, dict[str, int]]) -> None:
    root, counts = sample
    kinds = {"person", "copy", "blurred", "black", "white", "flat", "small", "truncated", "empty", "text", "system"}
    kinds |= {"bordered", "grey", "screen"}
    assert kinds < counts.keys()
    limits = load().curate
    for file in root.rglob("*_00.jpg"):
        kind = re.match("[a-z]+", file.name)[0]  # type: ignore[index]
        if kind in ("empty", "text"):
            assert cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_COLOR) is None if kind == "text" else True
            assert kind == "text" or file.stat().st_size == 0
            continue
        if kind == "truncated":
            assert not file.read_bytes().endswith(b"\xff\xd9")
            continue
        figures = measure(cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB))
        if kind == "blurred":
            assert figures["sharpness"] < limits.min_sharpness
        elif kind in ("black", "white", "flat"):
            dark_or_bright = not limits.luma[0] <= figures["luma_mean"] <= limits.luma[1]
            clipped = figures["clipped"] > limits.max_clipped
            assert dark_or_bright or clipped or figures["luma_spread"] < limits.min_spread
        elif kind == "small":
            assert min(figures["width"], figures["height"]) < limits.min_side
        elif kind == "bordered":
            assert limits.max_border is not None and figures["border"] > 10 * limits.max_border
        elif kind == "grey":
            assert limits.min_chroma is not None and figures["chroma"] < limits.min_chroma / 2
        elif kind == "screen":
            assert limits.max_drawn is not None and figures["drawn"] > limits.max_drawn
    assert list(root.rglob(".DS_Store"))


def test_copies_are_near_duplicates_of_something_usable(sample: tuple[Path, dict[str, int]]) -> None:
    root, _ = sample
    kept = [imagehash.phash(Image.open(f)) for f in usable(root)]
    copies = sorted(root.rglob("copy*.jpg"))
    assert copies
    assert all(
        min(imagehash.phash(Image.open(c)) - k for k in kept) <= load().curate.duplicate_distance for c in copies
    )


def test_crops_of_the_photographs_are_apart_and_large_enough() -> None:
    found = {}
    for name, photograph in PHOTOGRAPHS.items():
        for number in range(len(photograph.crops)):
            image = cut(photograph, number)
            found[name, number] = imagehash.phash(Image.fromarray(image))
            assert min(image.shape[:2]) >= 200
    for (a, x), (b, y) in combinations(found.items(), 2):
        assert x - y > load().curate.duplicate_distance, (a, b)


def test_the_readme_names_origin_and_licence_of_each_photograph(sample: tuple[Path, dict[str, int]]) -> None:
    root, _ = sample
    text = (root / "README.md").read_text(encoding="utf-8")
    groups = {f.name.split("_")[0] for f in usable(root)} & PHOTOGRAPHS.keys()
    for name, photograph in ({n: PHOTOGRAPHS[n] for n in groups} | PEOPLE | TEXTURES).items():
        assert photograph.licence in text and photograph.origin in text, name


def test_a_photograph_that_a_wheel_no_longer_ships_names_the_wheel() -> None:
    with pytest.raises(FileNotFoundError, match=r"skimage does not ship data/gone\.png; .*make setup"):
        read(Photograph("skimage:data/gone.png", "", [], "", ""))


def test_a_drawing_that_cannot_be_told_apart_is_drawn_again_and_then_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[tuple[str, int]] = []

    def same(task: places365.DrawTask, folder: Path) -> None:
        tried.append((task.slot.stem, task.attempt))
        other = task.attempt > 1 and task.slot.group == "land001"
        value = "ffffffff00000000" if other else "00000000ffffffff" if "room" in task.slot.group else "0" * 16
        image = np.random.default_rng(1).integers(0, 255, (300, 400, 3)).astype(np.uint8)
        (folder / f"{task.slot.stem}.jpg").write_bytes(spoiled.jpeg(image))
        (folder / "facts.json").write_text(json.dumps({"phash": value, "sound": True}), encoding="utf-8")

    monkeypatch.setattr(places365, "make_background", same)
    counts = places365.write_places365(tmp_path / "a" / "places365", params(backgrounds=2), workers=1)
    assert counts["usable"] == 2
    monkeypatch.setattr(places365, "APART", 64)
    with pytest.raises(PartError, match=r"land001_00; change sample\.seed"):
        places365.write_places365(tmp_path / "b" / "places365", params(backgrounds=2), workers=1)
    assert [attempt for stem, attempt in tried if stem == "land001_00"][-1] == places365.ATTEMPTS - 1
