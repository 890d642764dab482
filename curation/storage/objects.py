"""Files that lie in an object store, read by range: ``s3://bucket/prefix`` and ``gs://bucket/prefix`` over fsspec.

An object store has no folders, no rename and no append, and here none is needed: an object is put whole. S3 and Google
Cloud Storage promise that a put is seen by every later read and listing, and that nobody sees half of it: a small one
is one PUT; a large one goes up in pieces, which stay invisible until the one request that completes them.
"""

import importlib
import io
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TypeVar
from urllib.parse import urlsplit

from curation.storage import CutShortError, Entry, OversizeError, StorageError
from curation.storage.patience import ANONYMOUS, RefusedError, patient
from curation.storage.ranges import RangeFile

T = TypeVar("T")
BLOCK = 4 << 20
"""Bytes a seeking reader asks for at once. Walking a tar of pictures reads all of it rather than hop from header to
header: a request costs about what a megabyte does."""
PAGE = 1000
"""Objects that one request lists; S3 gives no more."""
PIECE = 32 << 20
"""Bytes of the pieces that a large file goes up in."""
CONNECT, READ = 10, 30
"""Seconds until a connection, or an answer on it, is given up and tried again."""
CONNECTIONS = 32
"""To one store, of each process."""


class _Kind(NamedTuple):
    driver: str
    extra: str
    install: str
    options: Callable[[bool], dict[str, Any]]
    credentials: str


def _s3_options(anonymous: bool) -> dict[str, Any]:
    # Each layer would try again by itself, and their waits multiply: only patient() does.
    config = {
        "connect_timeout": CONNECT,
        "read_timeout": READ,
        "retries": {"total_max_attempts": 1},
        "max_pool_connections": CONNECTIONS,
    }
    # Named here, though botocore knows the variable: fsspec keeps a connection for each set of arguments.
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return {"anon": anonymous, "endpoint_url": endpoint, "config_kwargs": config}


