"""Near-duplicates by perceptual hash, without comparing all pairs."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

BANDS = 4
BAND_BITS = 16
BATCH = 1 << 22
"""Candidate pairs compared at a time: bounds the memory, about 200 MB."""

Hashes = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]


class Pairs(NamedTuple):
    """Pairs of near-duplicates, each once, ``first < second``."""

    first: Indices
    second: Indices


def near_pairs(hashes: Hashes, distance: int) -> Pairs:
    """Find all pairs of *distinct* 64-bit hashes (N,) that differ in at most ``distance`` bits.

    Multi-index hashing (Norouzi et al. 2012): cut into 4 bands of 16 bits, two hashes at that distance agree in at
    least one band up to ``distance // 4`` bits, so only hashes whose bands lie that near are compared: for 1.8 million
    hashes and 6 bits about one pair in 1,000. Sorted by first, then second. Raises ValueError outside 0 to 15.
    """
    if not 0 <= distance <= 15:
        raise ValueError(f"duplicate distance {distance}: expected 0 to 15 of 64 bits")
    found = [np.zeros((0, 2), np.int64)]
    for band in range(BANDS):
        keys = band_keys(hashes, band)
        order = np.argsort(keys, kind="stable")
        starts = np.searchsorted(keys[order], np.arange((1 << BAND_BITS) + 1))
        for flip in _flips(distance // BANDS):
            for first, second in _candidates(keys, order, starts, flip):
                near = np.bitwise_count(hashes[first] ^ hashes[second]) <= distance
                found.append(np.stack([first[near], second[near]], axis=1))
    pairs = np.unique(np.concatenate(found), axis=0)
    return Pairs(pairs[:, 0], pairs[:, 1])


def band_keys(hashes: Hashes, band: int) -> npt.NDArray[np.uint16]:
    """Every fourth bit from bit ``band``, packed (N,): neighbouring bits go together, so each band gets of all."""
    keys = np.zeros(len(hashes), np.uint16)
    for bit in range(BAND_BITS):
        keys |= ((hashes >> np.uint64(BANDS * bit + band)) & np.uint64(1)).astype(np.uint16) << np.uint16(bit)
    return keys


def _flips(radius: int) -> list[int]:
    """All 16-bit masks of at most ``radius`` bits."""
    return [mask for mask in range(1 << BAND_BITS) if mask.bit_count() <= radius]


def _candidates(
    keys: npt.NDArray[np.uint16], order: Indices, starts: Indices, flip: int
) -> Iterator[tuple[Indices, Indices]]:
    """Pairs, first < second, whose keys differ by exactly ``flip``."""
    wanted = (keys ^ np.uint16(flip)).astype(np.int64)
    # Each pair once: across two buckets from the lower key, within a bucket from the lower place (below).
    mine = np.flatnonzero(wanted > keys) if flip else np.arange(len(keys))
    counts = starts[wanted[mine] + 1] - starts[wanted[mine]]
    mine, counts = mine[counts > 0], counts[counts > 0]
    ends = np.cumsum(counts)
    begin = 0
    while begin < len(mine):
        before = ends[begin - 1] if begin else 0
        stop = max(begin + 1, int(np.searchsorted(ends, before + BATCH, side="right")))
        repeat = counts[begin:stop]
        left = np.repeat(mine[begin:stop], repeat)
        within = np.arange(len(left)) - np.repeat(ends[begin:stop] - repeat - before, repeat)
        right = order[np.repeat(starts[wanted[mine[begin:stop]]], repeat) + within]
        begin = stop
        if flip:
            yield np.minimum(left, right), np.maximum(left, right)
        else:
            once = left < right
            yield left[once], right[once]


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
