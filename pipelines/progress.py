"""Progress of long work: a bar in a terminal, a line now and then in a log."""

import logging
import sys
import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self, TextIO

from rich.console import RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

SILENT_SECONDS = 20.0


class Progress:
    """Counts finished items. ``done`` were finished by an earlier run."""

    def __init__(self, describe: str, total: int, done: int = 0) -> None:
        self.describe = describe
        self.total = total
        self.done = done
        self._resumed = done
        self._bar: _Bar | None = None
        self._moved: list[tuple[logging.StreamHandler[TextIO], TextIO]] = []
        self._started = self._said = time.monotonic()

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console

            self._bar = _Bar(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                expand=True,
                redirect_stdout=sys.stdout.isatty(),
            )
            before = sys.stdout
            self._bar.start()
            # Rich lets through above the bar what is written to sys.stdout, but log handlers hold the one from before.
            for handler in logging.getLogger("cleanplate").handlers:
                if isinstance(handler, logging.StreamHandler) and handler.stream is before:
                    handler.setStream(sys.stdout)
                    self._moved.append((handler, before))
            self._task = self._bar.add_task(self.describe, total=self.total, completed=self.done)
        elif self._resumed:
            print(f"{self.describe}: going on at {self.done} of {self.total}", flush=True)
        return self

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count ``steps`` more items as finished; ``note`` is shown below the bar, or behind the line."""
        self.done += steps
        if self._bar is not None:
            self._bar.note = note
            self._bar.update(self._task, completed=self.done)
        elif time.monotonic() - self._said > SILENT_SECONDS:
            self._said = time.monotonic()
            rate = (self.done - self._resumed) / (self._said - self._started)
            left = f"about {_duration((self.total - self.done) / rate)} left" if rate else "no telling how long"
            print(f"{self.describe}: {self.done} of {self.total}, {left} {note}".strip(), flush=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            for handler, stream in self._moved:
                handler.setStream(stream)


class _Bar(RichProgress):
    """A bar with a note below it: beside it, the note would leave no room in a terminal of 80 columns."""

    note = ""

    def get_renderables(self) -> Iterable[RenderableType]:
        yield from super().get_renderables()
        if self.note:
            yield Text(self.note, style="dim")


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"
