import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.decisions import Decision
from curation.filters import CurateParams
from curation.identity import content_id
from curation.judging import judge, split_of, splits_of, summary
from curation.reasons import SPLITS
from curation.tables import IMAGES, PEOPLE, VERDICTS, to_arrow, write_table

GOOD: dict[str, Any] = {
    "person_score": 0.5,
    "person_share": 0.0,
    "min_side": 200,
    "min_sharpness": 40.0,
    "luma": [0.06, 0.94],
    "min_spread": 0.04,
    "max_clipped": 0.4,
    "min_chroma": 0.03,
    "max_border": 0.01,
    "max_drawn": 0.35,
    "duplicate_distance": 6,
    "valid_share": 0.2,
    "test_share": 0.2,
    "scene_cap": None,
    "refine_side": 448,
}


def params(**change: Any) -> CurateParams:
    return CurateParams.model_validate_json(json.dumps(GOOD | change))


def image_id(name: str) -> str:
    return content_id(name.encode())


def in_split(split: str, number: int = 0) -> str:
    """The content hash of an image that falls into a split."""
    ids = (image_id(f"image {k}") for k in range(1000))
    return [each for each in ids if split_of(each, None, params()) == split][number]


def image(locator: str, **change: Any) -> dict[str, Any]:
    row = dict.fromkeys(IMAGES.columns) | {
        "dataset": "places365",
        "locator": locator,
        "image_id": image_id(locator),
        "scene": "kitchen",
        "width": 640,
        "height": 480,
        "bytes": 1000,
        "sharpness": 500.0,
        "luma_mean": 0.45,
        "luma_spread": 0.2,
        "clipped": 0.0,
        "chroma": 0.5,
        "border": 0.0,
        "drawn": 0.02,
        # Far from all others: by chance two random hashes differ in about 32 bits.
        "phash": int(hashlib.sha256(locator.encode()).hexdigest()[:16], 16),
        "status": "ok",
        "licence": "L",
        "source": "S",
    }
    return row | change


def look(locator: str, *people: tuple[float, float, float, float, float], **change: Any) -> list[dict[str, Any]]:
    row = dict.fromkeys(PEOPLE.columns) | {"dataset": "places365", "locator": locator, "detector": "d", "look": "whole"}
    row |= {"role": "verdict", "rank": 0, "floor": 0.2, "ceiling": 1.0, "status": "ok"} | change
    if not people:
        return [row]
    return [
        row | {"rank": rank, "score": s, "x": x, "y": y, "w": w, "h": h} for rank, (s, x, y, w, h) in enumerate(people)
    ]


def verdicts(
    images: list[dict[str, Any]], people: list[dict[str, Any]] | None = None, *decisions: Decision, **change: Any
) -> dict[str, dict[str, Any]]:
    if people is None:
        people = [row for each in images for row in look(each["locator"])]
    table = judge(
        to_arrow(IMAGES, images), to_arrow(PEOPLE, people), {d.image_id: d for d in decisions}, params(**change)
    )
    return {row["locator"]: row for row in table.to_pylist()}


def test_people_are_judged_from_stored_scores() -> None:
    images = [image(name) for name in ("none", "far", "near", "two", "unlooked", "failed")]
    people = [
        *look("none"),
        *look("far", (0.45, 0.1, 0.1, 0.1, 0.1)),
        *look("near", (0.83, 0.1, 0.1, 0.2, 0.2)),
        *look("two", (0.9, 0.0, 0.0, 0.5, 0.5), (0.7, 0.25, 0.0, 0.5, 0.5), (0.3, 0.0, 0.0, 1.0, 1.0)),
        *look("failed", status="not looked at: changed"),
    ]
    found = verdicts(images, people)
    assert found["none"]["kept"] and found["none"]["person_score"] == 0 and found["none"]["reason"] == "ok"
    assert found["far"]["kept"] and found["far"]["person_score"] == pytest.approx(0.45)
    assert found["near"]["reason"] == "people: 0.83 over 4% of the image" and found["near"]["rule"] == "people"
    assert found["two"]["person_share"] == pytest.approx(0.375)
    assert found["unlooked"]["reason"].startswith("people: not looked at (no row")
    assert found["unlooked"]["person_score"] is None
    assert found["failed"]["reason"] == "people: not looked at (not looked at: changed)"
    assert verdicts(images, people, person_share=0.1)["near"]["kept"]
    assert not verdicts(images, people, person_score=0.2)["far"]["kept"]


def test_a_threshold_below_what_was_stored_is_refused() -> None:
    verdicts([image("a")], look("a"), person_score=0.2)
    with pytest.raises(ValueError, match=r"curate.person_score is 0.1, but only scores from 0.2 up were stored"):
        verdicts([image("a")], look("a"), person_score=0.1)


def test_tables_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="run 'dvc repro detect'"):
        verdicts([image("a")], [*look("a"), *look("b")])


