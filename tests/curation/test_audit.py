"""The audit: intervals against known values, proposals that keep their word, labels read as people write them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.audit import (
    Label,
    Labels,
    Looked,
    at,
    curve,
    draw,
    match,
    near,
    propose,
    rate,
    read_labels,
    upper_bound,
)


def looked(people: list[float], scenes: list[float]) -> Looked:
    scores = np.array(people + scenes)
    person = np.array([True] * len(people) + [False] * len(scenes))
    return Looked([str(i) for i in range(len(scores))], scores, person, np.full(len(scores), True), [])


def test_intervals_are_those_of_clopper_and_pearson() -> None:
    assert rate(61, 62)[2:] == pytest.approx((0.9839, 0.9134, 0.99959), abs=1e-4)
    assert rate(0, 100).high == pytest.approx(0.0362, abs=1e-4)  # the rule of three, nearly
    assert upper_bound(0, 598) < 0.005 < upper_bound(0, 597)
    assert (rate(5, 5).high, rate(0, 5).low) == (1, 0)
    assert str(rate(0, 0)) == "none labelled"
    assert str(rate(61, 62)) == "98.4 % (91.3 to 100.0), 61 of 62"


@given(st.integers(0, 60), st.integers(1, 60))
def test_an_interval_holds_its_share(hits: int, more: int) -> None:
    found = rate(hits, hits + more)
    assert found.low <= found.share <= found.high


def test_a_point_counts_each_kind() -> None:
    point = at(looked([0.9, 0.5, 0.1], [0.6, 0.2, 0.0, 0.0]), 0.5)
    assert (point.recall.hits, point.recall.total) == (2, 3)
    assert (point.false_alarms.hits, point.false_alarms.total) == (1, 4)
    assert (point.residual.hits, point.residual.total) == (1, 4)


def test_the_proposal_meets_the_residual_with_the_fewest_false_alarms() -> None:
    seen = looked([0.3] + [0.9] * 100, [0.0] * 900 + [0.2] * 50 + [0.4] * 20)
    points = curve(seen, 1e-6)
    found = propose(points, 0.005)
    assert found.point is not None
    assert found.point.threshold == pytest.approx(0.9)  # one person in 971 kept images: below 0.5 %, 95 % sure
    assert found.point.residual_bound <= 0.005
    strict = propose(points, 0.0035)
    assert strict.point is not None and strict.point.threshold == pytest.approx(0.3)
    assert strict.point.residual.hits == 0


def test_too_few_labels_say_how_many_are_missing() -> None:
    found = propose(curve(looked([0.9] * 5, [0.0] * 100), 1e-6), 0.005)
    assert found.point is None
    assert found.more == 598 - 100
    assert found.draws == 523, "105 labelled images held 100 kept ones"
    assert not found.hopeless
    with pytest.raises(ValueError, match="residual 0"):
        propose([], 0.0)


def test_labels_are_read_as_people_write_them(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("file,person,tags\na.jpg,1,far,small\nb.jpg,no\nc.jpg,\n", encoding="utf-8")
    assert read_labels(path) == Labels({"a.jpg": Label(True, "random"), "b.jpg": Label(False, "random")}, 1)
    path.write_text("file,person,why\na.jpg,1,near\nb.jpg,,random\nc.jpg,,near\nd.jpg,0,random\n", encoding="utf-8")
    assert read_labels(path) == Labels({"a.jpg": Label(True, "near"), "d.jpg": Label(False, "random")}, 1)
    path.write_text("file,person,why\na.jpg,1,\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2: why ''; expected random"):
        read_labels(path)
    path.write_text("file,person\na.jpg,1\na.jpg,0\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"line 3: another label for a\.jpg"):
        read_labels(path)
    path.write_text("file,person\na.jpg,maybe\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2: person 'maybe'"):
        read_labels(path)
    path.write_text("name,person\n", encoding="utf-8")
    with pytest.raises(ValueError, match="expected person and one of locator"):
        read_labels(path)
    path.write_text("file,person\na.jpg,\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no row has a value"):
        read_labels(path)


def test_labels_find_their_images_and_say_which_do_not() -> None:
    scores = {"x/a.jpg": 0.9, "x/b.jpg": 0.1, "y/b.jpg": 0.2, "c.jpg": None}
    nobody, somebody = Label(False, "random"), Label(True, "random")
    found = match({"a.jpg": somebody, "b.jpg": nobody, "y/b.jpg": nobody, "c.jpg": nobody}, scores)
    assert found.locators == ["x/a.jpg", "y/b.jpg"]
    assert found.unknown == ["b.jpg", "c.jpg"]  # two of that name; never looked at
    with pytest.raises(ValueError, match="none of the 1 labelled"):
        match({"z.jpg": somebody}, scores)
    with pytest.raises(ValueError, match="none of the 1 labelled images was drawn at random"):
        match({"a.jpg": Label(True, "near")}, scores)


def test_images_picked_near_the_threshold_move_no_share() -> None:
    rng = np.random.default_rng(3)
    scores = {f"{i:04d}.jpg": float(score) for i, score in enumerate(rng.uniform(0, 1, 2000))}
    there = {locator: score + rng.normal(0, 0.1) > 0.5 for locator, score in scores.items()}
    rows = draw(scores, 0.5, 400, 1)
    labels = {locator: Label(there[locator], why) for locator, _, why in rows}
    point = at(match(labels, scores), 0.5)
    drawn = [locator for locator, _, why in rows if why == "random"]
    assert point.recall.total + point.false_alarms.total == len(drawn) == 200
    people = [locator for locator in drawn if there[locator]]
    assert (point.recall.hits, point.recall.total) == (sum(scores[i] >= 0.5 for i in people), len(people))
    everything = {locator: Label(person, "random") for locator, (person, _) in labels.items()}
    assert at(match(everything, scores), 0.5).recall.share < point.recall.share - 0.1, "the bias that is kept out"
    assert near(match(labels, scores), 0.45, 0.55).total > 180


def test_a_lucky_threshold_above_a_failed_one_is_not_taken() -> None:
    seen = looked([0.2] * 9 + [0.9] * 5, [0.0] * 700 + [0.5] * 3000)
    points = curve(seen, 1e-6)
    found = propose(points, 0.005)
    assert points[-1].residual_bound <= 0.005 < points[2].residual_bound
    assert found.point is not None and found.point.threshold == pytest.approx(0.2)
    hopeless = propose(curve(looked([0.0] * 30, [0.0] * 300), 1e-6), 0.005)
    assert hopeless.point is None and hopeless.hopeless


def test_the_word_is_kept_as_often_as_promised() -> None:
    """Proposals over many draws from a world whose residual is known: at most 5 % of them break it."""
    rng = np.random.default_rng(11)
    scores = np.where(rng.random(200_000) < 0.9, 0, rng.integers(1, 16, 200_000) / 15)
    person = rng.random(200_000) < 0.002 + 0.3 * scores
    broken = made = 0
    for _ in range(120):
        mine = rng.choice(200_000, 3000, replace=False)
        found = propose(curve(Looked([], scores[mine], person[mine], np.full(3000, True), []), 1e-6), 0.01)
        if found.point is not None:
            made += 1
            broken += bool(person[scores < found.point.threshold].mean() > 0.01)
    assert made > 60
    assert broken <= 12, "5 % of 120 is 6; 12 or more would come about once in 100 suites of a kept promise"


def test_the_sample_is_half_random_half_near_the_threshold() -> None:
    scores: dict[str, float | None] = {f"{i:04d}.jpg": i / 1000 for i in range(1000)}
    scores["broken.jpg"] = None
    rows = draw(scores, 0.4, 80, 1)
    near = [score for _, score, why in rows if why == "near"]
    assert len(rows) == 80 and len(near) == 40
    assert max(abs(score - 0.4) for score in near) < 0.03
    assert sum(score >= 0.4 for score in near) == 20
    assert rows == draw(scores, 0.4, 80, 1) != draw(scores, 0.4, 80, 2)
    assert len(draw({"a": 0.1}, 0.4, 80, 1)) == 1
