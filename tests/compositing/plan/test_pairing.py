import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from compositing.chain.scene import crop_with_margin
from compositing.plan.coverage import Coverage
from compositing.plan.draws import Draws
from compositing.plan.pairing import plan_rows
from compositing.plan.recipe import Canvas, draw_capture
from compositing.tables import FRAMES, PLAN
from curation.tables import VERDICTS, to_arrow
from tests.compositing.composite_world import frame, plan_params, verdict

SPLITS = ("train", "valid", "test")


def tables(backgrounds=7, clips=3, frames=5, **changes):
    verdicts = [
        verdict(f"{split}/{n}.jpg", split, scene=f"s{n % 3}", **changes) for split in SPLITS for n in range(backgrounds)
    ]
    rows = [frame(f"{split}/{c}", n, split) for split in SPLITS for c in range(clips) for n in range(frames)]
    return to_arrow(VERDICTS, verdicts), to_arrow(FRAMES, rows)


def rows_of(plan: pa.Table, name: str) -> list[dict]:
    return [row for row in plan.to_pylist() if row["set"] == name]


def counts_of(plan: pa.Table) -> dict[str, dict[str, int]]:
    coverage = Coverage()
    coverage.add(plan)
    return coverage.counts()


def test_the_plan_fits_its_schema_and_counts_three_strengths():
    plan = plan_rows(*tables(), plan_params())
    assert plan.schema.equals(PLAN.schema)
    counts = counts_of(plan)
    assert {name: counts[name]["composites"] for name in counts} == {
        "base": 10,
        "refine": 5,
        "valid": 6,
        "test": 9,
    }
    assert counts["test"]["hard"] == 3
    ids = plan["composite_id"].to_pylist()
    assert len(set(ids)) == len(ids)


def test_splits_never_leak():
    plan = plan_rows(*tables(), plan_params(base__count=60))
    expected = {"base": "train", "refine": "train", "valid": "valid", "test": "test"}
    for row in plan.to_pylist():
        split = expected[row["set"]]
        assert row["split"] == split
        assert row["locator"].startswith(split)
        assert row["clip"].startswith(split)


def test_rejected_images_and_broken_frames_are_never_used():
    verdicts, frames = tables()
    rejected = to_arrow(VERDICTS, [verdict(f"bad/{n}.jpg", "train", kept=False) for n in range(50)])
    broken = to_arrow(FRAMES, [frame("bad", n, "train", status="no alpha", box_w=None) for n in range(50)])
    plan = plan_rows(pa.concat_tables([verdicts, rejected]), pa.concat_tables([frames, broken]), plan_params())
    assert not any("bad" in row["locator"] + row["clip"] for row in plan.to_pylist())


def test_the_order_of_the_inputs_does_not_matter():
    verdicts, frames = tables()
    reverse = plan_rows(*(table.take(list(range(len(table)))[::-1]) for table in (verdicts, frames)), plan_params())
    assert reverse.equals(plan_rows(verdicts, frames, plan_params()))


def test_a_larger_count_only_adds_rows():
    few = plan_rows(*tables(), plan_params(base__count=10))
    many = plan_rows(*tables(), plan_params(base__count=40))
    assert rows_of(many, "base")[:10] == rows_of(few, "base")


def test_the_test_set_hangs_on_its_own_seed_alone():
    here = plan_rows(*tables(), plan_params())
    there = plan_rows(*tables(), plan_params(seed=99, train__gain=[-1.0, 1.0]))
    assert rows_of(here, "test") == rows_of(there, "test")
    assert rows_of(here, "base") != rows_of(there, "base")
    assert rows_of(here, "test") != rows_of(plan_rows(*tables(), plan_params(test_seed=1)), "test")


def test_strengths_share_pairing_and_look_and_differ_in_capture():
    rows = rows_of(plan_rows(*tables(), plan_params()), "test")
    own = {"composite_id", "ordinal", "strength", "noise_key"}
    nobody = np.zeros(1, bool)
    own |= set(
        draw_capture(Draws(1, "test", np.arange(1)), plan_params().train, Canvas(8, 8, 0, (1, 1)), nobody, nobody)
    )
    shared = [{k: v for k, v in row.items() if k not in own} for row in rows]
    for i in range(0, 9, 3):
        assert [row["strength"] for row in rows[i : i + 3]] == ["exact", "mild", "hard"]
        assert shared[i] == shared[i + 1] == shared[i + 2]
    assert shared[0] != shared[3]
    exact = rows[0]
    assert (exact["shift_x"], exact["shift_y"], exact["shift_rotate"], exact["gain"]) == (0, 0, 0, 0)
    assert (exact["shift_scale"], exact["gamma"], exact["shadow_strength"]) == (1, 1, 0)
    hard = math.hypot(rows[2]["shift_x"], rows[2]["shift_y"]) * 512 / 128
    assert 1.0 <= hard <= 4.0001


