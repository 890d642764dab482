"""The curves of a run: averaged losses and validation, written by DVCLive where 'dvc plots' finds them."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

# Before DVCLive is imported: it would report to DVC Studio where a token is configured.
os.environ.setdefault("DVC_STUDIO_OFFLINE", "true")

from dvclive import Live

from training.watch.board import Board

EVERY = 10


class Record:
    """Averages the loss terms over ten steps and writes them with all else that is to be seen of a run.

    DVC deletes a stage's outputs before each run, so a resumed run writes again what it logged before: its history
    is part of the checkpoint. Nothing here has a time in it, for the files are compared from run to run.
    """

    def __init__(self, folder: Path | None, state: Mapping[str, Any] | None = None, board: Board | None = None) -> None:
        """Write below ``folder``; None keeps the history only, as a rank does that does not lead."""
        self._board = board
        self.history: list[dict[str, Any]] = list(state["history"]) if state else []
        self._sums: dict[str, float] = dict(state["sums"]) if state else {}
        self._count: int = state["count"] if state else 0
        self._live = Live(str(folder), save_dvc_exp=False, dvcyaml=None, report=None) if folder else None
        for entry in self.history:
            self._write(entry)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.end()
        if self._board is not None:
            self._board.close()

    @property
    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps of the record: JSON values."""
        return {"history": self.history, "sums": self._sums, "count": self._count}

    def has(self, step: int, name: str) -> bool:
        """Whether a value of this name was written for a step."""
        return any(entry["step"] == step and name in entry["values"] for entry in self.history)

    def losses(self, step: int, terms: Mapping[str, float], last: bool = False) -> None:
        """Add the loss terms of a step, counted from 1; their mean is written every ten steps and at the last."""
        for name, value in terms.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._count += 1
        if step % EVERY == 0 or last:
            self.write(step, {f"train/{name}": value / self._count for name, value in self._sums.items()})
            self._sums, self._count = {}, 0

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write values of a step, counted from 1; a name's part before the slash is its folder."""
        # Sorted, as the checkpoint's JSON is: a replayed history gives the same files.
        entry = {"step": step, "values": dict(sorted(values.items()))}
        self.history.append(entry)
        self._write(entry)
        if self._board is not None:
            self._board.write(step, values)

    def pace(self, step: int, values: Mapping[str, float]) -> None:
        """Show how fast it goes, on the board alone: times differ from run to run."""
        if self._board is not None:
            self._board.write(step, {f"pace/{name}": value for name, value in values.items()})

    def _write(self, entry: Mapping[str, Any]) -> None:
        if self._live is None:
            return
        self._live.step = entry["step"]
        for name, value in entry["values"].items():
            self._live.log_metric(name, value)
        self._live.make_summary()
