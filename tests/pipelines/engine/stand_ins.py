"""Functions that make parts, each with a fault. In a module of their own: workers import them by name."""

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil


class Task(NamedTuple):
    """``notes`` tells how often a part was begun, and by which processes."""

    number: int
    notes: Path
    faulty: int = 0
    """Tries that meet the fault."""

    def begin(self) -> int:
        """Note a try; return how many there were before."""
        for tries in range(100):
            try:
                with (self.notes / f"{self.number}.{tries}").open("x") as note:
                    note.write(str(os.getpid()))
            except FileExistsError:
                continue
            return tries
        raise AssertionError("a hundred tries")


def tasks(notes: Path, count: int, **faulty: int) -> dict[str, Task]:
    notes.mkdir()
    return {f"p{n}": Task(n, notes, faulty.get(f"p{n}", 0)) for n in range(count)}


def tries(notes: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    for note in notes.iterdir():
        key = f"p{note.name.partition('.')[0]}"
        found[key] = found.get(key, 0) + 1
    return found


@contextlib.contextmanager
def murder(notes: Path, count: int) -> Iterator[None]:
    """Kill ``count`` processes that began a part, one after the other, while the block runs; no fewer."""
    rng, over, killed = random.Random(5), threading.Event(), []

    def kill() -> None:
        while len(killed) < count and not over.wait(0.05 + 0.2 * rng.random()):
            numbers = {int(note.read_text() or 0) for note in notes.iterdir()} - {0, *killed}
            if victims := sorted(number for number in numbers if psutil.pid_exists(number)):
                killed.append(rng.choice(victims))
                os.kill(killed[-1], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert len(killed) == count


def values(folders: list[Path]) -> list[int]:
    return [int((folder / "value").read_text()) for folder in folders]


def write_square(number: int, folder: Path) -> None:
    (folder / "value").write_text(str(number * number))
    (folder / "made").write_text(str(time.monotonic_ns()))


def fail_on_three(number: int, folder: Path) -> None:
    if number == 3:
        raise ValueError("three is odd")
    write_square(number, folder)


class OddError(Exception):
    """It cannot be made again from what pickle keeps of it."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


def fail_oddly(number: int, folder: Path) -> None:
    raise OddError("one", "two")


def die(task: Task, folder: Path) -> None:
    """Leaves half a part and is killed."""
    (folder / "value").write_text("half")
    if task.begin() < task.faulty:
        os.kill(os.getpid(), signal.SIGKILL)
    write_square(task.number, folder)


def die_after(task: Task, folder: Path) -> None:
    """Is killed between the part's last file and the report."""
    task.begin()
    write_square(task.number, folder)
    if task.faulty:
        folder.rename(folder.parent / f"p{task.number}")
        os.kill(os.getpid(), signal.SIGKILL)


def hang(task: Task, folder: Path) -> None:
    first = task.begin() < task.faulty
    if first:
        time.sleep(60)
    time.sleep(0.02)
    write_square(task.number, folder)


def take_a_while(task: Task, folder: Path) -> None:
    task.begin()
    (folder / "half").write_text("half")
    time.sleep(0.05)
    (folder / "half").unlink()
    write_square(task.number, folder)
