"""Random numbers by column: each named draw of a set is a stream of its own, and a row reads it at its ordinal."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curation.identity import item_id

WORDS = 4
"""64-bit words that Philox 4x64 makes of one counter."""
GAP = 256
"""Ordinals closer than this are read in one go: making a generator costs as much as drawing thousands of words."""

Floats = NDArray[np.float64]
Limit = float | NDArray[Any]


class Draws:
    """What chance says about the rows of one set, a column at a time.

    The number of a row hangs on seed, set, the draw's name and the row's ordinal alone: the word at position
    ``ordinal`` of the stream ``Philox(key=(seed, hash of set and name))`` (Philox 4x64-10; Salmon et al. 2011,
    "Parallel random numbers: as easy as 1, 2, 3"). So rows may be drawn in any pieces and any order, and another
    draw more changes none of the others. The same name gives the same numbers: a name belongs to one draw.
    """

    def __init__(self, seed: int, set_name: str, ordinals: NDArray[np.int64]) -> None:
        """``ordinals``: (N,), each >= 0, in any order, repeats allowed. Raises ValueError for negative ones."""
        self._seed, self._set = seed, set_name
        distinct, where = np.unique(np.asarray(ordinals, np.int64), return_inverse=True)
        self._count = len(where)
        # Ascending ordinals, the common case, are in order already.
        self._where = where if (np.diff(where) != 1).any() else slice(None)
        if len(distinct) and distinct[0] < 0:
            raise ValueError(f"set '{set_name}': ordinals count from 0, but there is {distinct[0]}")
        self._runs = np.split(distinct, np.flatnonzero(np.diff(distinct) > GAP) + 1)

    def __len__(self) -> int:
        return self._count

    def bits(self, name: str) -> NDArray[np.uint64]:
        """Return 64 random bits a row, (N,)."""
        key = np.array([self._seed % 2**64, int(item_id(self._set, name)[:16], 16)], dtype=np.uint64)
        return np.asarray(np.concatenate([_words(key, run) for run in self._runs])[self._where])

    def uniform(self, name: str, low: Limit = 0.0, high: Limit = 1.0) -> Floats:
        """Return numbers in [low, high), (N,); the limits are numbers or (N,), and equal ones give themselves."""
        unit = (self.bits(name) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        return np.asarray(low + unit * (np.asarray(high) - low))

    def integers(self, name: str, low: Limit, high: Limit) -> NDArray[np.int64]:
        """Return whole numbers from low to high, both included, (N,); the limits are whole numbers or (N,)."""
        return np.asarray(np.floor(self.uniform(name, low, np.asarray(high) + 1)), dtype=np.int64)

    def chance(self, name: str, probability: Limit) -> NDArray[np.bool_]:
        """Return whether each row is among those met with this probability, (N,); 0 is never, 1 always."""
        return np.asarray(self.uniform(name) < probability)


def _words(key: NDArray[np.uint64], ordinals: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Read a stream at ascending positions that lie close together."""
    if not len(ordinals):
        return np.empty(0, np.uint64)
    start = int(ordinals[0]) // WORDS
    words = np.random.Philox(key=key, counter=start).random_raw(int(ordinals[-1]) - start * WORDS + 1)
    gapless = ordinals[-1] - ordinals[0] + 1 == len(ordinals)
    return np.asarray(words[-len(ordinals) :] if gapless else words[ordinals - start * WORDS])