def test_unreadable_rows_stay_rows() -> None:
    empty = dict.fromkeys(
        ("width", "height", "sharpness", "luma_mean", "luma_spread", "clipped", "chroma", "border", "drawn", "phash")
    )
    images = [
        image("none.jpg", **empty, image_id=None, status="not readable: gone"),
        image("half.jpg", **empty, status="truncated: x"),
        image("good.jpg", phash=2**64 - 1),
    ]
    found = verdicts(images, None, Decision(image_id("half.jpg"), "keep", "ana", ""))
    assert found["none.jpg"]["reason"] == "unreadable: not readable: gone" and found["none.jpg"]["split"] is None
    assert found["half.jpg"]["reason"] == "unreadable: truncated: x" and not found["half.jpg"]["kept"]
    assert found["half.jpg"]["refine_ok"] is False and found["half.jpg"]["person_share"] is not None
    assert found["good.jpg"]["kept"]


def test_a_decision_goes_over_any_filter_and_says_so() -> None:
    keep, reject = Decision(image_id("a"), "keep", "ana", "a poster"), Decision(image_id("b"), "reject", "bo", "")
    found = verdicts([image("a", sharpness=3.0), image("b"), image("c")], None, keep, reject)
    assert found["a"]["kept"] and found["a"]["decision"] == "keep" and found["a"]["rule"] == "decision"
    assert found["a"]["reason"] == "decision: kept by ana, over sharpness: 3.0, under 40 (a poster)"
    assert not found["b"]["kept"] and found["b"]["reason"] == "decision: rejected by bo"
    assert found["c"]["kept"] and found["c"]["decision"] is None


def test_the_best_of_near_duplicates_is_kept() -> None:
    one = in_split("train")
    two, three = in_split("train", 1), in_split("train", 2)
    images = [
        image("a", phash=0b111, image_id=one, width=400, height=300),
        image("b", phash=0, image_id=two),
        image("c", phash=0b11, image_id=three, sharpness=600.0),
        image("d", phash=2**63 + 2**40 + 2**20 + 15 * 2**30, image_id=in_split("train", 3)),
        image("e", phash=0b11, image_id=three, sharpness=600.0),
    ]
    found = verdicts(images)
    assert {name for name, row in found.items() if row["kept"]} == {"c", "d"}
    assert found["a"]["reason"] == "duplicate: 1 of 64 bits from c" and found["a"]["duplicate_of"] == "c"
    assert found["b"]["reason"] == "duplicate: 2 of 64 bits from c"
    assert found["e"]["reason"] == "duplicate: a copy of c"
    # One that no filter let pass takes no other with it, and one a human chose goes first.
    images[2]["sharpness"] = 1.0
    images[4]["sharpness"] = 1.0
    assert verdicts(images)["b"]["kept"]
    assert verdicts(images, None, Decision(one, "keep", "ana", ""))["a"]["kept"]


def test_a_near_duplicate_in_another_split_never_stays() -> None:
    train, test, more = in_split("train"), in_split("test"), in_split("train", 1)
    images = [
        image("large", phash=0, image_id=train, width=900, height=900),
        image("test", phash=1, image_id=test),
        image("more", phash=3, image_id=more),
    ]
    found = verdicts(images)
    assert found["test"]["reason"] == (
        "split: 1 of 64 bits from large, which is kept in train, while this one falls into test"
    )
    assert found["test"]["rule"] == "split" and found["more"]["rule"] == "duplicate"
    # Two that a human wants: in one split both stay, over two splits only the better.
    wanted = [Decision(each, "keep", "ana", "") for each in (train, test, more)]
    found = verdicts(images, None, *wanted)
    assert found["more"]["kept"] and found["more"]["reason"].startswith("decision: kept by ana, over duplicate: 2 of")
    assert not found["test"]["kept"] and found["test"]["reason"].endswith("a decision to keep does not go over this")


@given(st.lists(st.binary(min_size=1, max_size=4), min_size=1, max_size=30, unique=True), st.data())
def test_a_split_hangs_on_content_alone(contents: list[bytes], data: st.DataObject) -> None:
    rows = [image(f"{k}.jpg", image_id=content_id(content)) for k, content in enumerate(contents)]
    all_of = {row["image_id"]: row["split"] for row in verdicts(rows).values()}
    some = data.draw(st.lists(st.sampled_from(rows), min_size=1, unique_by=lambda row: row["locator"]))
    moved = [row | {"locator": "elsewhere/" + row["locator"], "scene": None} for row in some]
    moved.sort(key=lambda row: row["locator"])
    assert {row["image_id"]: row["split"] for row in verdicts(moved).values()}.items() <= all_of.items()


@given(st.floats(0, 0.4), st.floats(0, 0.4), st.floats(0, 0.4))
def test_a_larger_share_takes_only_from_training(valid: float, test: float, more: float) -> None:
    for k in range(40):
        before = split_of(image_id(str(k)), None, params(valid_share=valid, test_share=test))
        after = split_of(image_id(str(k)), None, params(valid_share=valid, test_share=min(test + more, 0.59)))
        assert after == before or (before, after) == ("train", "test")


