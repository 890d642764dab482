import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compositing.plan.placement import MAX_ENLARGE, Subjects, fits, needed_scale, place, subject_matrix
from tests.compositing import scalar_placement as scalar

WIDTH, HEIGHT = 448, 320
touches = st.sets(st.sampled_from("ltrb")).map(lambda letters: "".join(c for c in "ltrb" if c in letters))
sizes = st.integers(30, 2000).map(float)
share = st.floats(0, 1)
subject = st.tuples(sizes, sizes, touches, st.floats(0.2, 1.5), st.floats(-5, 5), st.floats(-5, 5), share, share)


def subjects_of(boxes) -> Subjects:
    edges = ([letter in cut for _, _, cut in boxes] for letter in "ltrb")
    return Subjects(*(np.array([box[side] for box in boxes]) for side in (0, 1)), *map(np.array, edges))


def columns(values):
    return [np.array(column, dtype=float) for column in zip(*values, strict=True)]


@given(st.lists(subject, min_size=1, max_size=8))
def test_columns_place_each_subject_as_plain_numbers_do(drawn):
    subjects = subjects_of([row[:3] for row in drawn])
    ones = [scalar.Subject(*row[:3]) for row in drawn]
    fitting = fits(subjects, WIDTH, HEIGHT)
    assert fitting.tolist() == [scalar.needed_scale(one, WIDTH, HEIGHT) <= MAX_ENLARGE for one in ones]
    if not fitting.all():
        with pytest.raises(ValueError, match=r"enlarged .*x to fill 448x320"):
            place(subjects, WIDTH, HEIGHT, *columns(row[3:] for row in drawn))
    kept = np.flatnonzero(fitting)
    if len(kept):
        rows = [drawn[i] for i in kept]
        placed = place(subjects.take(kept), WIDTH, HEIGHT, *columns(row[3:] for row in rows))
        expected = [scalar.place(ones[i], WIDTH, HEIGHT, *row[3:]) for i, row in zip(kept, rows, strict=True)]
        assert np.allclose(np.stack(placed, axis=1), expected, rtol=1e-9, atol=1e-7)


@given(subject)
def test_cut_edges_stay_outside_and_nothing_is_enlarged_too_far(drawn):
    w, h, cut, *rest = drawn
    subjects = subjects_of([(w, h, cut)])
    if not fits(subjects, WIDTH, HEIGHT)[0]:
        return
    placed = place(subjects, WIDTH, HEIGHT, *columns([rest]))
    assert placed.scale[0] <= MAX_ENLARGE
    matrix = subject_matrix(placed.scale[0], placed.rotate[0], placed.shear[0])
    ends = {"lt": (-w / 2, -h / 2), "rt": (w / 2, -h / 2), "lb": (-w / 2, h / 2), "rb": (w / 2, h / 2)}
    at = {name: matrix @ np.array(end) + [placed.x[0], placed.y[0]] for name, end in ends.items()}
    outside = {
        "l": all(at[name][0] <= -1.99 for name in ("lt", "lb")),
        "r": all(at[name][0] >= WIDTH + 1.99 for name in ("rt", "rb")),
        "t": all(at[name][1] <= -1.99 for name in ("lt", "rt")),
        "b": all(at[name][1] >= HEIGHT + 1.99 for name in ("lb", "rb")),
    }
    assert all(outside[letter] for letter in cut), (cut, at)


def test_whole_figures_stand_low_and_keep_their_head():
    generator = np.random.default_rng(3)
    n = 500
    subjects = subjects_of([(100.0, 400.0, "")] * n)
    shares = generator.uniform(0.2, 1.4, n)
    placed = place(subjects, 400, 400, shares, np.zeros(n), np.zeros(n), generator.random(n), generator.random(n))
    head, foot = placed.y - placed.scale * 200, placed.y + placed.scale * 200
    assert foot.min() >= 0.82 * 400 - 1e-6
    assert head.min() >= -0.06 * 400
    assert placed.x.min() >= 0.2 * 400 and placed.x.max() <= 0.8 * 400


def test_a_subject_as_tall_as_the_frame_fills_the_picture():
    upright = np.zeros(1)
    assert needed_scale(subjects_of([(100.0, 100.0, "tb")]), 500, 96, upright, upright) == pytest.approx(1.0)
    assert not fits(subjects_of([(100.0, 100.0, "lr")]), 500, 96)[0]


def test_turning_is_counter_clockwise_as_seen():
    right = subject_matrix(1.0, 90.0, 0.0) @ np.array([1.0, 0.0])
    assert right == pytest.approx([0.0, -1.0])  # y points down: up in the picture


def test_mirroring_comes_first_and_swaps_the_cut_sides():
    mirrored = subjects_of([(1.0, 1.0, "lb"), (1.0, 1.0, "lb")]).mirrored(np.array([True, False]))
    assert (mirrored.left.tolist(), mirrored.right.tolist()) == ([False, True], [True, False])
    assert mirrored.bottom.all()
    matrix = subject_matrix(2.0, 0.0, 45.0, flip=True)
    assert matrix @ np.array([1.0, 0.0]) == pytest.approx([-2.0, 0.0])
    assert matrix @ np.array([0.0, 1.0]) == pytest.approx([2.0 * math.tan(math.pi / 4), 2.0])
