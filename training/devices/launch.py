"""Starts the ranks of this machine and looks after them.

They are processes that this one spawns: started by Lightning they would be the stage's program over again, and meet
the work folder's lock that this process holds.
"""

import contextlib
import logging
import multiprocessing as mp
import os
import pickle
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

from training.devices.interrupt import EXIT_CODE, Interrupt, Preempted
from training.devices.ranks import Machines, Ranks, host, joined

Progress = Callable[[int, str], None]
Work = Callable[[Any, Ranks, Interrupt, Progress | None], None]
"""What each rank does: with the job, who it is, whether it was asked to stop, and whom to tell of a step."""

LOOK_SECONDS = 0.2
SETTLE_SECONDS = 3.0
"""How long a lost connection waits for its cause to be known: the rank that left, or what it said."""

LEAVE_SECONDS = 10.0
"""How long a rank that is done may take to end its loaders and itself."""

log = logging.getLogger("cleanplate.train")


class RankError(ChildProcessError):
    """A rank ended before its time; the message names it."""


class Job(NamedTuple):
    """What a rank's process is started with; it is pickled."""

    work: Work
    what: Any
    ranks: Ranks
    machines: Machines
    level: int


class _Rank:
    """A rank's process, seen from the one that started it."""

    def __init__(self, job: Job) -> None:
        self.ranks = job.ranks
        context = mp.get_context("spawn")
        self.line, far = context.Pipe()
        # No daemon: it starts loader processes.
        self.process = context.Process(target=_run, args=(job, far), name=f"rank-{job.ranks.number}", daemon=False)
        self.process.start()
        far.close()
        self.step = 0
        self.left = ""
        """How it ended: '' while it has not said so."""
        self.error: BaseException | None = None
        self.failed_at = 0.0

    def hear(self, progress: Progress | None) -> None:
        """Take in all that the rank has said."""
        try:
            while not self.line.closed and self.line.poll():
                kind, *said = self.line.recv()
                if kind == "log":
                    logging.getLogger(said[0].name).handle(said[0])
                elif kind == "step":
                    self.step = said[0]
                    if progress is not None:
                        progress(*said)
                else:
                    self.left = kind
                    self.error, self.failed_at = said
        except (EOFError, OSError):
            self.line.close()

    @property
    def died(self) -> bool:
        """Whether it ended without a word."""
        return not self.left and self.process.exitcode is not None

    def describe_death(self) -> str:
        """One sentence on a rank that ended without a word."""
        code = self.process.exitcode or 0
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
        where = f", machine {self.ranks.machine}" if self.ranks.machines > 1 else ""
        hint = " (the system may have been out of memory)" if code == -signal.SIGKILL else ""
        return f"rank {self.ranks.number} (process {self.process.pid}{where}) was ended {how}{hint}"


def launch(work: Work, what: Any, devices: int, machines: Machines, progress: Progress | None) -> None:
    """Run ``work`` in ``devices`` processes on this machine, and on the other machines' together, until all are done.

    Both signals to stop are passed on; each rank's log and the first one's progress arrive here. No rank outlives this
    call.

    Args:
        work: a module's function.
        what: goes to each rank as it is; picklable.
        devices: ranks a machine.
        machines: which machine this is, of how many.
        progress: told of the steps.

    Raises:
        RankError: a rank ended before its time, which ended the others; or one on another machine did.
        Preempted: Ctrl-C or SIGTERM came.
        Exception: what a rank raised, where that is an error a person can act on.
    """
    world = devices * machines.total
    level = logging.getLogger("cleanplate").getEffectiveLevel()
    with Interrupt() as interrupt:
        machines, store = host(machines)
        team: list[_Rank] = []
        try:
            for local in range(devices):
                number = machines.number * devices + local
                ranks = Ranks(number, world, local, machines.number, machines.total)
                # Every rank would say the same.
                job = Job(work, what, ranks, machines, level if ranks.leads else max(level, logging.ERROR))
                team.append(_Rank(job))
            _attend(team, interrupt, progress)
        finally:
            for rank in team:
                if not rank.error and rank.left:
                    rank.process.join(LEAVE_SECONDS)
                rank.process.kill()
                rank.process.join()
                rank.line.close()
            del store


