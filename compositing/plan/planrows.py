"""Rows of the plan and of the frames by row groups: what is in memory hangs on what was asked for, not on the table."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from compositing.tables import FRAMES, PLAN
from curation.tables import check_table, read_pieces

MATTE = ("frame_id", "clip", "frame", "fgr", "pha", "stored", "width", "height", "status")
"""What of a frame's row is needed to read it."""
_REPEATING = [
    name
    for name, (kind, _) in PLAN.columns.items()
    if pa.types.is_string(kind) and not name.endswith(("_id", "locator"))
]
"""Text that few rows have to themselves: held as a dictionary, a plan takes less memory."""


class PlanRows:
    """The rows of each set of a plan, which is sorted by set and ordinal.

    Row groups whose statistics name one set alone are told without being read.
    """

    def __init__(self, path: Path) -> None:
        """Raises FileNotFoundError, or ValueError for another table or one that is not sorted by set."""
        check_table(PLAN, path)
        self.path = path
        with pq.ParquetFile(path) as file:
            sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
            self._starts: NDArray[np.int64] = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
            self._spans = self._find_sets(file)

    @property
    def counts(self) -> dict[str, int]:
        """Rows of each set, in the order of the table."""
        return {name: stop - first for name, (first, stop) in self._spans.items()}

    def read(
        self, set_name: str, first: int = 0, stop: int | None = None, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Return the rows of a set from ``first`` up to ``stop``, counted within the set; none: to its end.

        Only the row groups that hold them are read, the columns in the order of ``columns``, and text that repeats
        comes as dictionaries. Raises ValueError naming the sets that there are.
        """
        if set_name not in self._spans:
            raise ValueError(f"{self.path} holds no set '{set_name}', only {', '.join(self._spans) or 'none'}")
        start, end = self._spans[set_name]
        low, high = start + first, end if stop is None else min(end, start + stop)
        names = list(PLAN.columns if columns is None else columns)
        found = []
        with pq.ParquetFile(self.path, read_dictionary=_REPEATING) as file:
            for group, (begin, finish) in enumerate(pairwise(self._starts.tolist())):
                if begin < high and finish > low:
                    rows = file.read_row_group(group, names).select(names)
                    found.append(rows.slice(max(0, low - begin), min(high, finish) - max(low, begin)))
        return pa.concat_tables(found).unify_dictionaries()

    def _find_sets(self, file: pq.ParquetFile) -> dict[str, tuple[int, int]]:
        """Find the first row and the row after the last of each set."""
        spans: dict[str, tuple[int, int]] = {}
        for name, first, stop in self._runs(file):
            start, end = spans.get(name, (first, first))
            if end != first:
                raise ValueError(f"{self.path} is not sorted by set; make it again with 'dvc repro plan'")
            spans[name] = (start, stop)
        return spans

    def _runs(self, file: pq.ParquetFile) -> Iterator[tuple[str, int, int]]:
        """Give the set, the first row and the row after the last of each run of rows, in order."""
        column = file.schema_arrow.get_field_index("set")
        for group, start in enumerate(self._starts[:-1].tolist()):
            said = file.metadata.row_group(group).column(column).statistics
            if said is not None and said.has_min_max and said.min == said.max:
                yield said.min, start, int(self._starts[group + 1])
                continue
            runs = pc.run_end_encode(file.read_row_group(group, ["set"])["set"].combine_chunks())
            first = start
            for name, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
                yield name, first, start + end
                first = start + end


class FrameRows(Mapping[str, Mapping[str, Any]]):
    """Rows of the frames table by frame_id, held as columns: what is needed to read each frame."""

    def __init__(self, rows: pa.Table) -> None:
        """``rows``: FRAMES rows, frame_id never null."""
        self._rows = rows.sort_by("frame_id").combine_chunks()
        self._ids = self._rows["frame_id"].combine_chunks()

    def __getitem__(self, frame_id: str) -> dict[str, Any]:
        place = bisect_left(self._ids, frame_id, key=lambda value: value.as_py())
        if place == len(self._ids) or self._ids[place].as_py() != frame_id:
            raise KeyError(frame_id)
        row: dict[str, Any] = self._rows.slice(place, 1).to_pylist()[0]
        return row

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids.to_pylist())

    def __len__(self) -> int:
        return len(self._ids)


def needed_frames(frames: Path, plan: pa.Table) -> FrameRows:
    """Read the FRAMES rows that PLAN rows ask for, a row group at a time.

    ``plan``: PLAN rows, at least the columns frame_id and second_frame_id. Raises as ``read_table``.
    """
    named = pa.chunked_array([*plan["frame_id"].chunks, *plan["second_frame_id"].chunks], pa.string())
    wanted = pc.unique(named.drop_null())
    pieces = read_pieces(FRAMES, frames, MATTE)
    return FrameRows(pa.concat_tables(piece.filter(pc.is_in(piece["frame_id"], value_set=wanted)) for piece in pieces))
