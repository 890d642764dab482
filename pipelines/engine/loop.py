"""Which part is tried when: a short queue, lost processes, stragglers; the same for processes and for a cluster."""

import logging
import statistics
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pipelines.engine.making import PartError, RemoteError, discard, new_temporary, part_error
from pipelines.progress import Progress

TRIES = 3
"""Processes that a part may take with it before it is given up."""
LATE_FACTOR = 4.0
"""A part is late from so many times the median of the finished ones,"""
LATE_SECONDS = 60.0
"""and from so many seconds."""
LATE_KNOWN = 3
"""So many have to be finished before anything counts as usual: a stage may have a few parts of very different kinds."""
POLL_SECONDS = 1.0

log = logging.getLogger("cleanplate.engine")


class Try(NamedTuple):
    """One try at a part."""

    key: str
    target: Path
    temporary: Path


class Ended(NamedTuple):
    """How a try ended."""

    tried: Try
    seconds: float = 0.0
    """How long it took, where the part is made."""
    error: str | None = None
    """What the function raised."""
    trace: str = ""
    lost: str | None = None
    """How its process died."""
    begun: bool = True
    """Whether that can be the part's fault."""


class Pool(Protocol):
    """Where tries run."""

    def free(self) -> int:
        """How many more tries it takes."""

    def start(self, tried: Try, task: Any) -> None:
        """Begin a try, also where nothing is free."""

    def wait(self, seconds: float) -> list[Ended]:
        """Return what ended, as soon as something did, or nothing after some time."""

    def stop(self, tried: Try) -> None:
        """Give up a try, whether it can be stopped or not; it is not heard of again."""


class Tries:
    """The tries at parts in a pool.

    A part whose process died is tried again; the third time once nothing else runs, so that it is known to be to blame.
    When all are begun and one takes :data:`LATE_FACTOR` times as long as is usual, a second try begins elsewhere; the
    first to finish counts.
    """

    def __init__(
        self,
        pool: Pool,
        tasks: Mapping[str, Any],
        targets: Mapping[str, Path],
        todo: Sequence[str],
        describe: str,
        progress: Progress,
    ) -> None:
        """``todo``: the parts to make, by the keys of ``tasks`` and ``targets``."""
        self.pool = pool
        self.tasks = tasks
        self.targets = targets
        self.describe = describe
        self.progress = progress
        self.waiting = deque(todo)
        self.suspects: deque[str] = deque()
        self.running: dict[str, list[Try]] = {}
        self.begun: dict[Try, float] = {}
        self.times: list[float] = []
        self.deaths: Counter[str] = Counter()
        self.failure: PartError | None = None

    def run(self) -> None:
        """Make the parts.

        Raises PartError naming a part that failed or took :data:`TRIES` processes with it; what ran beside it is
        finished.
        """
        try:
            self._run()
        finally:
            for tried in self._all_running():
                self.pool.stop(tried)
                discard(tried.temporary)

    def _all_running(self) -> list[Try]:
        return [tried for tries in self.running.values() for tried in tries]

    def _run(self) -> None:
        looked = 0.0
        while self.waiting or self.suspects or self.running:
            while self.waiting and self.pool.free() > 0:
                self._start(self.waiting.popleft())
            if not self.waiting and not self.running:
                self._start(self.suspects.popleft())
            if time.monotonic() - looked >= POLL_SECONDS:
                looked = time.monotonic()
                self._look_at_running(looked)
            for ended in self.pool.wait(POLL_SECONDS):
                if ended.tried in self.running.get(ended.tried.key, ()):
                    self._take(ended)
            if self.failure:
                self.waiting.clear()
                self.suspects.clear()
        if self.failure:
            raise self.failure

    def _start(self, key: str) -> None:
        tried = Try(key, self.targets[key], new_temporary(self.targets[key]))
        self.running.setdefault(key, []).append(tried)
        self.pool.start(tried, self.tasks[key])

    def _look_at_running(self, now: float) -> None:
        """Note which tries have begun (a cluster lets them wait) and try late parts a second time."""
        for tried in self._all_running():
            if tried not in self.begun and tried.temporary.exists():
                self.begun[tried] = now
        if self.waiting or len(self.times) < LATE_KNOWN:
            return
        most = max(LATE_FACTOR * statistics.median(self.times), LATE_SECONDS)
        late = {key for key, tries in self.running.items() if now - self.begun.get(tries[0], now) > most}
        for key in sorted(late):
            # Elsewhere is where nothing runs; but where all that runs is late, each may have hung.
            if len(self.running[key]) == 1 and (self.pool.free() > 0 or late == self.running.keys()):
                words = "%s: part '%s' has run for %.0f s, others took %.0f; a second try begins elsewhere"
                first = self.running[key][0]
                log.warning(words, self.describe, key, now - self.begun[first], statistics.median(self.times))
                self._start(key)

    def _take(self, ended: Ended) -> None:
        key = ended.tried.key
        self.running[key].remove(ended.tried)
        self.begun.pop(ended.tried, None)
        if ended.lost is not None:
            discard(ended.tried.temporary)
        if ended.tried.target.is_dir():  # also where its process died after it
            self._finish(key, ended.seconds)
        elif ended.lost is not None:
            self._lose(key, ended.lost, ended.begun)
        elif not self.running[key]:
            del self.running[key]
            self.failure = self.failure or part_error(self.describe, key, ended.error or "it left no part behind")
            self.failure.__cause__ = self.failure.__cause__ or RemoteError(ended.trace)

    def _finish(self, key: str, seconds: float) -> None:
        for other in self.running.pop(key):
            self.pool.stop(other)
            self.begun.pop(other, None)
            discard(other.temporary)
        if seconds:
            self.times.append(seconds)
        self.progress.advance()

    def _lose(self, key: str, how: str, begun: bool) -> None:
        self.deaths[key] += begun
        times = self.deaths[key]
        others = bool(self.running[key])
        if not others:
            del self.running[key]
        if times >= TRIES:
            self.failure = self.failure or PartError(
                f"{self.describe}: part '{key}' took its process with it {times} times, at last with nothing beside it "
                f"({how}); the parts that are made stay. Look at what it is made from, free memory or take a machine "
                "with more, and run again"
            )
            return
        log.warning("%s: the process at part '%s' died (%s); the part is tried again", self.describe, key, how)
        if not others:
            (self.suspects if times == TRIES - 1 else self.waiting).append(key)
