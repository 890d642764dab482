import pytest
from pydantic import ValidationError

from compositing.plan.cases import CASES
from compositing.plan.pairing import plan_rows
from tests.compositing.composite_world import plan_params
from tests.compositing.plan.test_pairing import counts_of, rows_of, tables

NONE = {"look__camouflage_probability": 0.0, "train__wrong_plate": 0.0, "train__lone_shadow": 0.0}


def planned(**changes):
    return plan_rows(*tables(), plan_params(**{"cases__valid": 2, "cases__test": 3} | changes))


def cases_of(plan, name="test"):
    return [row for row in rows_of(plan, name) if row["strength"] == "cases"]


def test_hard_cases_come_after_the_strengths_and_change_none_of_their_rows():
    without, plan = planned(cases__valid=0, cases__test=0), planned()
    for name, pairs in (("valid", 2), ("test", 3)):
        rows = rows_of(plan, name)
        assert rows[: 3 * pairs] == rows_of(without, name)
        assert [row["case"] for row in rows[3 * pairs :]] == list(CASES) * len(rows[3 * pairs :: len(CASES)])
        assert [row["ordinal"] for row in rows] == list(range(len(rows)))
        assert {row["case"] for row in rows[: 3 * pairs]} == {None}
    assert rows_of(plan, "base") == rows_of(without, "base")
    assert len(set(plan["composite_id"].to_pylist())) == len(plan)


def test_a_larger_count_moves_hard_cases_and_changes_nothing_else_of_them():
    here, there = (
        [{name: value for name, value in row.items() if name != "ordinal"} for row in cases_of(planned(**changes))]
        for changes in ({}, {"test__count": 7})
    )
    assert here == there


def test_each_case_is_what_it_says():
    rows = cases_of(planned(cases__test=40))
    for row in rows:
        case = row["case"]
        assert row["empty"] == (case in ("empty", "shadow"))
        if case in ("empty", "shadow"):
            assert (row["shadow_strength"] > 0) == (case == "shadow") and row["contact_strength"] == 0
        assert (row["camouflage"] > 0) == (case == "camouflage")
        assert (row["plate_locator"] is not None) == (case == "wrong_plate")
        assert row["change_w"] > 0 or case != "change"
        low, high = (0.3, 0.8) if case == "empty" else (0.0, 0.25)
        assert low - 1e-6 <= abs(row["gain"]) <= high + 1e-6
        assert row["split"] == "test" and row["locator"].startswith("test")
    signs = {row["gain"] > 0 for row in rows if row["case"] == "empty"}
    assert signs == {True, False}


def test_the_cases_of_a_pair_share_scene_and_subject():
    rows = cases_of(planned())
    for first in range(0, len(rows), len(CASES)):
        pair = rows[first : first + len(CASES)]
        for name in ("locator", "frame_id", "crop_x", "crop_w", "fgr_x", "fgr_scale", "bgr_exposure"):
            assert len({row[name] for row in pair}) == 1, name
    assert len({row["noise_key"] for row in rows}) == len(rows)


def test_hard_cases_happen_in_training_as_often_as_stated_and_change_nothing_else():
    changes = {"base__count": 900, "look__empty": 0.3}
    plain = rows_of(planned(**changes, **NONE), "base")
    often = {"look__camouflage_probability": 0.2, "train__wrong_plate": 0.1, "train__lone_shadow": 0.5}
    mixed = rows_of(planned(**changes, **often), "base")
    own = {"camouflage", "shadow_strength", "licence", "source"}
    for one, other in zip(plain, mixed, strict=True):
        differ = {name for name in one if one[name] != other[name] and not name.startswith("plate_")}
        assert differ <= own
        assert "shadow_strength" not in differ or one["empty"]
        assert ("licence" in differ) == (other["plate_locator"] is not None)
    counts = counts_of(planned(**changes, **often))["base"]
    assert counts["camouflaged"] / 900 == pytest.approx(0.2, abs=0.04)
    assert counts["with_wrong_plate"] / 900 == pytest.approx(0.1, abs=0.03)
    empty = [row for row in mixed if row["empty"]]
    assert sum(row["shadow_strength"] > 0 for row in empty) / len(empty) == pytest.approx(0.5, abs=0.1)
    assert not any(row["shadow_strength"] for row in plain if row["empty"])


def test_a_cap_counts_hard_cases_by_themselves():
    planned(clip_cap=10, base__count=18, refine__count=5, cases__test=6)
    with pytest.raises(ValueError, match=r"set 'test cases' has 35 composites.*raise it to 15, lower plan.cases.test"):
        planned(clip_cap=10, base__count=18, refine__count=5, cases__test=7)


@pytest.mark.parametrize("change", [{"cases__valid": 0}, {"cases__exposure": [0.8, 0.3]}, {"cases__test": -1}])
def test_impossible_cases_are_refused(change):
    with pytest.raises(ValidationError):
        plan_params(**{"cases__valid": 1, "cases__test": 1} | change)
