"""The samples of a set rendered live from the plan, without shards."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from compositing.inputs import InputRoots, Inputs
from compositing.memory import keep_freed_memory
from compositing.plan.planrows import PlanRows, needed_frames
from compositing.render import render
from compositing.shards.reader import Sample, decode_sample, matching
from compositing.tables import LAYERS, PLAN


class PlanReader:
    """The samples of one set rendered live from the plan, bit for bit those of a ``ShardReader``.

    Layers are encoded and decoded in memory. ``where`` as in ``ShardReader``. Of the plan, the rows of the set alone
    are held, as columns. Picklable: the process it goes to reads them anew and keeps the memory that rendering frees.
    Raises FileNotFoundError for a missing table, ValueError where no row fits.
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
        self._made_of = (plan, frames, roots, set_name, where, fgr_quality)
        self._stamps = _stamps(plan, frames)
        rows = PlanRows(plan)
        self._rows = rows.read(set_name, columns=sorted(PLAN.columns))
        if where:
            asked = rows.read(set_name, columns=[name for name in where if name in PLAN.columns]).to_pandas()
            self._rows = self._rows.take(matching(asked, where, f"{plan}: set '{set_name}'"))
        self.ordinals: NDArray[np.int64] = self._rows["ordinal"].to_numpy()
        self._inputs = Inputs(roots, needed_frames(frames, self._rows))

    def __getstate__(self) -> dict[str, Any]:
        return {"made_of": self._made_of, "stamps": self._stamps}

    def __setstate__(self, state: dict[str, Any]) -> None:
        keep_freed_memory()
        plan, frames, *_ = state["made_of"]
        # Positions mean rows of the table that the sender saw.
        if _stamps(plan, frames) != state["stamps"]:
            raise ValueError(f"{plan} or {frames} was written again while it was read from; start again")
        self.__init__(*state["made_of"])  # type: ignore[misc]

    def __len__(self) -> int:
        return len(self._rows)

    def read_members(self, position: int, members: Iterable[str] = LAYERS) -> dict[str, bytes]:
        """Render the sample at a position, 0 to len - 1, to encoded members. Raises IndexError, InputError."""
        if not 0 <= position < len(self):
            raise IndexError(f"position {position} of set '{self.set_name}' with {len(self)} samples")
        row = self._rows.slice(position, 1).to_pylist()[0]
        made = render(row, *self._inputs.load(row), self.fgr_quality).members
        return {member: made[member] for member in members}

    def read(self, position: int, recipe: bool = True) -> Sample:
        """Render, encode and decode the sample at a position, 0 to len - 1. Raises IndexError, InputError."""
        return decode_sample(self.read_members(position), recipe)

    def recipes(self) -> pd.DataFrame:
        """All recipes in the order of positions, one row a sample; nothing is rendered."""
        return pd.DataFrame(self._rows.to_pylist())


def _stamps(*files: Path) -> list[tuple[int, int] | None]:
    """Size and time of each file; None for one that is missing, which its reader tells."""
    return [(file.stat().st_size, file.stat().st_mtime_ns) if file.is_file() else None for file in files]
