"""One try at a part: made in a folder of its own, which gets the part's name only when it is whole."""

import os
import re
import shutil
import time
import traceback
import uuid
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple, TypeVar

T = TypeVar("T")
PartFunction = Callable[[T, Path], None]
TEMPORARY = re.compile(r"\.(?P<key>.+)\.[0-9a-f]{8}x?\.tmp")


class PartError(RuntimeError):
    """A part could not be made; the parts that were made stay."""


class RemoteError(Exception):
    """What went wrong in another process: its traceback, for the log."""


class Outcome(NamedTuple):
    """How a try ended that could tell so itself."""

    seconds: float
    """How long it took."""
    error: str | None = None
    """Type and message of what went wrong."""
    trace: str = ""


def part_error(describe: str, key: str, words: str) -> PartError:
    """The error that names a part."""
    return PartError(f"{describe}: part '{key}' failed: {words}")


def new_temporary(target: Path) -> Path:
    """A folder's name that no other try has: two may be at the same part, on two machines."""
    return target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.tmp")


def make(function: PartFunction[T], task: T, target: Path, temporary: Path | None = None) -> float:
    """Make a part in ``temporary`` and rename it to ``target``; return the seconds it took.

    Where another try was faster, its part stays and this one's is thrown away: both hold the same bytes.
    """
    started = time.monotonic()
    temporary = temporary or new_temporary(target)
    temporary.mkdir(parents=True)
    try:
        function(task, temporary)
        for file in temporary.iterdir():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())
        temporary.rename(target)
    except Exception as error:
        discard(temporary)
        if not (isinstance(error, OSError) and target.is_dir()):
            raise
    return time.monotonic() - started


def attempt(function: PartFunction[T], task: T, target: Path, temporary: Path) -> Outcome:
    """:func:`make`, with any error as words: an exception of a library may not survive the way to another process."""
    try:
        return Outcome(make(function, task, target, temporary))
    except Exception as error:
        return Outcome(0.0, f"{type(error).__name__}: {error}", traceback.format_exc())


def discard(temporary: Path) -> None:
    """Remove what a try left behind.

    It loses its name first: a try that goes on somewhere unseen could otherwise finish with half its files removed.
    """
    gone = temporary.with_name(f"{temporary.name.removesuffix('.tmp')}x.tmp")
    try:
        temporary.rename(gone)
    except OSError:
        gone = temporary
    shutil.rmtree(gone, ignore_errors=True)


def clear(parts: Path, keys: Collection[str]) -> None:
    """Remove what killed runs left of parts that are about to be made."""
    if not parts.is_dir():
        return
    for left in list(parts.glob(".*.tmp")):
        found = TEMPORARY.fullmatch(left.name)
        if found and found["key"] in keys:
            discard(left)


def single_threaded() -> None:
    """One worker a core: inner threads would only fight."""
    import cv2

    cv2.setNumThreads(1)
