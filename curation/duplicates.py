"""Near-duplicates by perceptual hash, without comparing all pairs."""

from collections.abc import Iterator
from itertools import combinations
from math import comb
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

BITS = 64
BATCH = 1 << 21
"""Candidate pairs compared at a time: bounds the memory, about 100 MB."""
MOST_AGREEING = 5

Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]
Ids = npt.NDArray[np.integer[Any]]
Mask = npt.NDArray[np.bool_]


class Pairs(NamedTuple):
    """Pairs of near-duplicates, each once, ``first < second``."""

    first: Indices
    second: Indices


def near_pairs(hashes: Hashes, distance: int) -> Pairs:
    """Find all pairs of *distinct* 64-bit hashes (N,) that differ in at most ``distance`` bits.

    Cut into ``distance + k`` bands, two such hashes agree in at least k of them (the pigeonhole of multi-index hashing,
    Norouzi et al. 2012, with several bands at once): for each choice of k bands the hashes are sorted by these, and
    only those that agree in all k are compared. For 1.8 million hashes and 6 bits: 84 times 21 bits, one pair in
    25,000. Sorted by first, then second. Raises ValueError outside 0 to 15.
    """
    if not 0 <= distance <= 15:
        raise ValueError(f"duplicate distance {distance}: expected 0 to 15 of 64 bits")
    agreeing = _agreeing(len(hashes), distance)
    count = distance + agreeing
    bands, masks = _bands(hashes, count), [_mask(band, count) for band in range(count)]
    found = [np.zeros((0, 2), np.int64)]
    for chosen in combinations(range(count), agreeing):
        for first, second in _candidates(bands, chosen, -(-BITS // count)):
            differing = hashes[first] ^ hashes[second]
            near = np.bitwise_count(differing) <= distance
            # A pair that also agrees in an earlier band was found with that one.
            for band in set(range(chosen[-1])) - set(chosen):
                near &= (differing & masks[band]) != 0
            if near.any():
                found.append(np.stack([first[near], second[near]], axis=1))
    pairs = np.concatenate(found)
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    return Pairs(pairs[:, 0], pairs[:, 1])


def _agreeing(count: int, distance: int) -> int:
    """How many bands at once make the least work, for hashes that are spread evenly."""

    def work(agreeing: int) -> float:
        compared = count**2 / 2 ** (BITS * agreeing / (distance + agreeing)) / 2
        return comb(distance + agreeing, agreeing) * (2000 + 3 * count + compared)

    return min(range(1, MOST_AGREEING + 1), key=work)


def _mask(band: int, count: int) -> np.uint64:
    """Every ``count``-th bit from bit ``band``: neighbouring bits go together, so each band gets of all."""
    return np.uint64(sum(1 << bit for bit in range(band, BITS, count)))


def _bands(hashes: Hashes, count: int) -> list[npt.NDArray[np.uint64]]:
    """The bits of each band, packed (N,)."""
    packed = []
    for band in range(count):
        values = np.zeros(len(hashes), np.uint64)
        for place, bit in enumerate(range(band, BITS, count)):
            values |= ((hashes >> np.uint64(bit)) & np.uint64(1)) << np.uint64(place)
        packed.append(values)
    return packed


def _candidates(
    bands: list[npt.NDArray[np.uint64]], chosen: tuple[int, ...], width: int
) -> Iterator[tuple[Indices, Indices]]:
    """Pairs, first < second, that agree in all ``chosen`` bands of at most ``width`` bits."""
    keys = np.zeros_like(bands[0])
    for band in chosen:
        keys = keys << np.uint64(width) | bands[band]
    low = np.uint64(max(1, len(keys) - 1).bit_length())
    if width * len(chosen) + int(low) <= BITS:
        # Key and place in one number: sorting numbers is several times as fast as sorting places by key.
        both = np.sort(keys << low | np.arange(len(keys), dtype=np.uint64))
        order, keys = (both & ((np.uint64(1) << low) - np.uint64(1))).astype(np.int64), both >> low
    else:
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
    ends = np.append(np.flatnonzero(keys[1:] != keys[:-1]) + 1, len(keys))
    sizes = np.diff(ends, prepend=0)
    # Each is paired with all that follow among its equals.
    follow = np.repeat(ends, sizes) - np.arange(1, len(keys) + 1)
    mine = np.flatnonzero(follow)
    follow = follow[mine]
    total = np.cumsum(follow)
    begin = 0
    while begin < len(mine):
        before = total[begin - 1] if begin else 0
        stop = max(begin + 1, int(np.searchsorted(total, before + BATCH, side="right")))
        repeat = follow[begin:stop]
        left = np.repeat(mine[begin:stop], repeat)
        within = np.arange(len(left)) - np.repeat(total[begin:stop] - repeat - before, repeat)
        # Sorted with their places, so the left one of two equals is the lower.
        yield order[left], order[left + 1 + within]
        begin = stop


def keep_best(count: int, pairs: Pairs) -> Indices:
    """Choose which of ``count`` items to keep, where a lower index is better: (count,), the index kept in its place.

    An item is kept (and stands for itself) unless a kept, better one is its near-duplicate; then the best such stands
    for it. So no two kept items are near-duplicates, and none is dropped for one it is not near to: a chain of
    look-alikes does not collapse into its head, as it would in connected components.
    """
    decided = np.ones(count, bool)
    kept = np.ones(count, bool)
    decided[pairs.second] = False
    first, second = pairs
    while first.size:
        # Who is decided and kept drops its worse neighbours ...
        drops = decided[first] & kept[first]
        lost = second[drops]
        kept[lost] = False
        decided[lost] = True
        # ... and who has no undecided or kept better neighbour left, stays. Each round decides at least the best one.
        open_ = ~drops & ~decided[second] & ~(decided[first] & ~kept[first])
        first, second = first[open_], second[open_]
        waits = np.zeros(count, bool)
        waits[second] = True
        decided |= ~waits
    first, second = pairs
    final = kept[first] & ~kept[second]
    stand = np.where(kept, np.arange(count), count)
    np.minimum.at(stand, second[final], first[final])
    return stand


class Copies(NamedTuple):
    """What was found out about near-duplicates, in rows of a table."""

    best: Indices
    """The row that each row resembles and is worse than (N,), -1 where it is the best or resembles none."""
    spared: Mask
    """Rows a human wants that stay all the same (N,)."""


def choose(
    hashes: Hashes, ids: Ids, splits: npt.NDArray[np.int8], order: Indices, wanted: Mask, distance: int
) -> Copies:
    """Choose among near-duplicates, best first in ``order``: rows of the whole table (N,).

    ``ids``: numbers that tell contents apart. A wanted row gives way only to a kept copy of the same content, and to
    a kept near one of another split.
    """
    ranked = hashes[order]
    # One stands for all with the same hash (thousands of "image not available" would make millions of pairs) ...
    _, heads, members = np.unique(ranked, return_index=True, return_inverse=True)
    by_rank = np.argsort(heads)
    heads = heads[by_rank]
    rank = np.empty_like(by_rank)
    rank[by_rank] = np.arange(len(by_rank))
    # ... and the best of near ones for these.
    stand = keep_best(len(heads), near_pairs(ranked[heads], distance))
    best = heads[stand[rank[members]]]
    stays = best == np.arange(len(order))
    whole = Copies(np.full(len(hashes), -1), np.zeros(len(hashes), bool))
    whole.best[order[~stays]] = order[best[~stays]]
    for place in np.flatnonzero(~stays & wanted[order]):
        near = order[stays & (np.bitwise_count(ranked ^ ranked[place]) <= distance)]
        row = order[place]
        if not np.any((ids[near] == ids[row]) | (splits[near] != splits[row])):
            stays[place] = whole.spared[row] = True
    return whole
