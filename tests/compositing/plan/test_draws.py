import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compositing.plan.draws import Draws
from curation.identity import item_id


def stream(seed, set_name, name, count, block=0):
    key = np.array([seed, int(item_id(set_name, name)[:16], 16)], dtype=np.uint64)
    return np.random.Philox(key=key).advance(block).random_raw(count)


@given(st.lists(st.integers(0, 3000), max_size=30), st.integers(0, 2**63))
def test_a_row_reads_its_column_at_its_ordinal(ordinals, seed):
    drawn = Draws(seed, "base", np.array(ordinals, dtype=np.int64)).bits("gain")
    assert np.array_equal(drawn, stream(seed, "base", "gain", 3001)[ordinals])


def test_far_ordinals_need_no_walk_from_the_start():
    far = 10**15 + 3
    words = stream(5, "base", "gain", 8, far // 4)
    assert np.array_equal(Draws(5, "base", np.array([far, far + 2, 0])).bits("gain")[:2], words[[far % 4, far % 4 + 2]])


def test_any_pieces_give_the_same_numbers():
    whole = Draws(1, "base", np.arange(1000)).uniform("gain", -0.3, 0.3)
    pieces = [Draws(1, "base", np.arange(a, b)).uniform("gain", -0.3, 0.3) for a, b in ((0, 1), (1, 517), (517, 1000))]
    assert np.array_equal(np.concatenate(pieces), whole)
    assert np.array_equal(Draws(1, "base", np.array([7, 900, 7])).uniform("gain", -0.3, 0.3), whole[[7, 900, 7]])


def test_seed_set_and_name_each_change_the_numbers():
    rows = np.arange(200)
    columns = [
        Draws(*key, rows).uniform(name) for *key, name in ((1, "base", "x"), (2, "base", "x"), (1, "valid", "x"))
    ]
    columns.append(Draws(1, "base", rows).uniform("y"))
    assert np.abs(np.corrcoef(columns) - np.eye(4)).max() < 0.3


def test_what_is_drawn_lies_where_it_should():
    draws = Draws(3, "base", np.arange(20_000))
    floats = draws.uniform("a", -2.0, 6.0)
    assert floats.min() >= -2 and floats.max() < 6
    assert floats.mean() == pytest.approx(2, abs=0.1) and floats.std() == pytest.approx(8 / 12**0.5, rel=0.02)
    assert np.array_equal(np.bincount(draws.integers("b", 3, 5))[:3], [0, 0, 0])
    assert np.bincount(draws.integers("b", 3, 5), minlength=7)[3:].tolist()[-1] == 0
    assert np.bincount(draws.integers("b", 3, 5))[3:] / 20_000 == pytest.approx([1 / 3] * 3, abs=0.02)
    assert draws.chance("c", 0.3).mean() == pytest.approx(0.3, abs=0.02)
    assert not draws.chance("c", 0.0).any() and draws.chance("c", 1.0).all()
    assert (draws.uniform("d", 1.0, 1.0) == 1.0).all()


def test_limits_may_differ_by_row():
    high = np.arange(500) % 7
    drawn = Draws(3, "base", np.arange(500)).integers("b", 0, high)
    assert (drawn <= high).all() and drawn.min() == 0 and (drawn == high)[high == 6].any()


def test_no_rows_draw_nothing_and_negative_ordinals_are_refused():
    assert Draws(1, "base", np.array([], dtype=np.int64)).uniform("x").shape == (0,)
    with pytest.raises(ValueError, match="there is -1"):
        Draws(1, "base", np.array([3, -1]))