def test_every_background_and_frame_is_used_evenly_without_fixed_partners():
    rows = rows_of(plan_rows(*tables(), plan_params(base__count=105)), "base")
    assert set(Counter(row["locator"] for row in rows).values()) == {15}
    assert set(Counter(row["frame_id"] for row in rows).values()) == {7}
    partners = Counter((row["locator"], row["frame_id"]) for row in rows)
    assert len(partners) > 50
    # Any prefix holds the clips alike, too.
    assert set(Counter(row["clip"] for row in rows[:6]).values()) == {2}


def test_a_clip_gives_no_more_than_its_cap_and_the_others_take_over():
    verdicts, frames = tables(clips=2, frames=20)
    short = to_arrow(FRAMES, [frame("train/short", n, "train") for n in range(4)])
    params = {"base__count": 90, "valid__count": 2, "test__count": 2}
    plan = plan_rows(verdicts, pa.concat_tables([frames, short]), plan_params(clip_cap=31, **params))
    clips = Counter(row["clip"] for row in rows_of(plan, "base"))
    assert sum(clips.values()) == 90 and max(clips.values()) == 31 and len(clips) == 3
    assert counts_of(plan)["base"]["most_of_a_clip"] == 31
    with pytest.raises(ValueError, match=r"set 'base' has 90 composites of 3 clips.*clip_cap allows; raise it to 30"):
        plan_rows(verdicts, pa.concat_tables([frames, short]), plan_params(clip_cap=29, **params))


def test_a_cap_counts_all_strengths_of_a_pair():
    capped = plan_params(clip_cap=6, base__count=18, refine__count=5, valid__count=2, test__count=6)
    rows = rows_of(plan_rows(*tables(), capped), "test")
    assert set(Counter(row["clip"] for row in rows).values()) == {6}
    with pytest.raises(ValueError, match=r"set 'test' has 21 composites of 3 clips.*raise it to 9"):
        plan_rows(*tables(), plan_params(clip_cap=6, base__count=18, refine__count=5, valid__count=2, test__count=7))


def test_nobody_is_there_now_and_then_but_not_in_valid_and_test():
    rows = plan_rows(
        *tables(), plan_params(base__count=300, look__empty=0.3, train__shadow=1.0, train__lone_shadow=0.0)
    ).to_pylist()
    empty = [row for row in rows if row["empty"]]
    assert 60 <= sum(row["set"] == "base" for row in empty) <= 120
    assert {row["set"] for row in empty} <= {"base", "refine"}
    assert all((row["shadow_strength"] == 0) == row["empty"] for row in rows if row["split"] == "train")


def test_drawn_numbers_fill_their_ranges():
    params = plan_params(base__count=2000, train__video_probability=0.0)
    base = plan_rows(*tables(), params).to_pandas().query("set == 'base'")
    ranges = {name: getattr(params.look, name) for name in ("fgr_exposure", "fgr_warmth", "bgr_contrast")}
    ranges |= {
        "fgr_rotate": params.look.rotate,
        "gain": params.train.gain,
        "gain_blue": params.train.white_balance,
        "gamma": params.train.gamma,
    }
    ranges |= {"shift_scale": params.train.scale, "src_noise": params.train.noise, "bgr_quality": params.train.quality}
    for name, (low, high) in ranges.items():
        column, span = base[name].astype(float), high - low
        assert low - 1e-6 <= column.min() < low + 0.02 * span and high - 0.02 * span < column.max() <= high + 1e-6, name
        assert column.mean() == pytest.approx((low + high) / 2, abs=0.03 * span), name
    shift = (base["shift_x"] ** 2 + base["shift_y"] ** 2) ** 0.5 * 512 / 96
    assert shift.max() <= 5.0001 and shift.mean() == pytest.approx(2.5, abs=0.15)
    assert abs(base["shift_x"].mean()) < 0.1
    assert (base["shadow_strength"] > 0).mean() == pytest.approx(0.4, abs=0.04)
    assert (base["blur"] > 0).mean() == pytest.approx(0.1, abs=0.03)
    assert base["fgr_flip"].mean() == pytest.approx(0.5, abs=0.04)
    numbers = base[[*ranges, "shift_x", "shift_y", "fgr_x", "crop_x", "bgr_noise", "gain_red"]].astype(float)
    assert (numbers.corr().abs() - np.eye(numbers.shape[1])).to_numpy().max() < 0.15


