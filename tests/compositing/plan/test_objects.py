from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from compositing.plan import objects
from compositing.plan.draws import Draws
from compositing.plan.objects import Objects


def clips(*counts: int) -> pa.ChunkedArray:
    return pa.chunked_array([[f"train/{i:04d}" for i, count in enumerate(counts) for _ in range(count)]], pa.string())


def whole(made: Objects, count: int):
    there, items = made.at(np.arange(count))
    return there, dict(zip(np.flatnonzero(there).tolist(), items.tolist(), strict=True))


def test_things_come_as_often_as_asked_and_each_frame_alike():
    there, items = whole(Objects(clips(3, 7), 0.2, 1, "base"), 5000)
    assert there.mean() == pytest.approx(0.2, abs=0.02)
    uses = Counter(items.values())
    assert len(uses) == 10 and max(uses.values()) - min(uses.values()) <= 1
    assert whole(Objects(clips(3, 7), 1.0, 1, "base"), 40)[0].all()


def test_any_pieces_in_any_order_give_what_the_whole_does(monkeypatch):
    monkeypatch.setattr(objects, "ROW_GROUP", 16)
    _, expected = whole(Objects(clips(4, 2), 0.3, 9, "base"), 400)
    made, found = Objects(clips(4, 2), 0.3, 9, "base"), {}
    for first in (0, 100, 350, 200, 20, 300):  # also back again
        pairs = np.arange(first, min(first + 100, 400))[:: 1 + first % 3]
        there, items = made.at(pairs)
        found |= dict(zip(pairs[there].tolist(), items.tolist(), strict=True))
    assert len(found) > 60
    assert found.items() <= expected.items()


def test_people_take_over_where_every_clip_has_given_its_cap():
    there, items = whole(Objects(clips(5, 2), 0.5, 1, "base", cap=6), 200)
    chance = Draws(1, "base", np.arange(200)).chance("object", 0.5)
    assert there.sum() == 12 < chance.sum()
    assert np.array_equal(np.flatnonzero(there), np.flatnonzero(chance)[:12])
    assert Counter(item < 5 for item in items.values()) == {True: 6, False: 6}
    late, none = Objects(clips(5, 2), 0.5, 1, "base", cap=6).at(np.arange(150, 200))
    assert not late.any() and not len(none)


@pytest.mark.parametrize(("counts", "probability"), [((), 0.5), ((3,), 0.0)])
def test_without_clips_or_at_probability_0_nothing_is_a_thing(counts, probability):
    assert not whole(Objects(clips(*counts), probability, 1, "base"), 300)[0].any()
    assert not len(Objects(clips(3), 1.0, 1, "base").at(np.arange(0))[0])
