import numpy as np
import pandas as pd
import pytest

from curation.identity import rng
from training.evaluation.intervals import LEAST_CLIPS, clip_count, intervals


def rows(clips: int, frames: int, spread: float = 1.0, within: float = 0.0) -> pd.DataFrame:
    """Clips whose errors differ, with frames that are nearly alike; one method is worse by 5 everywhere."""
    generator = rng(1, "intervals", clips)
    level = generator.normal(50, spread, clips)
    found = []
    for clip in range(clips):
        for frame in range(frames):
            mad = level[clip] + within * generator.normal()
            for method, more in (("one", 0.0), ("other", 5.0)):
                key = {"composite_id": f"{clip}-{frame}", "clip": f"clip {clip}", "method": method}
                found.append({**key, "mad": mad + more, "mad_one": None if clip else 1.0})
    return pd.DataFrame(found)


def test_frames_of_few_clips_make_no_interval():
    found = intervals(rows(LEAST_CLIPS - 1, 50), ["one"], ["mad"], "x")
    assert found == {"one": {"mad": None}}
    assert intervals(rows(LEAST_CLIPS, 1), ["one"], ["mad"], "x")["one"]["mad"] is not None


def test_a_measure_that_few_clips_have_makes_none():
    assert intervals(rows(20, 2), ["one"], ["mad_one"], "x")["one"]["mad_one"] is None


def test_the_width_is_that_of_clips_however_many_frames_they_have():
    few, many = (intervals(rows(40, frames), ["one"], ["mad"], "x")["one"]["mad"] for frames in (1, 30))
    assert few == pytest.approx(many, abs=1e-6)
    # The standard error of a mean over 40 clips of spread 1 is 0.158.
    assert few[1] - few[0] == pytest.approx(2 * 1.96 * 0.158, rel=0.25)


def test_about_95_of_100_intervals_hold_the_truth():
    held = 0
    for seed in range(60):
        values = rng(seed, "coverage").normal(50, 1, 30)
        table = pd.DataFrame({"clip": [str(i) for i in range(30)], "composite_id": "x", "method": "one", "mad": values})
        low, high = intervals(table, ["one"], ["mad"], "x")["one"]["mad"]
        held += low <= 50 <= high
    assert held / 60 >= 0.85


def test_methods_share_their_draws_and_the_same_rows_give_the_same_interval():
    found = intervals(rows(15, 3, within=0.5), ["one", "other"], ["mad"], "x")
    assert np.subtract(found["other"]["mad"], found["one"]["mad"]) == pytest.approx([5, 5], abs=1e-3)
    shuffled = rows(15, 3, within=0.5).sample(frac=1, random_state=2).reset_index(drop=True)
    assert intervals(shuffled, ["one", "other"], ["mad"], "x") == found
    assert intervals(rows(15, 3, within=0.5), ["one"], ["mad"], "y")["one"] != found["one"]


def test_samples_of_no_known_clip_count_as_one_each():
    table = rows(12, 1)
    table["clip"] = None
    assert clip_count(table) == 12
    assert intervals(table, ["one"], ["mad"], "x")["one"]["mad"] is not None