def test_two_stand_beside_each_other_now_and_then():
    params = plan_params(base__count=600, look__second=0.5, base__scale=[0.4, 0.5])
    rows = rows_of(plan_rows(*tables(clips=4), params), "base")
    both = [row for row in rows if row["second_frame_id"] is not None]
    assert 0.3 < len(both) / len(rows) < 0.45  # the turn of another clip comes three times of four
    assert not any(row["empty"] or row["clip"] == row["second_clip"] for row in both)
    assert all((row["fgr_x"] < 48) != (row["second_x"] < 48) for row in both)
    assert all(0.84 < row["second_scale"] / row["fgr_scale"] < 1.11 for row in both)
    assert {row["second_x"] for row in rows if row["second_clip"] is None} == {None}
    assert len(Counter(row["second_frame_id"] for row in both)) == 20
    alone = plan_rows(*tables(clips=4), plan_params(base__count=600, look__second=0.0, base__scale=[0.4, 0.5]))
    shared = [name for name in PLAN.columns if not name.startswith("second")]
    assert rows_of(alone.select(shared), "base") == [{name: row[name] for name in shared} for row in rows]


def test_a_whole_figure_never_stands_beside_one_cut_off():
    verdicts, frames = tables(clips=4)
    rows = [row | {"touches": "b" if row["clip"][-1] in "01" else ""} for row in frames.to_pylist()]
    plan = plan_rows(verdicts, to_arrow(FRAMES, rows), plan_params(base__count=300, look__second=1.0))
    pairs = {(row["clip"][-1], row["second_clip"][-1]) for row in rows_of(plan, "base") if row["second_clip"]}
    assert pairs == {("0", "1"), ("1", "0"), ("2", "3"), ("3", "2")}


def with_objects(clips=2, **changes):
    verdicts, frames = tables(clips=4)
    rows = [
        frame(f"{split}/thing{c}", n, split, person=False, **changes)
        for split in SPLITS
        for c in range(clips)
        for n in range(3)
    ]
    return verdicts, pa.concat_tables([frames, to_arrow(FRAMES, rows)])


def test_objects_stand_in_for_people_now_and_then_but_not_in_valid_and_test():
    params = plan_params(base__count=600, look__object=0.2, look__second=0.3)
    plan = plan_rows(*with_objects(box_w=80, box_h=40), params)
    rows = plan.to_pylist()
    assert all(row["object"] == ("thing" in row["clip"]) for row in rows)
    assert {row["set"] for row in rows if row["object"]} <= {"base", "refine"}
    uses = Counter(row["frame_id"] for row in rows_of(plan, "base") if row["object"])
    assert 90 <= sum(uses.values()) <= 150
    assert len(uses) == 6 and max(uses.values()) - min(uses.values()) <= 1
    beside = [row for row in rows if row["object"] and row["second_clip"]]
    assert beside and not any("thing" in (row["second_clip"] or "") for row in rows)
    assert {row["split"] for row in rows if row["object"]} == {"train"}
    assert {(row["box_w"], row["box_h"]) for row in rows if row["object"]} == {(80, 40)}


def test_without_objects_to_draw_every_other_number_stays():
    params = plan_params(base__count=200, look__second=0.3)
    people = plan_rows(*tables(clips=4), params)
    assert plan_rows(*with_objects(), params).equals(people)
    likely = plan_params(base__count=200, look__second=0.3, look__object=0.5)
    assert plan_rows(*tables(clips=4), likely).equals(people)
    # Larger than any place in the picture allows: no frame fits.
    assert plan_rows(*with_objects(touches="lr", box_w=20), likely).equals(people)


def test_an_object_changes_its_own_rows_alone():
    few, some = (
        plan_rows(*with_objects(), plan_params(base__count=200, look__second=0.0, look__object=probability)).to_pylist()
        for probability in (0.0, 0.3)
    )
    changed = [one != other for one, other in zip(few, some, strict=True)]
    assert changed == [row["object"] for row in some] and 40 < sum(changed) < 90
    own = {"frame_id", "clip", "frame", "object"}  # alone, and in a box like a person's, it stands where one would
    for one, other in zip(few, some, strict=True):
        assert {name for name in one if one[name] != other[name]} <= own


def test_a_plan_counts_the_objects_that_are_seen():
    plan = plan_rows(*with_objects(), plan_params(base__count=300, look__object=0.5, look__empty=0.4))
    base = rows_of(plan, "base")
    seen = sum(row["object"] and not row["empty"] for row in base)
    assert counts_of(plan)["base"]["with_object"] == seen < sum(row["object"] for row in base)
    assert counts_of(plan)["test"]["with_object"] == 0


