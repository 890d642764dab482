"""Parquet shards: one row a sample, small row groups, so that one sample costs one group."""

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from compositing.shards.remote import RemoteFiles

GROUP = 16
"""Samples in a row group: what has to be read for one of them."""
CACHED_GROUPS = 4
OPEN_FILES = 32

COLUMNS = {"src.jpg": "src", "bgr.jpg": "bgr", "fgr.jpg": "fgr", "pha.png": "pha", "json": "json"}
"""Member name -> column name."""

SCHEMA = pa.schema([("key", pa.string()), *((name, pa.binary()) for name in COLUMNS.values())])


class Place(NamedTuple):
    """Where a sample is in its Parquet file."""

    row_group: int
    row: int


def write_parquet(path: Path, samples: Iterable[tuple[str, Mapping[str, bytes]]]) -> dict[str, Place]:
    """Write samples (key, member -> bytes) as a Parquet shard with columns key, src, bgr, fgr, pha, json.

    Not compressed: the layers already are. Returns key -> place. The caller renames the finished file into place.
    """
    places: dict[str, Place] = {}
    groups = 0
    waiting: list[dict[str, str | bytes]] = []
    with pq.ParquetWriter(path, SCHEMA, compression="none", use_dictionary=False, write_statistics=False) as writer:
        for key, members in samples:
            places[key] = Place(groups, len(waiting))
            waiting.append({"key": key, **{column: members[member] for member, column in COLUMNS.items()}})
            if len(waiting) == GROUP:
                writer.write_table(pa.Table.from_pylist(waiting, schema=SCHEMA), row_group_size=GROUP)
                groups += 1
                waiting = []
        if waiting:
            writer.write_table(pa.Table.from_pylist(waiting, schema=SCHEMA), row_group_size=GROUP)
    return places


class ParquetFiles:
    """The Parquet shards of a folder, opened when first read. Picklable, safe to use from threads."""

    def __init__(self, folder: Path, remote: RemoteFiles | None = None) -> None:
        """``remote``: read them from there, and not from the folder."""
        self.folder = folder
        self.remote = remote
        self._files: dict[str, pq.ParquetFile] = {}
        self._groups: dict[tuple[str, int, tuple[str, ...]], pa.Table] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "remote": self.remote}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def read(self, shard: str, row_group: int, row: int, members: Iterable[str]) -> dict[str, bytes]:
        """Read members of one sample. Raises FileNotFoundError, or ValueError where the shard is damaged."""
        columns = {member: COLUMNS[member] for member in members}
        try:
            with self._lock:
                group = self._group(shard, row_group, tuple(columns.values()))
            return {member: group.column(column)[row].as_py() for member, column in columns.items()}
        except (pa.ArrowException, IndexError) as error:
            raise ValueError(f"{self.folder / shard}: row group {row_group}, row {row}: {error}") from error

    def _group(self, shard: str, row_group: int, columns: tuple[str, ...]) -> pa.Table:
        key = (shard, row_group, columns)
        group = self._groups.pop(key, None)
        if group is None:
            group = self._file(shard).read_row_group(row_group, columns=list(columns), use_threads=False)
        self._groups[key] = group  # last in the dict: used last
        if len(self._groups) > CACHED_GROUPS:
            del self._groups[next(iter(self._groups))]
        return group

    def _file(self, shard: str) -> pq.ParquetFile:
        file = self._files.pop(shard, None)
        if file is None:
            if self.remote is None and not (self.folder / shard).is_file():  # opening a pipe would wait for ever
                raise FileNotFoundError(f"{self.folder / shard} is missing or not a regular file")
            file = pq.ParquetFile(self.folder / shard if self.remote is None else self.remote.open(shard))
        self._files[shard] = file
        if len(self._files) > OPEN_FILES:
            self._files.pop(next(iter(self._files))).close()
        return file

    def close(self) -> None:
        """Close every open file and forget what was read."""
        with self._lock:
            for file in self._files.values():
                file.close()
            self._files.clear()
            self._groups.clear()
