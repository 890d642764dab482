"""Progress of long work: a bar in a terminal, a line now and then in a log."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

SILENT_SECONDS = 20.0


class Progress:
    """Counts finished items. ``done`` were finished by an earlier run."""

    def __init__(self, describe: str, total: int, done: int = 0) -> None:
        self.describe = describe
        self.total = total
        self.done = done
        self._resumed = done
        self._bar: RichProgress | None = None
        self._started = self._said = time.monotonic()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console

            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._bar.start()
            self._task = self._bar.add_task(self.describe, total=self.total, completed=self.done)
        elif self._resumed:
            print(f"{self.describe}: going on at {self.done} of {self.total}", flush=True)
        return self

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count ``steps`` more items as finished; ``note`` is shown behind the description."""
        self.done += steps
        if self._bar is not None:
            self._bar.update(self._task, completed=self.done, description=f"{self.describe} {note}".strip())
        elif time.monotonic() - self._said > SILENT_SECONDS:
            self._said = time.monotonic()
            rate = (self.done - self._resumed) / (self._said - self._started)
            left = (self.total - self.done) / rate if rate else float("nan")
            print(f"{self.describe}: {self.done} of {self.total}, about {left:.0f} s left {note}".strip(), flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