def test_clips_of_objects_keep_the_cap_too():
    plan = plan_rows(*with_objects(), plan_params(clip_cap=60, base__count=200, look__object=0.9))
    clips = Counter(row["clip"] for row in rows_of(plan, "base"))
    assert clips["train/thing0"] == clips["train/thing1"] == 60 and max(clips.values()) == 60


def test_a_split_with_objects_alone_has_no_matte():
    verdicts, frames = with_objects()
    rows = [row | {"person": False} if row["split"] == "valid" else row for row in frames.to_pylist()]
    with pytest.raises(ValueError, match=r"set 'valid' has no matte: 0 usable frames of people"):
        plan_rows(verdicts, to_arrow(FRAMES, rows), plan_params(look__object=1.0))


def test_crops_lie_inside_the_image_and_are_not_enlarged_too_far():
    verdicts, frames = tables(width=211, height=173)
    plan = plan_rows(verdicts, frames, plan_params(base__count=200, refine__count=200))
    for row in plan.to_pylist():
        x, y, w, h = crop_with_margin(row)
        assert x >= 0 and y >= 0 and x + w <= 211 and y + h <= 173
        assert row["width"] / row["crop_w"] <= 1.26
        assert row["crop_w"] / row["crop_h"] == pytest.approx(row["width"] / row["height"], rel=0.02)


@pytest.mark.parametrize("canvas", [96, 128, 240])
def test_no_layer_is_enlarged_over_a_quarter(canvas):
    """Whatever is drawn: subjects of any size and cut, photographs hardly large enough, the largest scales."""
    verdicts, frames = tables(width=300, height=260)
    rows = frames.to_pylist()
    for number, row in enumerate(rows):
        row |= {
            "box_w": 20 + 7 * number % 100,
            "box_h": 30 + 11 * number % 120,
            "touches": ("", "b", "lb", "t")[number % 4],
        }
    sizes = {f"{name}__{side}": canvas for name in ("base", "refine", "valid", "test") for side in ("width", "height")}
    params = plan_params(
        base__count=3000, base__scale=[0.3, 3.0], refine__count=500, look__bgr_zoom=[1.0, 4.0], **sizes
    )
    plan = plan_rows(verdicts, to_arrow(FRAMES, rows), params).to_pandas()
    assert plan["fgr_scale"].max() <= 1.25 + 1e-6
    assert plan["fgr_scale"].max() > 1.2 and plan["crop_w"].min() < canvas / 1.2  # the bound is reached
    for side, length in (("crop_w", "width"), ("crop_h", "height")):
        assert (plan[length] / plan[side]).max() <= 1.26  # whole pixels
    assert (plan["shift_scale"] * plan["breathing"]).between(0.98, 1.02).all()


def test_small_images_serve_the_base_set_only():
    verdicts, frames = tables(width=90, height=70)
    with pytest.raises(ValueError, match=r"set 'refine' has no background: 7 kept images.*128x96.*lower plan.refine"):
        plan_rows(verdicts, frames, plan_params())


def test_refine_takes_only_backgrounds_that_curation_found_large_enough():
    verdicts, frames = tables(refine_ok=False)
    with pytest.raises(ValueError, match="set 'refine' has no background"):
        plan_rows(verdicts, frames, plan_params())


@pytest.mark.parametrize("split", ["valid", "test"])
def test_an_empty_split_is_named_with_the_next_step(split):
    verdicts, frames = tables()
    here = [row for row in verdicts.to_pylist() if row["split"] != split]
    with pytest.raises(ValueError, match=f"set '{split}' has no background: 0 kept images in split '{split}'.*curate"):
        plan_rows(to_arrow(VERDICTS, here), frames, plan_params())
    there = [row for row in frames.to_pylist() if row["split"] != split]
    with pytest.raises(
        ValueError, match=f"set '{split}' has no matte: 0 usable frames of people in split '{split}'.*mattes"
    ):
        plan_rows(verdicts, to_arrow(FRAMES, there), plan_params())


def test_mattes_that_cannot_fill_the_picture_are_refused_by_name():
    verdicts, frames = tables()
    wide = [row | {"touches": "lr"} for row in frames.to_pylist()]
    with pytest.raises(ValueError, match="none of which fills 96x64"):
        plan_rows(verdicts, to_arrow(FRAMES, wide), plan_params())


@pytest.mark.parametrize(
    "change",
    [
        {"base__width": 97},
        {"base__count": 0},
        {"train__gain": [0.3, -0.3]},
        {"train__shadow": 1.5},
        {"look__object": 1.5},
        {"look__bgr_zoom": [0.5, 1.0]},
        {"train__quality": [0, 98]},
    ],
)
def test_impossible_parameters_are_refused(change):
    with pytest.raises(ValidationError):
        plan_params(**change)
