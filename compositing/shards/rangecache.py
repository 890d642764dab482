"""Byte ranges of remote files kept on the local disk, up to a limit, by any number of processes at once.

Each range is a file of its own, named by a hash of what it holds, written under a temporary name and renamed. What was
used last goes last: a hit sets the file's time. Room is taken, under a lock, before a byte is written, so the limit
holds at every moment; a killed process leaves room taken that the next clearing finds free.
"""

import contextlib
import errno
import logging
import os
import struct
import tempfile
import time
import zlib
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock

DEFAULT_GB = 20.0
KEEPS = 0.9
"""Share of the limit that is left when ranges are cleared away, so that not every put has to clear."""
STALE = 3600.0
"""Seconds after which a temporary file is one that a killed process left."""
_MARK = struct.Struct("<I")
_COUNT = struct.Struct("<q")

log = logging.getLogger("cleanplate.shards")


class _Kept(NamedTuple):
    changed: float
    size: int
    path: str


class RangeCache:
    """A folder of kept ranges. Picklable: all processes with the same folder share it."""

    def __init__(self, folder: Path, limit: int) -> None:
        """``limit`` in bytes; 0 keeps nothing. Raises OSError where the folder cannot be written to."""
        self.folder = folder
        self.limit = limit
        self._off = False
        if not limit:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise OSError(
                f"the cache of shards cannot be kept in '{folder}': {error}; set CLEANPLATE_CACHE to another folder, "
                "or CLEANPLATE_CACHE_GB=0 to do without"
            ) from error

    def __getstate__(self) -> dict[str, object]:
        return {"folder": self.folder, "limit": self.limit}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._off = False

    def get(self, name: str, size: int) -> bytes | None:
        """Return a kept range of ``size`` bytes, or None. One that is damaged is none."""
        if not self.limit:
            return None
        path = self._path(name)
        try:
            data = path.read_bytes()
        except OSError:  # not there, or cleared away just now
            return None
        body = data[: -_MARK.size]
        if len(body) != size or _MARK.pack(zlib.crc32(body)) != data[-_MARK.size :]:
            path.unlink(missing_ok=True)  # torn by a power cut
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return body

    def put(self, name: str, data: bytes) -> None:
        """Keep a range. Where the disk is full, older ones go; where that does not help, nothing is kept any more.

        Raises nothing: what is not kept is fetched again.
        """
        size = len(data) + _MARK.size
        if size > self.limit * KEEPS or self._off:
            return
        try:
            self._take(size)
            self._write(name, data)
        except OSError as error:
            self._make_do(name, data, error)

    def _make_do(self, name: str, data: bytes, error: OSError) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)  # somebody may have removed it
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                with self._lock():
                    self._count_down(self._clear(self._kept_bytes() // 2))
            self._take(len(data) + _MARK.size)
            self._write(name, data)
        except OSError as still:
            self._off = True
            log.warning(
                "the cache of shards in '%s' takes no more (%s): going on without it, so shards are fetched again each "
                "time; make room there, or set CLEANPLATE_CACHE and CLEANPLATE_CACHE_GB",
                self.folder,
                still.strerror or still,
            )

    def _write(self, name: str, data: bytes) -> None:
        path = self._path(name)
        path.parent.mkdir(exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.write(_MARK.pack(zlib.crc32(data)))
            os.replace(temporary, path)  # noqa: PTH105
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / name[2:]

    def _lock(self) -> FileLock:
        return FileLock(self.folder / "lock")

    def _take(self, size: int) -> None:
        """Take room for a range, clearing the oldest away where there is none."""
        with self._lock():
            taken = self._count()
            if taken is None or taken + size > self.limit:
                taken = self._clear(int(self.limit * KEEPS) - size)
            self._count_down(taken + size)

    def _count(self) -> int | None:
        """Bytes taken; None where that is not known."""
        try:
            return int(_COUNT.unpack((self.folder / "taken").read_bytes())[0])
        except (OSError, struct.error):
            return None

    def _count_down(self, taken: int) -> None:
        (self.folder / "taken").write_bytes(_COUNT.pack(taken))

    def _kept_bytes(self) -> int:
        return sum(kept.size for kept in self._all())

    def _all(self) -> list[_Kept]:
        found = []
        for folder in os.scandir(self.folder):
            if not folder.is_dir():
                continue
            for entry in os.scandir(folder.path):
                with contextlib.suppress(FileNotFoundError):
                    stat = entry.stat()
                    found.append(_Kept(stat.st_mtime, stat.st_size, entry.path))
        return found

    def _clear(self, room: int) -> int:
        """Remove the ranges used longest ago until at most ``room`` bytes are left; returns what is left."""
        found = sorted(self._all())
        left = sum(kept.size for kept in found)
        now = time.time()
        for kept in found:
            writing = kept.path.endswith(".tmp")
            if writing and now - kept.changed < STALE:
                continue
            if left > room or writing:
                Path(kept.path).unlink(missing_ok=True)
                left -= kept.size
        return left


def default_cache() -> RangeCache:
    """The cache of this machine: $CLEANPLATE_CACHE (or the user's cache folder), $CLEANPLATE_CACHE_GB gigabytes (20).

    Raises ValueError for a size that is none, OSError where the folder cannot be written to.
    """
    text = os.environ.get("CLEANPLATE_CACHE_GB") or str(DEFAULT_GB)
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = -1.0
    if not 0 <= gigabytes < 1e9:
        raise ValueError(f"CLEANPLATE_CACHE_GB is '{text}'; expected gigabytes, such as 20, or 0 for no cache")
    named = os.environ.get("CLEANPLATE_CACHE")
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return RangeCache(Path(named) if named else home / "cleanplate" / "shards", int(gigabytes * 1e9))
