"""How fast training goes, in one line."""

from collections import deque
from collections.abc import Mapping

WINDOW = 20
"""Steps that the figures are taken over."""


class Pace:
    """Samples a second and the share of time that steps waited for data, over the last few steps.

    Validation and checkpoints do not count.
    """

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self._steps: deque[tuple[float, float]] = deque(maxlen=WINDOW)

    def step(self, phases: Mapping[str, float]) -> None:
        """Count a step, by the seconds of its phases; ``data`` is the wait."""
        self._steps.append((sum(phases.values()), phases["data"]))

    @property
    def figures(self) -> dict[str, float]:
        """``samples_per_second``, over all devices, and ``waiting``, the share of time without data, 0 to 1."""
        seconds = sum(total for total, _ in self._steps) or float("nan")
        waited = sum(wait for _, wait in self._steps)
        return {"samples_per_second": self.batch * len(self._steps) / seconds, "waiting": waited / seconds}

    def note(self, terms: Mapping[str, float]) -> str:
        """The loss, its terms and the pace in words."""
        parts = ", ".join(f"{name} {value:.4f}" for name, value in terms.items() if name != "total")
        found = self.figures
        rate, waiting = found["samples_per_second"], found["waiting"]
        speed = f"{rate:.{1 if rate < 100 else 0}f} samples/s"
        return f"loss {terms['total']:.4f} ({parts}); {speed}, {waiting:.0%} of the time waiting for data"