KINDS = {
    "s3": _Kind(
        "s3fs",
        "s3",
        "pip install 'cleanplate[s3]'",
        _s3_options,
        "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    ),
    "gs": _Kind(
        "gcsfs",
        "gs",
        "pip install gcsfs",
        lambda anonymous: {"token": "anon"} if anonymous else {},
        "run 'gcloud auth application-default login', or set GOOGLE_APPLICATION_CREDENTIALS",
    ),
}


class ObjectStore:
    """A bucket, or what lies below a prefix of it. Picklable: each process connects for itself."""

    def __init__(self, url: str) -> None:
        """Connects to nothing yet. Raises ValueError for another URL, ImportError with the line that installs it."""
        parts = urlsplit(url)
        if parts.scheme not in KINDS or not parts.hostname:
            raise ValueError(f"'{url}': expected s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, file:///FOLDER or a folder")
        bucket = parts.netloc.rpartition("@")[2]
        if parts.username not in (None, ANONYMOUS) or parts.password is not None:
            raise ValueError(
                f"'{parts.scheme}://...@{bucket}': the only user a URL may name is '{ANONYMOUS}'; for credentials "
                f"{KINDS[parts.scheme].credentials}"
            )
        if ":" in bucket:
            raise ValueError(
                f"'{url}': '{bucket}' is no bucket; an endpoint goes into AWS_ENDPOINT_URL, http:// and all"
            )
        self._scheme = parts.scheme
        self._anonymous = parts.username == ANONYMOUS
        # Not urlsplit's path: '?' and '#' are letters of a key like any other.
        rest = url.partition("://")[2].partition("/")[2].strip("/")
        self._base = f"{bucket}/{rest}" if rest else bucket
        self.root = f"{self._scheme}://{self._base}"
        """As errors name it."""
        kind = KINDS[self._scheme]
        try:
            importlib.import_module(kind.driver)
        except ImportError as error:
            raise ImportError(f"{self.root} needs {kind.driver}; run: {kind.install}") from error

    def open(self, path: str) -> BinaryIO:
        """Open an object for seeking reads of BLOCK bytes each. Raises FileNotFoundError, StorageError."""
        raw = RangeFile(path, self.size(path), lambda offset, size: self.read(path, offset, size))
        return io.BufferedReader(raw, BLOCK)

    def size(self, path: str) -> int:
        """Ask for an object's size in bytes. Raises FileNotFoundError, PermissionError, StorageError."""
        found = self._call(path, lambda fs: fs.info(self._key(path)))
        if found["type"] != "file":
            raise FileNotFoundError(f"{self.root}/{path} is no object but a prefix of some")
        return int(found["size"])

    def exists(self, path: str) -> bool:
        """Whether an object is there whole."""
        try:
            self.size(path)
        except FileNotFoundError:
            return False
        return True

    def read(self, path: str, offset: int = 0, size: int | None = None, most: int | None = None) -> bytes:
        """Read an object, or ``size`` bytes of it, in one request; see :meth:`curation.storage.Store.read`."""
        if size is not None:
            if most is not None and size > most:
                raise OversizeError(f"{size} bytes, over {most}")
            data = self._range(path, offset, offset + size)
        else:
            data = self._range(path, offset, None if most is None else offset + most + 1)
        if size is None and most is not None and len(data) > most:
            raise OversizeError(f"{self.size(path) - offset} bytes, over {most}")
        if size is not None and len(data) < size:
            raise CutShortError(f"{self.root}/{path}", self.size(path))
        return data

    def _range(self, path: str, start: int, stop: int | None) -> bytes:
        """Bytes from start up to stop, fewer where the object ends."""
        if stop is not None and start >= stop:
            self.size(path)  # an object that is missing must be told all the same
            return b""
        # A start of 0 and no stop would be a range too, and an empty object has none. Without a range s3fs asks for the
        # size first, unless told to read in one piece.
        asked: dict[str, Any] = {"start": start or None, "end": stop}
        if self._scheme == "s3" and stop is None and not start:
            asked["max_concurrency"] = 1
        try:
            data = self._call(path, lambda fs: fs.cat_file(self._key(path), **asked))
        except RefusedError:
            if self.size(path) <= start:
                return b""
            raise
        return bytes(data)

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """List all objects below a prefix, sorted by path.

        Raises FileNotFoundError where there is none, StorageError where the store does not sort (S3 Express does not).
        """
        inner = prefix.strip("/")
        top = self._key(inner) if inner else self._base
        last = ""
        for key, size, changed in (self._pages_s3 if self._scheme == "s3" else self._pages)(inner, top):
            if key.endswith("/"):  # what a console makes to show an empty folder
                continue
            if key <= last:
                raise StorageError(f"{self.root} lists '{key}' after '{last}'; use a bucket whose listings are sorted")
            last = key
            yield Entry(key[len(self._base) + 1 :], size, changed, changed)
        if not last:
            raise FileNotFoundError(f"{self.root}/{inner} holds no objects; check the URL's bucket and prefix")

    def _pages_s3(self, inner: str, top: str) -> Iterator[tuple[str, int, int]]:
        # A page at a time, for find() would hold a dictionary for each of 1.8 million objects. S3 lists in the order
        # of UTF-8, which is the order of Python's strings.
        bucket, _, prefix = top.partition("/")
        asked: dict[str, Any] = {"Bucket": bucket, "Prefix": f"{prefix}/" if prefix else "", "MaxKeys": PAGE}
        while True:
            page = self._call(inner, lambda fs: fs.call_s3("list_objects_v2", **asked))
            for item in page.get("Contents", ()):
                yield f"{bucket}/{item['Key']}", int(item["Size"]), _nanoseconds(item["LastModified"])
            if not page.get("IsTruncated"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def _pages(self, inner: str, top: str) -> Iterator[tuple[str, int, int]]:
        found = self._call(inner, lambda fs: fs.find(f"{top}/", detail=True))
        for key in sorted(found):
            yield key, int(found[key]["size"]), _nanoseconds(found[key].get("mtime") or found[key].get("updated"))

    def put(self, path: str, data: bytes) -> None:
        """Write a whole object; it counts once the store has all of it. Raises PermissionError, StorageError."""
        self._call(path, lambda fs: fs.pipe_file(self._key(path), data))

    def put_file(self, path: str, source: Path) -> None:
        """Write a local file as an object, a large one in pieces that count once all of them are there."""
        asked = {"chunksize": PIECE} if self._scheme == "s3" else {}
        self._call(path, lambda fs: fs.put_file(str(source), self._key(path), **asked))

    def remove(self, path: str) -> None:
        """Remove an object; one that is not there is none to remove."""
        if self.exists(path):
            self._call(path, lambda fs: fs.rm_file(self._key(path)))

    def _key(self, path: str) -> str:
        return f"{self._base}/{path}"

    def _call(self, path: str, ask: Callable[[Any], T]) -> T:
        where = f"{self.root}/{path}" if path else self.root
        return patient(where, KINDS[self._scheme].credentials, lambda: ask(_filesystem(self._scheme, self._anonymous)))


def _filesystem(scheme: str, anonymous: bool) -> Any:
    import fsspec

    with _connecting:
        # fsspec keeps one per process and arguments.
        found = fsspec.filesystem(scheme, use_listings_cache=False, **KINDS[scheme].options(anonymous))
        found.retries = 1
        # Threads that find it not connected would each connect it.
        if scheme == "s3" and getattr(found, "_s3", None) is None:
            found.connect()
    return found


_connecting = threading.Lock()


def _nanoseconds(moment: Any) -> int:
    return 0 if moment is None else int(moment.timestamp()) * 10**9
