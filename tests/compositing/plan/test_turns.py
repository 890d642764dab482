from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from compositing.plan.turns import Turns

SIZES = {"a": 2, "b": 10, "c": 30}
GROUPS = [name for name, size in SIZES.items() for _ in range(size)]


def turns(**changes) -> Turns:
    return Turns(pa.chunked_array([GROUPS]), 1, "base", "frames", **changes)


def test_each_turn_holds_every_item_once_in_an_order_of_its_own():
    items = turns().at(np.arange(42 * 5)).reshape(5, 42)
    assert (np.sort(items, axis=1) == np.arange(42)).all()
    assert len({tuple(turn) for turn in items.tolist()}) == 5


def test_any_prefix_holds_the_groups_in_proportion():
    items = turns().at(np.arange(42))
    for end in range(1, 43):
        found = Counter(GROUPS[item] for item in items[:end])
        assert all(abs(found[name] - end * size / 42) <= 1 for name, size in SIZES.items())


def test_any_pieces_give_the_same_items():
    whole = turns(cap=50).at(np.arange(130))
    one = turns(cap=50)
    assert np.array_equal(np.concatenate([one.at(np.arange(a, b)) for a, b in ((0, 1), (1, 97), (97, 130))]), whole)
    assert np.array_equal(turns(cap=50).at(np.array([5, 5, 90])), whole[[5, 5, 90]])
    assert not len(one.at(np.arange(0)))


def test_a_capped_group_drops_out_and_the_others_take_over():
    items = turns(cap=50).at(np.arange(150))
    assert Counter(GROUPS[item] for item in items) == {"a": 50, "b": 50, "c": 50}
    used = np.bincount(items)
    assert set(used[12:]) == {1, 2}  # c has given 50 of its 30 items twice: as evenly as can be
    assert set(used[2:12]) == {5} and set(used[:2]) == {25}
    # Nothing changes for those below their cap, and the order is that of the uncapped list as long as none is met.
    assert np.array_equal(items[:42], turns().at(np.arange(42)))
    with pytest.raises(IndexError, match="place 150 of 150"):
        turns(cap=50).at(np.array([150]))


def test_null_is_a_group_too():
    assert sorted(Turns(pa.chunked_array([["x", None, None]]), 1, "s").at(np.arange(3)).tolist()) == [0, 1, 2]
