"""Processes of this machine that make parts. One that dies takes nothing with it but the part it was at."""

import contextlib
import multiprocessing
import os
import signal
import threading
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Self

from pipelines.engine.loop import Ended, Try
from pipelines.engine.making import Outcome, PartError, PartFunction, attempt, single_threaded

STILLBORN = 3
"""Processes in a row that may die before they are ready for anything."""
READY = "ready"
END_SECONDS = 5.0


def _serve(connection: Connection, function: PartFunction[Any]) -> None:
    """Make one part after the other, until the connection ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the one above ends this one
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    single_threaded()
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)  # the run was killed: do not stay behind as an orphan

    threading.Thread(target=follow, daemon=True).start()
    with contextlib.suppress(EOFError, BrokenPipeError):
        connection.send(READY)
        while True:
            tried = connection.recv()
            try:
                task = connection.recv()
            except ImportError as error:  # what the task is made of
                connection.send(Outcome(0.0, f"{type(error).__name__}: {error}"))
            else:
                connection.send(attempt(function, task, tried.target, tried.temporary))


class _Worker:
    def __init__(self, function: PartFunction[Any]) -> None:
        # Spawned, not forked: no inherited locks, threads or file descriptors.
        context = multiprocessing.get_context("spawn")
        self.connection, far = context.Pipe()
        self.process = context.Process(target=_serve, args=(far, function))
        self.process.start()
        far.close()  # so that its end closes with the process
        self.ready = False
        self.tried: Try | None = None

    def begin(self, tried: Try, task: Any) -> None:
        self.tried = tried
        with contextlib.suppress(OSError):  # it died just now, which wait() finds out
            self.connection.send(tried)
            self.connection.send(task)

    def hear(self) -> Outcome | str | None:
        """What it says; None where it died."""
        try:
            said: Outcome | str = self.connection.recv() if self.connection.poll() else ""
        except Exception:  # the end of the file, or half a message
            return None
        return said if said or self.process.is_alive() else None

    def end(self, kill: bool) -> str:
        """End it, at once or after what it is at, and say how it ended."""
        if kill:
            self.process.kill()
        self.connection.close()
        self.process.join(END_SECONDS)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        code = self.process.exitcode or 0
        self.process.close()
        if code == -signal.SIGKILL:
            return "SIGKILL: out of memory?"
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


class WorkerPool:
    """At most ``count`` processes, each at one part, and one more for each second try where all hang."""

    def __init__(self, function: PartFunction[Any], count: int) -> None:
        self.function = function
        self.count = count
        self.workers: list[_Worker] = []
        self.stillborn = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        for worker in self.workers:
            worker.connection.close()  # all at once, so that they end side by side
        for worker in self.workers:
            worker.end(kill=worker.tried is not None)

    def free(self) -> int:
        """Processes that could begin a part."""
        return self.count - sum(worker.tried is not None for worker in self.workers)

    def start(self, tried: Try, task: Any) -> None:
        """Give a try to an idle process, or to a new one."""
        idle = next((worker for worker in self.workers if worker.tried is None), None)
        if idle is None:
            idle = _Worker(self.function)
            self.workers.append(idle)
        idle.begin(tried, task)

    def wait(self, seconds: float) -> list[Ended]:
        """Return the tries that ended. Raises PartError where processes cannot even start."""
        places: dict[Any, _Worker] = {}
        for worker in self.workers:
            places[worker.connection] = places[worker.process.sentinel] = worker
        heard = [places[place] for place in wait(list(places), seconds)]
        ended: list[Ended] = []
        for worker in dict.fromkeys(heard):  # each once, also where both are ready
            said = worker.hear()
            if said == READY:
                worker.ready, self.stillborn = True, 0
            elif isinstance(said, Outcome):
                if worker.tried is not None:
                    ended.append(Ended(worker.tried, *said))
                worker.tried = None
            elif said is None:
                ended += self._bury(worker)
        return ended

    def stop(self, tried: Try) -> None:
        """Kill the process that is at this try."""
        for worker in [worker for worker in self.workers if worker.tried == tried]:
            self.workers.remove(worker)
            worker.end(kill=True)

    def _bury(self, worker: _Worker) -> list[Ended]:
        self.workers.remove(worker)
        how = worker.end(kill=False)
        if not worker.ready:
            self.stillborn += 1
        if self.stillborn >= STILLBORN:
            raise PartError(
                f"worker processes die as they start ({how}); what they wrote above says why. "
                "CLEANPLATE_WORKERS=1 works without any"
            )
        return [] if worker.tried is None else [Ended(worker.tried, lost=how, begun=worker.ready)]
