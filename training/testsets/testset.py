"""A test set, as evaluation sees it."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Protocol

from compositing.shards.reader import Sample, ShardReader

CAPTURED = "captured"
"""The strength of samples whose captured background a camera took: how far it is off is not known."""


class Unusable(NamedTuple):
    """Something in a folder that cannot be measured."""

    name: str
    """The file or sample, as the folder names it."""
    reason: str
    """Why not, and what is expected."""


class TestSet(Protocol):
    """Samples with truth, by position. Picklable: worker processes read them.

    Of a sample's recipe, evaluation reads ``composite_id``, ``ordinal``, ``strength``, ``case``, ``scene``, ``indoor``,
    ``clip``, ``frame``, ``motion`` and ``fgr_known`` (false where ``fgr`` is not the true foreground); what a recipe
    does not hold is not known.
    """

    name: str
    """As tables call it."""
    unusable: tuple[Unusable, ...]
    """What was found and cannot be used."""

    def __len__(self) -> int: ...

    def follows(self, position: int) -> bool:
        """Whether the sample is the next frame of the same clip as the one at the position before."""
        ...

    def read(self, position: int) -> Sample:
        """Read the sample at a position, 0 to len - 1. Raises ValueError or OSError naming what is wrong with it."""
        ...


class FrozenTest:
    """The project's own frozen test set: the set ``test`` of the shards."""

    name = "test"
    unusable: tuple[Unusable, ...] = ()

    def __init__(self, shards: Path, table: Path) -> None:
        """Errors as of ``ShardReader``."""
        self._shards, self._table = shards, table
        self._count = len(_reader(shards, table))

    def __len__(self) -> int:
        return self._count

    def follows(self, position: int) -> bool:
        """Never: frames are drawn at random."""
        return False

    def read(self, position: int) -> Sample:
        """Read a sample of the shards."""
        return _reader(self._shards, self._table).read(position)


@lru_cache(maxsize=1)
def _reader(shards: Path, table: Path) -> ShardReader:
    return ShardReader(shards, table, "test")
