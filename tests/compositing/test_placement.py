import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compositing.placement import MAX_ENLARGE, Subject, fits, needed_scale, place, subject_matrix

sizes = st.integers(30, 2000)
touches = st.sets(st.sampled_from("ltrb")).map(lambda letters: "".join(c for c in "ltrb" if c in letters))


def corners(subject, placed):
    matrix = subject_matrix(placed.scale, placed.rotate, placed.shear)
    w, h = subject.width / 2, subject.height / 2
    found = {
        name: matrix @ np.array(at) + [placed.x, placed.y]
        for name, at in {"lt": (-w, -h), "rt": (w, -h), "lb": (-w, h), "rb": (w, h)}.items()
    }
    return found


@given(sizes, sizes, touches, st.floats(0.3, 1.5), st.floats(-5, 5), st.floats(-5, 5), st.integers(0, 2**32))
def test_cut_edges_stay_outside_and_nothing_is_enlarged_too_far(w, h, cut, share, rotate, shear, seed):
    subject = Subject(w, h, cut)
    width, height = 448, 320
    generator = np.random.default_rng(seed)
    if not fits(subject, width, height):
        with pytest.raises(ValueError, match="enlarged"):
            place(subject, width, height, share, rotate, shear, generator)
        return
    placed = place(subject, width, height, share, rotate, shear, generator)
    assert placed.scale <= MAX_ENLARGE
    at = corners(subject, placed)
    outside = {
        "l": all(at[name][0] <= -1.99 for name in ("lt", "lb")),
        "r": all(at[name][0] >= width + 1.99 for name in ("rt", "rb")),
        "t": all(at[name][1] <= -1.99 for name in ("lt", "rt")),
        "b": all(at[name][1] >= height + 1.99 for name in ("lb", "rb")),
    }
    assert all(outside[letter] for letter in cut), (cut, at)


@given(st.floats(0.2, 1.4), st.integers(0, 2**32))
def test_whole_figures_stand_low_and_keep_their_head(share, seed):
    subject = Subject(100, 400, "")
    placed = place(subject, 400, 400, share, 0.0, 0.0, np.random.default_rng(seed))
    head, foot = placed.y - placed.scale * 200, placed.y + placed.scale * 200
    assert foot >= 0.82 * 400 - 1e-6
    assert head >= -0.06 * 400
    assert 0.2 * 400 <= placed.x <= 0.8 * 400


def test_a_subject_as_tall_as_the_frame_fills_the_picture():
    assert needed_scale(Subject(100, 100, "tb"), 500, 96) == pytest.approx(1.0)
    assert not fits(Subject(100, 100, "lr"), 500, 96)


def test_turning_is_counter_clockwise_as_seen():
    right = subject_matrix(1.0, 90.0, 0.0) @ np.array([1.0, 0.0])
    assert right == pytest.approx([0.0, -1.0])  # y points down: up in the picture


def test_mirroring_comes_first_and_swaps_the_cut_sides():
    assert Subject(1, 1, "lb").mirrored().touches == "rb"
    matrix = subject_matrix(2.0, 0.0, 45.0, flip=True)
    assert matrix @ np.array([1.0, 0.0]) == pytest.approx([-2.0, 0.0])
    assert matrix @ np.array([0.0, 1.0]) == pytest.approx([2.0 * math.tan(math.pi / 4), 2.0])
