"""The samples of a set rendered live from the plan, without shards."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from compositing.inputs import InputRoots, Inputs
from compositing.memory import keep_freed_memory
from compositing.plan.planrows import FrameRows, PlanRows, frames_of, named_frames
from compositing.render import render
from compositing.shards.mapped import Rows
from compositing.shards.reader import Sample, decode_sample, fitting
from compositing.tables import LAYERS, PLAN


class PlanReader:
    """The samples of one set rendered live from the plan, bit for bit those of a ``ShardReader``.

    Layers are encoded and decoded in memory. ``where`` as in ``ShardReader``. The rows of the set and of the frames
    that they name are mapped (``shards.mapped``). Picklable: the process it goes to maps them too, and keeps the
    memory that rendering frees. Raises FileNotFoundError for a missing table, ValueError where no row fits.
    """

    def __init__(
        self,
        plan: Path,
        frames: Path,
        roots: InputRoots,
        set_name: str,
        where: Mapping[str, str] | None = None,
        fgr_quality: int = 95,
    ) -> None:
        self.set_name = set_name
        self.fgr_quality = fgr_quality
        self._roots = roots
        name = f"{plan}: set '{set_name}'"
        pieces = PlanRows(plan).pieces(set_name, columns=sorted(PLAN.columns))
        self._rows = Rows(_fitting(pieces, where, name) if where else pieces)
        if not len(self._rows):
            raise ValueError(f"{name}: no sample has {dict(where or {})}")
        self._frames = Rows([frames_of(frames, named_frames([self._rows.table()])).rows])
        self._inputs = self._open()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_inputs"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        keep_freed_memory()
        self.__dict__.update(state)
        self._inputs = self._open()

    def _open(self) -> Inputs:
        return Inputs(self._roots, FrameRows(self._frames.table(), ordered=True))

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def ordinals(self) -> NDArray[np.int64]:
        """The ordinal of the sample at each position, (N,), ascending."""
        return np.asarray(self._rows.table()["ordinal"].to_numpy())

    def read_members(self, position: int, members: Iterable[str] = LAYERS) -> dict[str, bytes]:
        """Render the sample at a position, 0 to len - 1, to encoded members. Raises IndexError, InputError."""
        if not 0 <= position < len(self):
            raise IndexError(f"position {position} of set '{self.set_name}' with {len(self)} samples")
        row = self._rows.row(position)
        made = render(row, *self._inputs.load(row), self.fgr_quality).members
        return {member: made[member] for member in members}

    def read(self, position: int, recipe: bool = True) -> Sample:
        """Render, encode and decode the sample at a position, 0 to len - 1. Raises IndexError, InputError."""
        return decode_sample(self.read_members(position), recipe)

    def recipes(self) -> pd.DataFrame:
        """All recipes in the order of positions, one row a sample; nothing is rendered."""
        return pd.DataFrame(self._rows.table().to_pylist())


def _fitting(pieces: Iterable[pa.Table], where: Mapping[str, str], name: str) -> Iterator[pa.Table]:
    for rows in pieces:
        yield rows.filter(
            pa.array(fitting(rows.select([c for c in rows.column_names if c in where]).to_pandas(), where, name))
        )
