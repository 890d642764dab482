"""Where a step's time goes."""

import contextlib
import time
from collections.abc import Iterator

import torch

from training.watch import memory


class Clock:
    """Adds up the time of the named phases of a step, so that a starved device shows in the log."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._lap: dict[str, float] = {}
        self._spent: dict[str, float] = {}
        self._times: dict[str, float] = {}

    @contextlib.contextmanager
    def __call__(self, phase: str, part: float = 1.0) -> Iterator[None]:
        """Time a block as a phase of a step, or as a part of that, 0 to 1."""
        started = time.perf_counter()
        yield
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # the block only queued its work
        seconds = time.perf_counter() - started
        for spent in (self._spent, self._lap):
            spent[phase] = spent.get(phase, 0.0) + seconds
        self._times[phase] = self._times.get(phase, 0.0) + part

    def lap(self) -> dict[str, float]:
        """Seconds of each phase since the last lap: a step's, with all its parts."""
        spent, self._lap = self._lap, {}
        return spent

    def summary(self) -> str:
        """Milliseconds a step in each phase since the last summary, and the most memory used so far."""
        text = ", ".join(f"{name} {1000 * self._spent[name] / self._times[name]:.0f}" for name in self._spent)
        self._spent, self._times = {}, {}
        return f"ms a step: {text}; peak memory {memory.peak(self.device):.2f} GiB"
