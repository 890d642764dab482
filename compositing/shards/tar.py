"""Tar shards: written with headers that hold nothing of the machine, read by offset."""

import os
import tarfile
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

OPEN_FILES = 128
LARGE = 1 << 26


class Span(NamedTuple):
    """Where a member's bytes are in its tar."""

    offset: int
    size: int


def write_tar(path: Path, samples: Iterable[tuple[str, Mapping[str, bytes]]]) -> dict[str, dict[str, Span]]:
    """Write samples (key, member -> bytes) as a WebDataset shard: ``KEY.MEMBER``, one after the other.

    The headers are ustar with time, owner and mode fixed, so the same samples give the same bytes.
    Returns key -> member -> span. The caller renames the finished file into place.
    """
    spans: dict[str, dict[str, Span]] = {}
    with path.open("wb") as file:
        for key, members in samples:
            spans[key] = {}
            for member, data in members.items():
                info = tarfile.TarInfo(f"{key}.{member}")
                info.size = len(data)
                info.mode = 0o644
                file.write(info.tobuf(tarfile.USTAR_FORMAT))
                spans[key][member] = Span(file.tell(), len(data))
                file.write(data)
                file.write(bytes(-len(data) % tarfile.BLOCKSIZE))
        file.write(bytes(2 * tarfile.BLOCKSIZE))
    return spans


class TarFiles:
    """The tars of a folder, opened when first read. Picklable, safe to use from threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._handles: dict[str, int] = {}
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Path]:
        return {"folder": self.folder}

    def __setstate__(self, state: dict[str, Path]) -> None:
        self.__init__(state["folder"])  # type: ignore[misc]

    def read(self, shard: str, offset: int, size: int) -> bytes:
        """Read ``size`` bytes of a shard from ``offset``. Raises FileNotFoundError, or ValueError for a short file."""
        with self._lock:
            handle = self._handles.pop(shard, None)
            if handle is None:
                # Not blocking: a pipe in a shard's place would wait for ever.
                handle = os.open(self.folder / shard, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
            self._handles[shard] = handle  # last in the dict: used last
            if len(self._handles) > OPEN_FILES:
                os.close(self._handles.pop(next(iter(self._handles))))
            # pread has no file position to share, so a handle inherited over a fork is harmless.
            if size > LARGE and offset + size > os.fstat(handle).st_size:  # else an allocation of any size
                raise ValueError(f"{self.folder / shard} is shorter than the {size:,} bytes asked for at {offset}")
            data = os.pread(handle, size, offset)
        if len(data) != size:
            raise ValueError(f"{self.folder / shard} ends at {offset + len(data)}, expected {size} bytes at {offset}")
        return data

    def close(self) -> None:
        """Close every open file."""
        with self._lock:
            for handle in self._handles.values():
                os.close(handle)
            self._handles.clear()

    def __del__(self) -> None:
        self.close()
