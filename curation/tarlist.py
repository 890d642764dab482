"""The members of a tar that stays packed, and what stops the listing."""

import os
import tarfile
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, cast

from curation.signatures import name_content
from curation.storage import Root, open_store

HEADER_BYTES = 2_000_000
"""What the headers of one member may take: a name of 4,096 bytes and its attributes need a hundredth."""


class Member(NamedTuple):
    """One member of a tar, or what stopped the listing: that bears the tar's own name."""

    name: str
    """As the tar has it, undecodable bytes as surrogates."""
    offset: int
    """Where its bytes begin in the tar."""
    size: int
    """Bytes."""
    reason: str | None
    """Why it cannot be read in place; None where it can."""


def list_tar(root: Root, path: str) -> Iterator[Member]:
    """List a tar's members. Whatever stops the listing is a file of its own with that reason."""
    end = 0
    try:
        with open_store(root).open(path) as file:
            kind = name_content(file.read(512)).rpartition(": ")[2]
            if kind in ("gzip", "bzip2", "xz", "zstd"):
                raise _Refused(f"it is compressed ({kind}), so its members cannot be read in place; unpack it")
            file.seek(0)
            headers = _Headers(file)
            with tarfile.open(fileobj=cast(BinaryIO, headers), mode="r:") as tar:
                while (member := tar.next()) is not None:
                    headers.left = HEADER_BYTES
                    tar.members = []  # type: ignore[attr-defined]  # else 1.8 million members stay in memory
                    # A size below zero leads back for ever (CVE-2025-8194).
                    if member.size < 0 or tar.offset <= end:
                        raise _Refused("a member of a size below zero; get it again")
                    # Behind the member's begin, where no other begins: an empty one must not share its locator.
                    end = member.offset_data + 1
                    if not member.isdir():
                        yield _told(member)
                stop = tar.offset
            if file.seek(0, os.SEEK_END) < stop:
                raise _Refused("it ends inside a member; get it again")
            if hidden := _behind(file, stop):
                raise _Refused(
                    f"{hidden} bytes behind its end are not read: damage, or tars joined by 'cat'; get it again"
                )
    except _Refused as refused:
        yield Member(path, end, 0, f"archive: {refused}")
    except OSError as error:
        yield Member(path, end, 0, f"archive: {error.strerror or 'missing or not a regular file'}; get it again")
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError) as error:
        yield Member(path, end, 0, f"archive: {error}; get it again")


class _Refused(Exception):
    pass


class _Headers:
    """A tar as :mod:`tarfile` lists it: headers are read and members skipped, so that much read is a lying size."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.left = HEADER_BYTES
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int = -1) -> bytes:
        self.left -= size
        if size < 0 or self.left < 0:
            raise _Refused(f"the headers of a member claim over {HEADER_BYTES:,} bytes; get it again")
        return self._file.read(size)


def _behind(file: BinaryIO, stop: int) -> int:
    """Bytes after a tar's end where they are more than padding, else 0."""
    size = file.seek(0, os.SEEK_END)
    file.seek(stop)
    return size - stop if file.read(1 << 20).strip(b"\0") else 0


def _told(member: tarfile.TarInfo) -> Member:
    if member.isreg() and not member.issparse():
        return Member(member.name, member.offset_data, member.size, None)
    what = "sparse file" if member.issparse() else "link" if member.issym() or member.islnk() else "special file"
    return Member(member.name, member.offset_data, 0, f"not an image: a {what} inside a tar is not read")
