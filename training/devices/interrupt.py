"""Stopping on request: a cluster that takes its machine back sends SIGTERM and gives a few seconds."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

EXIT_CODE = 128 + signal.SIGTERM
LOADER_SECONDS = 60
"""How long a loader process outlives a SIGTERM of its own."""


class Preempted(SystemExit):
    """Training was asked to stop and saved a checkpoint; as a program it ends with code 143.

    A ``SystemExit``, for nothing went wrong that a caller could mend, and yet nothing may take the run for finished.
    """

    def __init__(self) -> None:
        super().__init__(EXIT_CODE)


class Interrupt:
    """While entered, a signal sets ``asked`` in place of ending the process; a second one does what it did before.

    Outside the main thread, where Python allows no handlers, signals keep their effect.
    """

    def __init__(self, *signals: signal.Signals) -> None:
        """Watch for ``signals``; SIGTERM where none is named."""
        self.asked = False
        self._signals = signals or (signal.SIGTERM,)
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in self._signals if threading.current_thread() is threading.main_thread() else ():
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _ask(self, signum: int, frame: FrameType | None) -> None:
        self.asked = True
        self._restore()

    def _restore(self) -> None:
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def outlive_sigterm() -> None:
    """Keep this loader process alive for a minute after a SIGTERM.

    Schedulers send it to every process of a job. PyTorch raises in the training process wherever that stands when a
    loader dies, in the middle of an update too, and then there would be nothing whole to save.
    """

    def later(signum: int, frame: FrameType | None) -> None:
        signal.alarm(LOADER_SECONDS)

    signal.signal(signal.SIGTERM, later)
