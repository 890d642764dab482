"""Stopping on request: Ctrl-C, and a cluster that takes its machine back: it sends SIGTERM and gives a few seconds."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)
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
    """While entered, Ctrl-C and SIGTERM set ``asked`` in place of ending the process; a second one does as ever.

    Outside the main thread, where Python allows no handlers, signals keep their effect.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        for number in SIGNALS if threading.current_thread() is threading.main_thread() else ():
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


def outlive_signals() -> None:
    """Keep this loader process alive for a minute after a SIGTERM, and through any Ctrl-C.

    Schedulers send the one to every process of a job, a terminal the other. PyTorch raises in the training process
    wherever that stands when a loader dies, in the middle of an update too, and then there would be nothing whole to
    save.
    """

    def later(signum: int, frame: FrameType | None) -> None:
        signal.alarm(LOADER_SECONDS)

    signal.signal(signal.SIGTERM, later)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it goes with the training process, whenever that goes
