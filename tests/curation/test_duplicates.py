import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import curation.duplicates
from curation.duplicates import Pairs, keep_best, near_pairs


def crowd(seed: int, count: int, centres: int) -> np.ndarray:
    """Distinct hashes in clusters of near ones."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, centres, dtype=np.uint64)[rng.integers(0, centres, count)]
    for _ in range(int(rng.integers(1, 7))):
        hashes = hashes ^ (np.uint64(1) << rng.integers(0, 64, count).astype(np.uint64))
    hashes = np.unique(hashes)
    rng.shuffle(hashes)
    return hashes


def all_pairs(hashes: np.ndarray, distance: int) -> np.ndarray:
    near = np.bitwise_count(hashes[:, None] ^ hashes[None]) <= distance
    return np.argwhere(np.triu(near, 1))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 120), st.integers(1, 6), st.integers(0, 11), st.integers(1, 3))
def test_finds_what_comparing_all_pairs_finds(
    seed: int, count: int, centres: int, distance: int, agreeing: int
) -> None:
    hashes = crowd(seed, count, centres)
    want = all_pairs(hashes, distance)
    assert np.array_equal(np.stack(near_pairs(hashes, distance), axis=1), want)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curation.duplicates, "_agreeing", lambda *_: agreeing)
        assert np.array_equal(np.stack(near_pairs(hashes, distance), axis=1), want)


def test_small_batches_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = crowd(3, 300, 2)
    want = np.stack(near_pairs(hashes, 6), axis=1)
    monkeypatch.setattr(curation.duplicates, "BATCH", 7)
    assert len(want) > 100 and np.array_equal(np.stack(near_pairs(hashes, 6), axis=1), want)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 120), st.integers(1, 6), st.integers(0, 11))
def test_keeps_as_one_by_one_would(seed: int, count: int, centres: int, distance: int) -> None:
    hashes = crowd(seed, count, centres)
    stand: list[int] = []
    for item, value in enumerate(hashes):
        near = [k for k in range(item) if stand[k] == k and (int(value) ^ int(hashes[k])).bit_count() <= distance]
        stand.append(near[0] if near else item)
    assert keep_best(len(hashes), near_pairs(hashes, distance)).tolist() == stand


def test_a_chain_does_not_collapse() -> None:
    # 0 is near 1, 1 near 2, 2 near 3: 0 and 2 are no near-duplicates, so both stay.
    links = Pairs(np.array([0, 1, 2]), np.array([1, 2, 3]))
    assert keep_best(4, links).tolist() == [0, 0, 2, 2]


def test_a_distance_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 0 to 15"):
        near_pairs(np.zeros(2, np.uint64), 16)


def test_compares_a_small_part_of_all_pairs() -> None:
    hashes = np.random.default_rng(1).integers(0, 2**64, 20_000, dtype=np.uint64)
    seen = 0
    count = curation.duplicates._candidates

    def counted(*args):
        nonlocal seen
        for first, second in count(*args):
            seen += len(first)
            yield first, second

    patch = pytest.MonkeyPatch()
    patch.setattr(curation.duplicates, "_candidates", counted)
    near_pairs(hashes, 6)
    patch.undo()
    assert 0 < seen < 0.002 * 20_000**2 / 2
