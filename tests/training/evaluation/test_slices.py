import numpy as np
import pandas as pd
import pytest

from compositing.shards.reader import Sample
from training.evaluation.slices import EDGES, SLICES, colour_distance, slices, worst


def row(ordinal: int, mad: float, method: str = "refine", **values) -> dict:
    plain = {"set": "test", "strength": "mild", "case": None, "scene": "attic", "indoor": True, "clip": "a"}
    plain |= {"coverage": 0.3, "soft": 0.03, "colour_distance": 40.0, "motion": 0.0, "composite_id": str(ordinal)}
    return {**plain, "ordinal": ordinal, "method": method, "mad": mad, "mad_soft": None, **values}


def test_each_sample_is_in_one_bucket_of_each_slice():
    rows = [row(i, 10.0, coverage=0.1 * i, soft=0.02 * i, motion=float(i)) for i in range(8)]
    found = slices(pd.DataFrame(rows), ["refine"])
    assert list(found) == list(SLICES)
    for name in EDGES:
        assert sum(bucket["samples"] for bucket in found[name].values()) == 8
    assert {name: bucket["samples"] for name, bucket in found["coverage"].items()} == {
        "below 10 %": 1,
        "10 to 25 %": 2,
        "25 to 50 %": 2,
        "above 50 %": 3,
    }
    assert found["motion"]["still"]["samples"] == 1
    assert found["indoor"] == {"indoor": {"samples": 8, "clips": 1, "refine": {"mad": 10.0}}}


def test_an_edge_belongs_to_the_bucket_above_and_what_is_unknown_to_none():
    rows = [row(0, 1.0, coverage=0.25), row(1, 2.0, colour_distance=None, scene=None, indoor=None, motion=None)]
    found = slices(pd.DataFrame(rows), ["refine"])
    assert found["coverage"]["25 to 50 %"]["samples"] == 2
    for name in ("colour_distance", "scene", "indoor", "motion"):
        assert sum(bucket["samples"] for bucket in found[name].values()) == 1


def test_hard_cases_are_told_by_case_alone():
    rows = [row(0, 10.0), row(1, 500.0, strength="cases", case="empty", coverage=0.0, colour_distance=None)]
    found = slices(pd.DataFrame(rows), ["refine"])
    assert found["case"] == {"empty": {"samples": 1, "clips": 1, "refine": {"mad": 500.0}}}
    assert "below 10 %" not in found["coverage"] and "cases" not in found["strength"]


def test_the_worst_come_first_and_small_buckets_not_at_all():
    rows = [row(i, 10.0 + i, scene="attic") for i in range(3)]
    rows += [row(3 + i, 90.0, scene="cave", clip=f"c{i}", indoor=False) for i in range(3)]
    rows += [row(9, 999.0, scene="barn", indoor=None, coverage=0.9)]
    rows += [{**each, "method": "base", "mad": 1.0} for each in rows]
    found = worst(slices(pd.DataFrame(rows), ["refine", "base"]), 50.0, "refine")
    # A bucket of one sample, however bad, says nothing.
    assert "barn" not in {each["bucket"] for each in found}
    assert [each["mad"] for each in found] == sorted((each["mad"] for each in found), reverse=True)
    cave = next(each for each in found if each["bucket"] == "cave")
    assert cave == {"slice": "scene", "bucket": "cave", "samples": 3, "clips": 3, "mad": 90.0, "overall": 50.0}


def sample(front: tuple[int, int, int], behind: tuple[int, int, int], known: bool = True) -> Sample:
    pha = np.zeros((120, 160), np.uint8)
    pha[30:90, 40:120] = 255
    fgr, bgr = (np.full((120, 160, 3), colour, np.uint8) for colour in (front, behind))
    src = np.where(pha[..., None] > 0, fgr, bgr)
    return Sample(src, bgr, fgr if known else np.zeros_like(fgr), pha, {"fgr_known": known})


def test_colours_are_compared_where_the_subject_is():
    assert colour_distance(sample((0, 0, 0), (255, 255, 255))) == pytest.approx(100, abs=0.5)
    assert colour_distance(sample((90, 90, 90), (90, 90, 90))) == pytest.approx(0, abs=0.5)
    assert colour_distance(sample((255, 255, 255), (0, 0, 0), known=False)) == pytest.approx(100, abs=0.5)


def test_nobody_has_no_colour():
    empty = sample((0, 0, 0), (9, 9, 9))
    assert colour_distance(empty._replace(pha=np.zeros_like(empty.pha))) is None
