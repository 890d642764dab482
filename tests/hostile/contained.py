"""Runs a function on hostile input in a child with little memory and time, and notes what it reached for."""

import multiprocessing
import os
import resource
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

MEGABYTES = 700
"""What a reader may take beyond what its process holds already."""
SECONDS = 30.0
WRITES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod")
RUNS = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen", "pty.spawn", "socket.connect")


class Outcome(NamedTuple):
    """How a call ended."""

    value: Any
    """What it returned, as far as that can be pickled; None where it raised."""
    error: str
    """Name of the exception's class; empty where it returned."""
    bases: tuple[str, ...]
    """Its base classes' names."""
    text: str
    """The exception's words."""
    ran: tuple[str, ...]
    """Programs started and connections made."""
    wrote: tuple[str, ...]
    """Paths outside ``folder`` that were written, renamed or removed."""
    megabytes: float
    """How much the peak of the resident memory rose."""

    def refused(self, *words: str) -> bool:
        """Whether it raised a ValueError or OSError (what the commands print as a message) that holds all ``words``."""
        expected = {"ValueError", "OSError"} & {self.error, *self.bases}
        return bool(expected) and all(word in self.text for word in words) and self.harmless

    @property
    def harmless(self) -> bool:
        """Whether nothing ran and nothing outside was written."""
        return not self.ran and not self.wrote


def contained(
    function: Callable[..., Any],
    *args: Any,
    folder: Path,
    megabytes: int = MEGABYTES,
    seconds: float = SECONDS,
) -> Outcome:
    """Call ``function(*args)`` in a fork with a limit on memory and time. Raises AssertionError where it hangs or dies.

    ``folder`` is where it may write; what else it opens for writing is told, and so is what it runs (audit events of
    Python: what a C library does by itself is not seen).
    """
    return contained_all(function, {function.__name__: args}, folder, megabytes, seconds)[function.__name__]


def contained_all(
    function: Callable[..., Any],
    cases: Mapping[str, tuple[Any, ...]],
    folder: Path,
    megabytes: int = MEGABYTES,
    seconds: float = SECONDS,
) -> dict[str, Outcome]:
    """As :func:`contained`, many arguments by name one after the other in one child: a fork costs more than a case.

    ``seconds`` is for each; the AssertionError names the case.
    """
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_run, args=(sender, folder, megabytes, function, cases), daemon=True)
    child.start()
    sender.close()
    found: dict[str, Outcome] = {}
    try:
        for name in cases:
            if not receiver.poll(seconds):
                raise AssertionError(f"{function.__name__} still runs after {seconds:g} s: {name}")
            try:
                found[name] = Outcome(*receiver.recv())
            except EOFError:
                child.join()
                code = child.exitcode
                raise AssertionError(f"{function.__name__} ended its process with exit code {code}: {name}") from None
    finally:
        child.kill()
        child.join()
    return found


def _run(
    sender: Connection,
    folder: Path,
    megabytes: int,
    function: Callable[..., Any],
    cases: Mapping[str, tuple[Any, ...]],
) -> None:
    ran: list[str] = []
    wrote: list[str] = []
    inside = f"{folder.resolve()}{os.sep}"

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if event in RUNS:
            ran.append(f"{event} {given!r:.200}")
        elif event in WRITES or (event == "open" and _writes(given)):
            path = given[0]
            if isinstance(path, str | bytes | os.PathLike):
                absolute = os.path.realpath(os.fsdecode(path))
                if not f"{absolute}{os.sep}".startswith((inside, "/dev/", "/proc/")):
                    wrote.append(f"{event} {absolute}")

    sys.addaudithook(hook)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + megabytes * 2**20, resource.RLIM_INFINITY))
    for args in cases.values():
        before = _peak()
        del ran[:], wrote[:]
        answer: tuple[Any, ...]
        try:
            answer = (function(*args), "", (), "")
        except BaseException as error:
            kind = type(error)
            answer = (None, kind.__name__, tuple(base.__name__ for base in kind.__mro__), str(error))
        told = (tuple(ran), tuple(wrote), _peak() - before)
        try:
            sender.send((*answer, *told))
        except Exception as error:  # what cannot be pickled is no answer that a test looks at
            sender.send((repr(error), *answer[1:], *told))
    sender.close()
    os._exit(0)


def _writes(given: tuple[Any, ...]) -> bool:
    mode, flags = given[1], given[2] if len(given) > 2 else 0
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return bool(isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))


def _peak() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0
