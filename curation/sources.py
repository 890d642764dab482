"""Bytes by locator: a file, or a member of a tar that stays packed.

A *locator* is a path relative to the dataset's root with forward slashes, or ``archive.tar#offset+size`` for bytes
inside a larger file. Locators are stored as UTF-8. A path that cannot be written so plainly (undecodable bytes, or a
name that itself looks like ``...#1+2``) becomes ``bytes:`` and the percent-encoded path; see :func:`locator_of`.
"""

import os
import re
from typing import NamedTuple
from urllib.parse import quote_from_bytes, unquote_to_bytes

from curation.storage import CutShortError, OversizeError, Root, open_store

__all__ = ["OversizeError", "Place", "Source", "locator_of", "parse", "read_bytes"]

ESCAPED = "bytes:"
_SPAN = re.compile(r"(?P<path>.+)#(?P<offset>[0-9]+)\+(?P<size>[0-9]+)", re.DOTALL)


class Place(NamedTuple):
    """What a locator means: a path below the root and, for packed bytes, where they lie in that file."""

    path: str
    offset: int | None = None
    size: int | None = None


def locator_of(path: str, offset: int | None = None, size: int | None = None) -> str:
    """Write the locator of a listed path, or of ``size`` bytes at ``offset`` in it: always valid UTF-8.

    ``path`` is a string as the file system gives it, undecodable bytes as surrogates. :func:`parse` turns it back.
    """
    raw = os.fsencode(path)
    try:
        raw.decode("utf-8")
        plain = not path.startswith(ESCAPED) and not _SPAN.fullmatch(path)
    except UnicodeDecodeError:
        plain = False
    text = path if plain else ESCAPED + quote_from_bytes(raw)
    return text if offset is None else f"{text}#{offset}+{size}"


def parse(locator: str) -> Place:
    """Take a locator apart. Raises ValueError where it would lead out of the root."""
    span = _SPAN.fullmatch(locator)
    text = span["path"] if span else locator
    path = os.fsdecode(unquote_to_bytes(text[len(ESCAPED) :])) if text.startswith(ESCAPED) else text
    parts = path.split("/")
    # A backslash and a drive letter are path syntax on Windows only, but a table may come from anywhere.
    if not path or "\0" in path or path.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[\\/]", path):
        raise ValueError(f"locator {locator!r} is not a path relative to the dataset's root")
    if ".." in parts or ".." in path.split("\\"):
        raise ValueError(f"locator {locator!r} leads out of the dataset's root")
    return Place(path, int(span["offset"]), int(span["size"])) if span else Place(path)


class Source:
    """Reads the files of one dataset. Holds no open file, so that it can be pickled to workers."""

    def __init__(self, root: Root) -> None:
        self._store = open_store(root)

    def read(self, locator: str, most: int | None = None) -> bytes:
        """Return all bytes behind a locator, at most ``most`` where that is given.

        Raises OversizeError for more than that, ValueError for a locator that leads out of the root or past the end of
        its archive, and OSError (FileNotFoundError, PermissionError, ...) where the file cannot be read. Symbolic links
        that lie in the dataset are followed: whoever laid out the folder may point elsewhere, a locator may not.
        """
        place = parse(locator)
        try:
            return self._store.read(place.path, place.offset or 0, place.size, most)
        except CutShortError as error:
            raise ValueError(
                f"{locator}: the archive ends at byte {error.end}; it is cut short or was replaced"
            ) from error


def read_bytes(root: Root, locator: str) -> bytes:
    """Read one locator below a root; see :meth:`Source.read`."""
    return Source(root).read(locator)
