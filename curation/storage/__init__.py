"""Opening, listing and putting files, in a folder of this machine or in an object store.

How each makes a put count only when it is whole: a local folder by a temporary name, fsync and a rename;
``s3://`` and ``gs://`` as :mod:`curation.storage.objects` says.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

Root = str | Path
"""Where a dataset lies: a local folder, or a URL, which stays a string, for a Path drops one of its slashes."""


@dataclass(frozen=True)
class Entry:
    """One listed file."""

    path: str
    """Relative to the store's root, with forward slashes."""
    size: int
    """Bytes."""
    mtime_ns: int
    """Modification time in nanoseconds, 0 where the store has none."""
    ctime_ns: int = 0
    """Time of the last change of content, name or rights in nanoseconds; no program can set it. 0 where unknown."""
    reason: str | None = None
    """Why this is not a file to read, such as a folder that may not be listed; None for files."""


class OversizeError(ValueError):
    """More bytes than the caller allows; nothing of them was kept."""


class StorageError(RuntimeError):
    """A store does not answer. No OSError: one bad file is a row with a reason, a store that is gone is no such row."""


class CutShortError(ValueError):
    """A span leads past the end of its file."""

    def __init__(self, name: str, end: int) -> None:
        super().__init__(name, end)
        self.name = name
        self.end = end

    def __str__(self) -> str:
        return f"{self.name} ends at byte {self.end}; it is cut short or was replaced"


class Store(Protocol):
    """What the project asks of any place that holds files."""

    @property
    def root(self) -> Root:
        """The folder or the URL, without a user, as errors name it."""

    def open(self, path: str) -> BinaryIO:
        """Open a file for seeking reads. Raises FileNotFoundError."""

    def read(self, path: str, offset: int = 0, size: int | None = None, most: int | None = None) -> bytes:
        """Read ``size`` bytes from ``offset``, or all from there on, at most ``most`` where that is given.

        Raises OversizeError for more than that, CutShortError where the file ends before, FileNotFoundError, OSError.
        """

    def size(self, path: str) -> int:
        """Give a file's size in bytes. Raises FileNotFoundError."""

    def exists(self, path: str) -> bool:
        """Whether a file is there, whole."""

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """List all files below a prefix, sorted by path. Raises FileNotFoundError for a missing prefix."""

    def put(self, path: str, data: bytes) -> None:
        """Write a whole file; readers see the old file or the new one, never half of it."""

    def put_file(self, path: str, source: Path) -> None:
        """Write a whole file from a local one, as :meth:`put` does; it is never in memory at once."""

    def remove(self, path: str) -> None:
        """Remove a file where it is there."""


def is_remote(root: Root) -> bool:
    """Whether a root is the URL of an object store, and no folder of this machine."""
    return isinstance(root, str) and "://" in root and urlsplit(root).scheme != "file"


def root_name(root: Root) -> str:
    """One name for a root, however it was written: the URL, or the folder's absolute path."""
    return str(root) if is_remote(root) else str(Path(root).resolve())


def open_store(url: Root) -> Store:
    """Return the store behind a root: a folder, ``file:///FOLDER``, ``s3://BUCKET/PREFIX`` or ``gs://BUCKET/PREFIX``.

    Endpoint and credentials come from the environment (AWS_ENDPOINT_URL, AWS_PROFILE, ...); ``s3://anonymous@BUCKET``
    asks for public data without any. Connects to nothing yet. Raises ValueError for another URL, ImportError with the
    line that installs what is missing.
    """
    from curation.storage.local import LocalStore

    text = str(url)
    if "://" not in text:
        return LocalStore(text)
    if is_remote(text):
        from curation.storage.objects import ObjectStore

        return ObjectStore(text)
    parts = urlsplit(text)
    if parts.netloc not in ("", "localhost") or not parts.path:
        raise ValueError(f"'{text}': expected file:///FOLDER with three slashes")
    return LocalStore(unquote(text.partition("://")[2].removeprefix("localhost")))


@contextmanager
def writing(target: Path) -> Iterator[Path]:
    """Give a temporary path beside ``target`` and rename it into place when the block ends well.

    The data is on disk (fsync) before the rename; on an error nothing is left behind. A read-only
    target (a DVC hard link, say) is replaced, never written into.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
