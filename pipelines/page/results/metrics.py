"""Reading metrics of ``evaluate``, ``robustness``, ``export``: methods are data; an older run lacks what came later."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from compositing.tables import STRENGTHS

MODEL = "refine"
"""The method that the page is about."""
OWN = (MODEL, "refine_coarse", "base")
"""The project's own networks: all others are rivals."""
FEWEST_CLIPS = 10
"""Intervals are over clips, and fewer tell nothing."""

Values = Mapping[str, float]


class Metrics(NamedTuple):
    """What the three stages wrote."""

    evaluate: dict[str, Any]
    """``metrics/evaluate.json``."""
    robustness: dict[str, Any]
    """``metrics/robustness.json``; empty where the stage has not run."""
    export: dict[str, Any]
    """``metrics/export.json``; empty where the stage has not run."""

    @property
    def test(self) -> dict[str, dict[str, Values]]:
        """Strength -> method -> measure, strengths from easy to hard."""
        return in_order(self.evaluate["test"], STRENGTHS)

    @property
    def sets(self) -> dict[str, dict[str, Any]]:
        """The further test sets, the real ones first."""
        found = self.evaluate.get("sets") or {}
        return dict(sorted(found.items(), key=lambda item: (not item[1].get("real"), item[0])))

    @property
    def real(self) -> dict[str, dict[str, Any]]:
        """The further test sets that hold real mattes."""
        return {name: found for name, found in self.sets.items() if found.get("real")}


def read(folder: Path) -> Metrics:
    """Read the metrics below ``folder``. Raises FileNotFoundError where ``evaluate`` has left none."""
    wanted = folder / "evaluate.json"
    if not wanted.is_file():
        raise FileNotFoundError(f"{wanted} is missing; run 'dvc repro evaluate'")
    evaluate, robustness, export = (_values(folder / f"{name}.json") for name in ("evaluate", "robustness", "export"))
    return Metrics(evaluate, robustness, export)


def _values(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def in_order(found: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Put what a reader knows in its order, anything else after it by name."""
    known = [name for name in names if name in found]
    return {name: found[name] for name in [*known, *sorted(set(found) - set(known))]}


def ordered(methods: Iterable[str]) -> list[str]:
    """Put the model first, then its own lesser forms, then the rivals by name."""
    there = set(methods)
    own = [name for name in OWN if name in there]
    return own + sorted(there - set(own))


def best_rival(methods: Mapping[str, Values], measure: str = "mad") -> tuple[str, float] | None:
    """Return the rival with the smallest error, or None where none has the measure."""
    found = {name: v for name, values in methods.items() if name not in OWN and (v := values.get(measure)) is not None}
    return min(found.items(), key=lambda item: (item[1], item[0])) if found else None


def number(value: float | None) -> str:
    """Write a measure with three digits; a dash where there is none."""
    if value is None:
        return "–"
    return f"{value:.0f}" if abs(value) >= 99.95 else f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"


def interval(pair: Iterable[float] | None) -> str:
    """Write an interval, or nothing."""
    return "" if pair is None else " to ".join(number(value) for value in pair)


def plain(name: str) -> str:
    """Write a key as words."""
    return name.replace("_", " ")
