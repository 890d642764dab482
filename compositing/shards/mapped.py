"""Tables of a whole set in a temporary file that processes map: in memory once, however many read, and only if used.

A loader that held the places of ten million samples itself would hold them again in each process.
"""

import os
import tempfile
import weakref
from bisect import bisect_right
from collections.abc import Callable, Iterable
from itertools import accumulate
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


class Scratch:
    """A file in the folder for temporary ones (``TMPDIR``) that goes with the object that made it.

    Unpickled, it is the same file, which must be mapped at once: its maker may go.
    """

    def __init__(self, write: Callable[[IO[bytes]], None]) -> None:
        """``write`` fills it. Raises OSError where it does not fit."""
        handle, name = tempfile.mkstemp(prefix="cleanplate-")
        self.path = Path(name)
        self._goes = weakref.finalize(self, _remove, self.path, os.getpid())
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
        except OSError as error:
            self._goes()
            where = self.path.parent
            raise OSError(f"{where}: {error}; make room there, or set TMPDIR to a folder with some") from error

    def __getstate__(self) -> dict[str, Path]:
        return {"path": self.path}


def _remove(path: Path, owner: int) -> None:
    if os.getpid() == owner:  # not in a fork that ends
        path.unlink(missing_ok=True)


class Records:
    """Records of one fixed form, (N,) of a numpy structured type, mapped. Picklable."""

    def __init__(self, kind: np.dtype[Any], pieces: Iterable[NDArray[Any]]) -> None:
        """Raises OSError where they do not fit into the temporary folder."""
        self._kind = kind
        self._file = Scratch(lambda file: file.writelines(piece.tobytes() for piece in pieces))
        self._map()

    def __getstate__(self) -> dict[str, Any]:
        return {"kind": self._kind, "file": self._file}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._kind, self._file = state["kind"], state["file"]
        self._map()

    def _map(self) -> None:
        whole = self._file.path.stat().st_size
        none = np.empty(0, self._kind)
        self.all: NDArray[Any] = np.memmap(self._file.path, self._kind, "r") if whole else none
        """(N,), read from the disk where it is looked at."""


class Rows:
    """Arrow rows in their order, mapped. Picklable."""

    def __init__(self, pieces: Iterable[pa.Table]) -> None:
        """``pieces``: of one schema, at least one. Raises OSError where they do not fit into the temporary folder."""
        self._file = Scratch(lambda file: _write(pieces, file))
        self._map()

    def __getstate__(self) -> dict[str, Any]:
        return {"file": self._file}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._file = state["file"]
        self._map()

    def _map(self) -> None:
        self._batches: list[pa.RecordBatch] = list(pa.ipc.open_stream(pa.memory_map(str(self._file.path))))
        self._stops = list(accumulate(len(batch) for batch in self._batches))

    def __len__(self) -> int:
        return self._stops[-1] if self._stops else 0

    def row(self, position: int) -> dict[str, Any]:
        """Return a row as plain Python values, 0 to len - 1."""
        number = bisect_right(self._stops, position)
        batch = self._batches[number]
        found: dict[str, Any] = batch.slice(position - self._stops[number] + len(batch), 1).to_pylist()[0]
        return found

    def table(self) -> pa.Table:
        """Return all rows; they stay mapped."""
        return pa.Table.from_batches(self._batches)


def _write(pieces: Iterable[pa.Table], file: IO[bytes]) -> None:
    # As a stream, since each piece has dictionaries of its own.
    writer = None
    for piece in pieces:
        writer = writer or pa.ipc.new_stream(file, piece.schema)
        for batch in piece.combine_chunks().to_batches():
            writer.write_batch(batch)
    if writer is not None:
        writer.close()
