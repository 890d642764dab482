"""Shards that lie in an object store: ranges of them, fetched ahead, kept on the local disk, with what that cost."""

import json
import logging
import struct
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from compositing.shards.mapped import Scratch
from compositing.shards.rangecache import RangeCache
from curation.identity import file_id, item_id
from curation.storage import Store, open_store
from curation.storage.ranges import RangeFile

THREADS = 16
"""Requests under way at once in each process: they wait, and work little."""
FLUSH = 0.2
"""Seconds between the notes of what was fetched that a process leaves for the others."""
PUBLISHED = "published.json"
"""What is put last beside the shards: a note with the hash of their table."""
log = logging.getLogger("cleanplate.shards")
_NOTE = struct.Struct("<qqqd")


class Span(NamedTuple):
    """Some bytes of a shard."""

    shard: str
    offset: int
    size: int


class Traffic(NamedTuple):
    """What reading shards took, in all processes together."""

    reads: int = 0
    hits: int = 0
    """Of them from the local cache."""
    fetched: int = 0
    """Bytes."""
    waited: float = 0.0
    """Seconds that a reader stood still for a range."""

    def plus(self, more: "Traffic", sign: int = 1) -> "Traffic":
        """The sum, or with a ``sign`` of -1 the difference."""
        return Traffic(
            self.reads + sign * more.reads,
            self.hits + sign * more.hits,
            self.fetched + sign * more.fetched,
            self.waited + sign * more.waited,
        )

    def words(self) -> str:
        """In one line."""
        share = f"{self.hits / self.reads:.0%}" if self.reads else "none"
        return (
            f"shards: {self.fetched / 1e6:.1f} MB fetched, {share} of reads from the cache, {self.waited:.1f} s waited"
        )


class _Notes:
    """What this process read, appended for all to a file every few moments, and at the process's end."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)
        self._lock = threading.Lock()
        self._own = Traffic()
        self._noted = 0.0

    def add(self, more: Traffic, now: bool = False) -> None:
        with self._lock:
            self._own = self._own.plus(more)
            if not now and time.monotonic() - self._noted < FLUSH:
                return
            note, self._own, self._noted = self._own, Traffic(), time.monotonic()
        # In one short write, which the notes of other processes do not come between.
        self._file.write(_NOTE.pack(*note))


class RemoteFiles:
    """The shards below a URL. Picklable, safe to use from threads; what is on its way stays in its process."""

    def __init__(self, url: str, version: str, cache: RangeCache) -> None:
        """``version`` names the shards' content, so that a cache never gives ranges of other shards of that URL."""
        self.url = url
        self.version = version
        self.cache = cache
        self._scratch = Scratch(lambda file: None)
        self._begin()

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("url", "version", "cache", "_scratch")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._begin()

    def _begin(self) -> None:
        self._store: Store = open_store(self.url)
        self._coming: dict[Span, Future[bytes]] = {}
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        # Opened at once: the file's name goes with the object that made it.
        self._notes = _Notes(self._scratch.path)
        self._told = self._scratch.path.open("rb")
        self._read_to, self._sum = 0, Traffic()
        # A loader's process ends without what Python does at an end elsewhere, but for this.
        Finalize(self, self._notes.add, (Traffic(), True), exitpriority=0)

    def read(self, shard: str, offset: int, size: int) -> bytes:
        """Read a range: on its way, kept, or fetched now.

        Raises FileNotFoundError for a missing shard, ValueError for a short one, StorageError for a store that is gone.
        """
        span = Span(shard, offset, size)
        began = time.monotonic()
        with self._lock:
            coming = self._coming.pop(span, None)
        data = self._get(span) if coming is None else coming.result()
        self._notes.add(Traffic(waited=time.monotonic() - began))
        return data

    def prefetch(self, spans: Iterable[Span]) -> None:
        """Begin to fetch ranges that will be read soon, each once. What went wrong is told to who reads it."""
        with self._lock:
            self._pool = self._pool or ThreadPoolExecutor(THREADS, "shards")
            # What was asked for and never read, after an error say, must not pile up.
            self._coming = {span: future for span, future in self._coming.items() if not future.done()}
            for span in spans:
                if span not in self._coming:
                    self._coming[span] = self._pool.submit(self._get, span)

    def open(self, shard: str) -> BinaryIO:
        """Open a shard as a seeking file over kept ranges. Raises as :meth:`read`."""
        try:
            size = self._store.size(shard)
        except FileNotFoundError as error:
            raise self._missing(shard) from error
        return RangeFile(f"{self.url}/{shard}", size, lambda offset, count: self.read(shard, offset, count))  # type: ignore[return-value]

    def _get(self, span: Span) -> bytes:
        name = item_id(self.version, *span)
        kept = self.cache.get(name, span.size)
        if kept is not None:
            self._notes.add(Traffic(reads=1, hits=1))
            return kept
        try:
            data = self._store.read(span.shard, span.offset, span.size)
        except FileNotFoundError as error:
            raise self._missing(span.shard) from error
        self._notes.add(Traffic(reads=1, fetched=len(data)))
        self.cache.put(name, data)
        return data

    def _missing(self, shard: str) -> FileNotFoundError:
        return FileNotFoundError(
            f"{self.url}/{shard} is missing; put the shards of this render there, or unset CLEANPLATE_SHARDS to read "
            "those in data/shards"
        )

    def traffic(self) -> Traffic:
        """What all processes with this reader read so far, but for the last moments of those that still run."""
        self._notes.add(Traffic(), now=True)
        self._told.seek(self._read_to)
        data = self._told.read()
        whole = len(data) // _NOTE.size * _NOTE.size
        self._read_to += whole
        for note in _NOTE.iter_unpack(data[:whole]):
            self._sum = self._sum.plus(Traffic(*note))
        return self._sum


def check_published(url: str, table: Path) -> None:
    """Raise ValueError where the shards at a URL are of another render than a table.

    Shards that something else put there have no such note: then nothing can be compared, and the log says so.
    """
    try:
        told = json.loads(open_store(url).read(PUBLISHED, most=1 << 16))
        there = told["table"]
    except FileNotFoundError:
        log.warning("%s has no %s: whether these are the shards of %s is not known", url, PUBLISHED, table)
        return
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{url}/{PUBLISHED} is damaged ({error}); put the shards there again") from error
    if there != file_id(table):
        raise ValueError(
            f"{url} holds the shards of another render than {table}; put those of this one there, or get its table "
            "with 'dvc pull data/shards.parquet'"
        )