def _attend(team: Sequence[_Rank], interrupt: Interrupt, progress: Progress | None) -> None:
    passed_on = False
    lost_at: float | None = None
    while True:
        # A rank that is heard to the end and gone would be ready for ever.
        ready = [rank.line for rank in team if not rank.line.closed]
        wait([*ready, *(rank.process.sentinel for rank in team if rank.process.exitcode is None)], LOOK_SECONDS)
        gone = [rank for rank in team if rank.process.exitcode is not None]
        for rank in team:
            rank.hear(progress)
        if interrupt.asked and not passed_on:
            passed_on = True
            for rank in team:
                with contextlib.suppress(OSError):  # of one that is gone
                    rank.line.send("stop")
        if passed_on and any(rank.died and rank.process.exitcode == -signal.SIGTERM for rank in gone):
            raise Preempted  # the signal went to its group, before it could hold it off
        failure = _failure(team, [rank for rank in gone if rank.died])
        if failure is not None and not isinstance(failure, _Lost):
            raise failure
        if failure is not None:
            lost_at = lost_at or time.monotonic()
            if time.monotonic() - lost_at > SETTLE_SECONDS:
                raise RankError(str(failure)) from failure.__cause__
        elif all(rank.left for rank in team):
            if any(rank.left == "preempted" for rank in team):
                raise Preempted
            return


class _Lost(Exception):
    """A failure that is perhaps only the consequence of another's."""


def _failure(team: Sequence[_Rank], died: Sequence[_Rank]) -> BaseException | None:
    """Why the run cannot go on, the likeliest cause first, or None."""
    failed = sorted((rank for rank in team if rank.error is not None), key=lambda rank: rank.failed_at)
    for rank in failed:
        if isinstance(rank.error, ValueError | OSError | ImportError):
            return rank.error
    if died:
        step = max(rank.step for rank in team)
        return RankError(
            f"{'; '.join(rank.describe_death() for rank in died)} after step {step}, and the others were stopped; "
            "run the same command to go on from the last checkpoint"
        )
    if not failed:
        return None
    first = failed[0]
    where = "; a rank of another machine may have ended: look there" if first.ranks.machines > 1 else ""
    lost = _Lost(
        f"rank {first.ranks.number} failed: {first.error}{where}; "
        "run the same command to go on from the last checkpoint"
    )
    lost.__cause__ = first.error
    return lost


def _run(job: Job, line: Connection) -> None:
    """A rank's process, from its start to its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal's group; the process above ends this one
    interrupt = Interrupt()
    said = threading.Lock()

    def tell(*words: Any) -> None:
        with said:
            line.send(words)

    threading.Thread(target=_listen, args=(line, interrupt), daemon=True).start()
    root = logging.getLogger("cleanplate")
    root.handlers, root.level = [_Relay(tell)], job.level
    progress = (lambda step, note: tell("step", step, note)) if job.ranks.leads else None
    try:
        with joined(job.ranks, job.machines):
            job.work(job.what, job.ranks, interrupt, progress)
            job.ranks.wait()
    except Preempted:
        tell("preempted", None, time.time())
        sys.exit(EXIT_CODE)
    except BaseException as error:
        tell("failed", _portable(error, job.ranks.number), time.time())
        sys.exit(1)
    tell("done", None, time.time())


def _listen(line: Connection, interrupt: Interrupt) -> None:
    """Wait for word to stop; end this process with the one that started it."""
    try:
        line.recv()
        interrupt.asked = True
        line.recv()
    except (EOFError, OSError):
        # Also where the main thread waits for another rank and would never look.
        os._exit(EXIT_CODE)


class _Relay(QueueHandler):
    """Sends log records to the process that has the log file."""

    def __init__(self, tell: Callable[..., None]) -> None:
        super().__init__(None)  # type: ignore[arg-type]
        self.tell = tell

    def enqueue(self, record: logging.LogRecord) -> None:
        """Send a record that was made picklable."""
        self.tell("log", record)


def _portable(error: BaseException, number: int) -> BaseException:
    """An error as it can cross processes, with its traceback as a note."""
    note = f"in rank {number}:\n{traceback.format_exc()}"
    try:
        copied: BaseException = pickle.loads(pickle.dumps(error))
        assert type(copied) is type(error)
    except Exception:  # an error of any class, with a constructor of its own
        kind = ValueError if isinstance(error, ValueError) else RuntimeError
        copied = kind(str(error))
    copied.add_note(note)
    return copied
