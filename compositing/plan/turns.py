"""Even use: each item once, shuffled, then again in another order, and so on."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curation.identity import rng

Indices = NDArray[np.int64]


class Turns:
    """Which item each place of an endless list holds.

    A turn holds each item once, in an order of its own, so two lists make no fixed partners. Any prefix of a turn holds
    each group in proportion to its size. With a ``cap``, a group gives at most so many places in all: once it has
    given them its items drop out, and the later turns are shorter. The item at a place hangs on the groups, the seed,
    the name and the cap alone; one order is in memory at a time, however long the list.
    """

    def __init__(self, groups: pa.ChunkedArray, seed: int, *name: str, cap: int | None = None) -> None:
        """``groups``: the group of each item (N,), strings or null, N >= 1."""
        _, codes, counts = np.unique(
            np.asarray(groups.fill_null("").to_pylist()), return_inverse=True, return_counts=True
        )
        self._codes: Indices = codes
        self._counts: Indices = counts
        self._seed, self._name, self._cap = seed, name, cap
        self._ends = [int(self._shares(0).sum())]
        self._latest: tuple[int, Indices] = (-1, np.empty(0, np.int64))

    @property
    def places(self) -> int | None:
        """Places in all, or None where there is no end."""
        return None if self._cap is None else len(self._counts) * self._cap

    def at(self, places: Indices) -> Indices:
        """Return the items at ascending places (M,), each from 0. Raises IndexError beyond the last place."""
        if not len(places):
            return places
        last = int(places[-1])
        if self.places is not None and last >= self.places:
            raise IndexError(f"place {last} of {self.places}")
        while self._ends[-1] <= last:
            self._ends.append(self._ends[-1] + int(self._shares(len(self._ends)).sum()))
        turns = np.searchsorted(self._ends, places, side="right")
        items = np.empty_like(places)
        for turn in np.unique(turns).tolist():
            here = turns == turn
            items[here] = self._order(turn)[places[here] - (self._ends[turn - 1] if turn else 0)]
        return items

    def _shares(self, turn: int) -> Indices:
        """How many items of each group a turn holds."""
        if self._cap is None:
            return self._counts
        return np.clip(self._cap - turn * self._counts, 0, self._counts)

    def _order(self, turn: int) -> Indices:
        if self._latest[0] != turn:
            self._latest = (turn, self._shuffled(turn))
        return self._latest[1]

    def _shuffled(self, turn: int) -> Indices:
        generator = rng(self._seed, *self._name, turn)
        shares = self._shares(turn)
        items = np.flatnonzero(shares[self._codes] > 0)
        items = items[generator.permutation(len(items))]
        items = items[np.argsort(self._codes[items], kind="stable")]  # group by group, random inside
        codes = self._codes[items]
        sizes = np.bincount(codes, minlength=len(shares))
        rank = np.arange(len(items)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        start = generator.random(len(shares))
        kept = rank < shares[codes]
        position = (rank[kept] + start[codes[kept]]) / shares[codes[kept]]
        return np.asarray(items[kept][np.argsort(position, kind="stable")])
