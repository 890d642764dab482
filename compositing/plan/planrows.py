"""Rows of the plan, and of the frames that they name."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from compositing.setrows import SetRows
from compositing.tables import FRAMES, PLAN
from curation.tables import read_pieces

MATTE = ("frame_id", "clip", "frame", "fgr", "pha", "stored", "width", "height", "status")
"""What of a frame's row is needed to read it."""


class PlanRows(SetRows):
    """The rows of each set of a plan."""

    def __init__(self, path: Path) -> None:
        """Raises as :class:`SetRows`."""
        super().__init__(PLAN, path)


class FrameRows(Mapping[str, Mapping[str, Any]]):
    """Rows of the frames table by frame_id, held as columns: what is needed to read each frame."""

    def __init__(self, rows: pa.Table, ordered: bool = False) -> None:
        """``rows``: FRAMES rows, frame_id never null; ``ordered``: they are sorted by it, in one piece."""
        self.rows: pa.Table = rows if ordered else rows.sort_by("frame_id").combine_chunks()
        """Sorted by frame_id."""
        self._ids = self.rows["frame_id"].combine_chunks()

    def __getitem__(self, frame_id: str) -> dict[str, Any]:
        place = bisect_left(self._ids, frame_id, key=lambda value: value.as_py())
        if place == len(self._ids) or self._ids[place].as_py() != frame_id:
            raise KeyError(frame_id)
        row: dict[str, Any] = self.rows.slice(place, 1).to_pylist()[0]
        return row

    def __iter__(self) -> Iterator[str]:
        return iter(self._ids.to_pylist())

    def __len__(self) -> int:
        return len(self._ids)


def needed_frames(frames: Path, plan: pa.Table) -> FrameRows:
    """Read the FRAMES rows that PLAN rows ask for, a row group at a time.

    ``plan``: PLAN rows, at least the columns frame_id and second_frame_id. Raises as ``read_table``.
    """
    return frames_of(frames, named_frames([plan]))


def named_frames(plan: Iterable[pa.Table]) -> pa.Array:
    """Return the frame_ids that PLAN rows name, each once: of all pieces, held no longer than one is looked at."""
    found = pa.array([], pa.string())
    for rows in plan:
        named = pa.chunked_array([*rows["frame_id"].chunks, *rows["second_frame_id"].chunks], pa.string())
        found = pc.unique(pa.chunked_array([found, pc.unique(named.drop_null())]))
    return found


def frames_of(frames: Path, wanted: pa.Array) -> FrameRows:
    """Read the FRAMES rows with these frame_ids, a row group at a time. Raises as ``read_table``."""
    pieces = read_pieces(FRAMES, frames, MATTE)
    return FrameRows(pa.concat_tables(piece.filter(pc.is_in(piece["frame_id"], value_set=wanted)) for piece in pieces))
