"""A folder of this machine as a store."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from curation.storage import CutShortError, Entry, OversizeError, writing


class _Folder(NamedTuple):
    path: Path
    prefix: str
    above: frozenset[tuple[int, int]]


class LocalStore:
    """A folder on this machine."""

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)

    def open(self, path: str) -> BinaryIO:
        """Open a file for seeking reads. Raises FileNotFoundError, also for what is no regular file."""
        target = self.root / path
        if not target.is_file():  # opening a pipe would wait for ever
            raise FileNotFoundError(f"{target} is missing or not a regular file")
        return target.open("rb")

    def read(self, path: str, offset: int = 0, size: int | None = None, most: int | None = None) -> bytes:
        """Read a file, or a span of it; see :meth:`Store.read`."""
        with self.open(path) as file:
            # Asked first: a wrong or huge size must not become an allocation of that size.
            end = file.seek(0, os.SEEK_END)
            wanted = end - offset if size is None else size
            if most is not None and wanted > most:
                raise OversizeError(f"{wanted} bytes, over {most}")
            if offset + wanted > end:
                raise CutShortError(str(self.root / path), end)
            file.seek(offset)
            return file.read(wanted)

    def size(self, path: str) -> int:
        """Give a file's size in bytes. Raises FileNotFoundError, also for what is no regular file."""
        with self.open(path) as file:
            return file.seek(0, os.SEEK_END)

    def exists(self, path: str) -> bool:
        """Whether a regular file is there."""
        return (self.root / path).is_file()

    def list(self, prefix: str = "") -> Iterator[Entry]:
        """List all files below a prefix, sorted by path, following symbolic links to files and folders.

        What cannot be told apart (broken links, pipes, files that vanish meanwhile) is listed with no size, so that
        reading it fails with a reason; a folder that may not be listed is an entry with that reason. Raises
        FileNotFoundError for a missing prefix and OSError where the prefix itself may not be listed.
        """
        top = self.root / prefix
        if not top.is_dir():
            raise FileNotFoundError(f"{top} is not a folder; check the root in paths.yaml")
        # A stack of its own, for folders can nest deeper than Python's calls.
        open_folders = [_listed(_Folder(top, prefix.strip("/"), frozenset()))]
        while open_folders:
            item = next(open_folders[-1], None)
            if item is None:
                open_folders.pop()
            elif isinstance(item, Entry):
                yield item
            else:
                try:
                    open_folders.append(_listed(item))
                except OSError as error:
                    yield Entry(item.prefix, 0, 0, 0, f"not readable: a folder: {error.strerror}")

    def put(self, path: str, data: bytes) -> None:
        """Write a whole file through a temporary name and a rename."""
        with writing(self.root / path) as temporary:
            temporary.write_bytes(data)

    def put_file(self, path: str, source: Path) -> None:
        """Copy a local file through a temporary name and a rename."""
        with writing(self.root / path) as temporary:
            shutil.copyfile(source, temporary)

    def remove(self, path: str) -> None:
        """Remove a file where it is there."""
        (self.root / path).unlink(missing_ok=True)


def _listed(folder: _Folder) -> Iterator[Entry | _Folder]:
    stat = folder.path.stat()
    here = (stat.st_dev, stat.st_ino)
    if here in folder.above:  # a link that leads back up would never end
        return iter(())
    with os.scandir(folder.path) as scan:
        # Sorted as full paths compare: "a.x" before "a/b" as in a sorted list of the files.
        entries = sorted(((f"{e.name}/" if _is(e, "dir") else e.name, e) for e in scan), key=lambda pair: pair[0])
    return _items(entries, folder.prefix, folder.above | {here})


def _items(
    entries: list[tuple[str, os.DirEntry[str]]], prefix: str, above: frozenset[tuple[int, int]]
) -> Iterator[Entry | _Folder]:
    for name, entry in entries:
        path = f"{prefix}/{entry.name}" if prefix else entry.name
        if name.endswith("/"):
            yield _Folder(Path(entry.path), path, above)
            continue
        try:
            stat = entry.stat() if _is(entry, "file") else None
        except OSError:
            stat = None
        yield Entry(path, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) if stat else Entry(path, 0, 0)


def _is(entry: os.DirEntry[str], kind: str) -> bool:
    try:
        return entry.is_dir() if kind == "dir" else entry.is_file()
    except OSError:  # a link onto itself, say
        return False