def test_shares_are_met_and_groups_stay_together() -> None:
    splits = [split_of(image_id(str(k)), None, params()) for k in range(4000)]
    assert splits.count("test") / 4000 == pytest.approx(0.2, abs=0.02)
    assert splits.count("valid") / 4000 == pytest.approx(0.2, abs=0.02)
    assert len({split_of(image_id(str(k)), "coffee", params()) for k in range(50)}) == 1
    assert len({split_of(image_id("0"), str(k), params()) for k in range(50)}) == 3


def test_the_table_is_the_contract_and_always_the_same(tmp_path: Path) -> None:
    images = [image(f"{k:03d}", phash=k % 7, width=300 + 40 * (k % 9)) for k in range(60)]
    people = [row for each in images for row in look(each["locator"])]
    tables = [to_arrow(IMAGES, images), to_arrow(PEOPLE, people)]
    whole = judge(*tables, {}, params())
    assert whole.schema.equals(VERDICTS.schema, check_metadata=True)
    in_chunks = [pa.concat_tables([t.slice(0, 17), t.slice(17)]) for t in tables]
    for name, table in (("a", whole), ("b", judge(*in_chunks, {}, params()))):
        write_table(VERDICTS, table, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    kept = whole.filter(whole["kept"]).to_pylist()
    assert [row["refine_ok"] for row in kept] == [min(row["width"], 480) * 1.25 >= 448 for row in kept]
    counted = summary(whole, {"0" * 32: Decision("0" * 32, "keep", "", "")})
    assert counted["kept"] == len(kept) and sum(counted["rejected"].values()) == 60 - len(kept)
    assert sum(counted["split"].values()) == len(kept) and counted["decisions"]["unknown_image"] == 1


def test_nothing_kept_is_an_error_with_the_counts() -> None:
    images = [image("a", sharpness=1.0), image("b", width=10)]
    table = judge(to_arrow(IMAGES, images), to_arrow(PEOPLE, [*look("a"), *look("b")]), {}, params())
    with pytest.raises(ValueError, match=r"no background is left \(sharpness 1, size 1\)"):
        summary(table, {})


def test_all_splits_at_once_are_those_of_one_by_one() -> None:
    ids = [None if k % 9 == 0 else image_id(str(k)) for k in range(300)]
    groups = [f"é{k % 20}" if k % 3 == 0 else None for k in range(300)]
    found = splits_of(pa.chunked_array([ids[:7], ids[7:]]), pa.chunked_array([groups], pa.string()), params())
    expected = [split_of(each, group, params()) for each, group in zip(ids, groups, strict=True)]
    assert [None if place < 0 else SPLITS[place] for place in found] == expected


def test_a_cap_keeps_the_lowest_hashes_of_each_scene() -> None:
    images = [image(f"{k:03d}", scene=("kitchen", "barn", None)[k % 3]) for k in range(60)]
    wish = Decision(max(row["image_id"] for row in images if row["scene"] == "barn"), "keep", "ana", "")
    found = verdicts(images, None, wish, scene_cap=4)
    for scene in ("kitchen", "barn"):
        mine = sorted((row for row in found.values() if row["scene"] == scene), key=lambda row: row["image_id"])
        lowest = {row["image_id"] for row in mine[: 4 if scene == "kitchen" else 3]}
        assert {row["image_id"] for row in mine if row["kept"]} == lowest | (
            {wish.image_id} if scene == "barn" else set()
        )
        assert {row["reason"] for row in mine if not row["kept"]} == {f"scene_cap: 4 of {scene} are kept already"}
    assert all(row["kept"] for row in found.values() if row["scene"] is None)
    # What another filter rejects leaves its place to the next.
    images[0]["sharpness"] = 1.0
    assert sum(row["kept"] for row in verdicts(images, None, scene_cap=20).values()) == 59
    assert sum(row["kept"] for row in verdicts(images, None, scene_cap=19).values()) == 58


def test_a_cap_leaves_the_splits_their_shares() -> None:
    images = [image(f"{k:04d}", scene="kitchen") for k in range(1500)]
    kept = [row["split"] for row in verdicts(images, None, scene_cap=500).values() if row["kept"]]
    assert len(kept) == 500
    assert kept.count("test") / 500 == pytest.approx(0.2, abs=0.05)
    assert kept.count("valid") / 500 == pytest.approx(0.2, abs=0.05)


@pytest.mark.parametrize(("short", "fine"), [(1639, True), (1638, False), (4000, True)])
def test_refine_ok_is_what_fills_a_crop_enlarged_by_a_quarter(short: int, fine: bool) -> None:
    for width, height in ((short, 5000), (5000, short)):
        assert verdicts([image("a", width=width, height=height)], refine_side=2048)["a"]["refine_ok"] is fine
