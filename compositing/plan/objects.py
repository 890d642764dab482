"""Which composites show a thing in place of a person, and which frame of it."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from compositing.plan.draws import Draws
from compositing.plan.placement import Flags
from compositing.plan.turns import Turns
from curation.tables import ROW_GROUP

Indices = NDArray[np.int64]


class Objects:
    """The things that a set may show.

    Whether a pair shows one hangs on a stream of its own, and the n-th thing of a set is the n-th place of turns of
    their own: things are used evenly, and each other pair keeps what it shows without them. With a ``cap``, people
    take over once every clip has given its share.
    """

    def __init__(
        self, clips: pa.ChunkedArray, probability: float, seed: int, set_name: str, cap: int | None = None
    ) -> None:
        """``clips``: the clip of each frame that shows a thing, (N,), strings; none: nobody is ever replaced."""
        self._seed, self._set, self._probability = seed, set_name, probability
        self._turns = Turns(clips, seed, set_name, "objects", cap=cap) if len(clips) and probability > 0 else None
        self._counted = (0, 0)

    def at(self, pairs: Indices) -> tuple[Flags, Indices]:
        """Return whether each of the ascending pairs (M,) shows a thing, and the frame, from 0, of each that does."""
        there = np.zeros(len(pairs), dtype=bool)
        if self._turns is None or not len(pairs):
            return there, np.empty(0, np.int64)
        first, last = int(pairs[0]), int(pairs[-1])
        falls = self._falls(first, last + 1)
        places = self._before(first) + np.cumsum(falls) - 1
        if self._turns.places is not None:
            falls &= places < self._turns.places
        there = falls[pairs - first]
        return there, self._turns.at(places[pairs - first][there])

    def _falls(self, first: int, end: int) -> Flags:
        return Draws(self._seed, self._set, np.arange(first, end)).chance("object", self._probability)

    def _before(self, pair: int) -> int:
        """Count the things before a pair; going on from the last count, as planning asks in ascending order."""
        at, count = self._counted if self._counted[0] <= pair else (0, 0)
        for first in range(at, pair, ROW_GROUP):
            count += int(self._falls(first, min(first + ROW_GROUP, pair)).sum())
        self._counted = (pair, count)
        return count
