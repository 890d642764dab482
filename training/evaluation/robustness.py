"""Robustness curves: the error of alpha against one thing that differs between source and captured background.

A few composites of the frozen test set that were captured without perturbation (strength ``exact``) are perturbed here,
one thing at a time, further than any training goes. Beside the curves each sample goes through the probes
(``training.evaluation.probes``). One part a sample, on one thread, so that the numbers hang on no number of workers.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from compositing.shards.reader import Sample, ShardReader
from training.config import RobustnessParams
from training.evaluation import changes, probes
from training.evaluation.changes import Chance
from training.evaluation.choosing import Project, build_methods
from training.evaluation.methods import Method, Prediction, one_thread
from training.evaluation.plain import PlainDifference

ROWS = "rows.json"
STRENGTH = "exact"
"""Composites whose captured background shows the scene as it is: all that differs is what is changed here."""


class Sweep(NamedTuple):
    """What a curve is drawn over."""

    unit: str
    published: tuple[float, float] | None
    """How far Background Matting V2 perturbed it: in training as the preset ``published`` has it, for gamma in the
    paper's own test (section 5.1); None: not at all."""
    neutral: float | None
    """The value that changes nothing; None: any changes something."""


SWEEPS = {
    "shift": Sweep("pixels at 512 on the long side, in a direction of each sample's own", (0.0, 5.0), 0.0),
    "exposure": Sweep("stops by which the captured background is brighter", (-0.25, 0.25), 0.0),
    "white_balance": Sweep("stops that red of the captured background is up and blue down", (-0.1, 0.1), 0.0),
    "gamma": Sweep("exponent of the captured background's display values", (0.85, 1.15), 1.0),
    "noise": Sweep("sigma of both pictures' own noise at mid grey, display values 0 to 1", (0.0, 0.03), 0.0),
    "jpeg": Sweep("JPEG quality of both pictures", None, None),
    "shadow": Sweep("share of display values that the person's shadow takes from the source's scene", (0.0, 0.3), 0.0),
}


@dataclass(frozen=True)
class RobustnessTask:
    """One sample through every sweep and probe. Goes to a worker process as it is."""

    shards: Path
    table: Path
    methods: tuple[str, ...]
    """By name; a plain colour difference comes before them."""
    project: Project
    params: RobustnessParams
    position: int
    """Of the sample among those of strength ``exact``."""
    other: int | None
    """Of one that shows another place, for the wrong plate; None: there is none."""
    pictured: bool
    """Whether the report shows it."""


def tasks(
    shards: Path, table: Path, methods: tuple[str, ...], project: Project, params: RobustnessParams
) -> dict[str, RobustnessTask]:
    """Choose samples spread evenly over the test set's ``exact`` ones with somebody in them: one task each.

    Raises ValueError where the test set has none.
    """
    reader = ShardReader(shards, table, "test", {"strength": STRENGTH})
    recipes = reader.recipes()
    images, shown = recipes["image_id"], np.flatnonzero(~recipes["empty"].to_numpy(bool))
    if not len(shown):
        raise ValueError(f"{table}: nobody is in any '{STRENGTH}' sample of test; raise plan.test.count and plan again")
    places = np.unique(np.linspace(0, len(shown) - 1, min(params.samples, len(shown))).round().astype(int))
    found = {}
    for number, position in enumerate(shown[places].tolist()):
        others = [i for i in (*range(position + 1, len(reader)), *range(position)) if images[i] != images[position]]
        found[f"sample-{reader.ordinals[position]:06d}"] = RobustnessTask(
            shards, table, methods, project, params, position, others[0] if others else None, number < params.pictured
        )
    return found


def robustness_part(task: RobustnessTask, folder: Path) -> None:
    """Measure one sample: rows into ``rows.json``, and a strip of pictures a probe where it is to be pictured."""
    reader = ShardReader(task.shards, task.table, "test", {"strength": STRENGTH})
    sample = reader.read(task.position)
    other = None if task.other is None else reader.read(task.other, recipe=False).bgr
    chance = changes.draw_chance(task.params.seed, int(reader.ordinals[task.position]))
    methods = [PlainDifference(), *build_methods(task.methods, task.project)]
    # Settings of a baseline are those of a camera nobody knows: what is measured hangs on no strength.
    sample = sample._replace(recipe={**sample.recipe, "strength": None})
    identity = {"composite_id": sample.recipe["composite_id"], "ordinal": int(sample.recipe["ordinal"])}
    with one_thread():
        rows = [{**identity, "kind": "curve", **row} for row in _curves(sample, chance, task.params, methods)]
        for name, probe in probes.build_probes(sample, other, chance).items():
            found = answers(probe.sample, methods)
            for method, prediction in found.items():
                row = {"name": name, "value": 0.0, "method": method, "mad": probe.error(prediction.pha)}
                rows.append({**identity, "kind": "probe", **row})
            if task.pictured:
                probes.write_strip(probe, {m: p.pha for m, p in found.items()}, folder / f"{name}.png")
    (folder / ROWS).write_text(json.dumps(rows), encoding="utf-8")


def answers(sample: Sample, methods: Sequence[Method]) -> dict[str, Prediction]:
    """What each method says of one sample, by name; one at a time, as frames may be large."""
    alone = [sample]
    return {method.name: method.predict(alone)[0] for method in methods}


def _curves(
    sample: Sample, chance: Chance, params: RobustnessParams, methods: Sequence[Method]
) -> list[dict[str, Any]]:
    margin = changes.margin_of(sample, max(params.shift, default=0.0))
    inner = changes.cropped(sample, margin)
    truth = inner.pha.astype(np.float32) / np.float32(255)

    def measured(changed: Sample) -> dict[str, float]:
        return {name: mad(prediction.pha, truth) for name, prediction in answers(changed, methods).items()}

    untouched: dict[str, float] = {}
    rows = []
    for name, sweep in SWEEPS.items():
        for value in sorted(getattr(params, name)):
            if value == sweep.neutral:
                untouched = untouched or measured(inner)
                found = untouched
            else:
                found = measured(changed(sample, name, value, chance, margin))
            rows += [{"name": name, "value": float(value), "method": m, "mad": error} for m, error in found.items()]
    return rows


def changed(sample: Sample, sweep: str, value: float, chance: Chance, margin: int) -> Sample:
    """A sample with one thing changed, cut by ``margin`` pixels a side. Raises ValueError for an unknown sweep."""
    match sweep:
        case "shift":
            return changes.shifted(sample, value, chance, margin)
        case "exposure":
            whole = changes.exposed(sample, value, chance)
        case "white_balance":
            whole = changes.tinted(sample, value, chance)
        case "gamma":
            whole = changes.bent(sample, value, chance)
        case "noise":
            whole = changes.noisy(sample, value, chance)
        case "jpeg":
            whole = changes.compressed(sample, int(value))
        case "shadow":
            whole = changes.shaded(sample, value, chance)
        case _:
            raise ValueError(f"sweep '{sweep}' is not known; expected {', '.join(SWEEPS)}")
    return changes.cropped(whole, margin)


def mad(predicted: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    """Mean absolute difference of two alphas, (H, W) 0 to 1, x 1000."""
    return 1000 * float(np.abs(predicted - truth).mean(dtype=np.float64))


def collect(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Read the rows of all parts; they fit ``training.evaluation.tables.ROBUSTNESS``."""
    return [row for folder in folders for row in json.loads((folder / ROWS).read_text(encoding="utf-8"))]


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Sum the table up as ``metrics/robustness.json``.

    ``curves.SWEEP``: ``unit``, ``published`` ([low, high], null where the published recipe perturbs nothing) and
    ``points``, each with its ``value`` and, by method, the mean MAD x 1000 over ``samples``; ``mean.SWEEP.METHOD``: the
    mean over the points, a figure that experiments can be compared by. ``probes.PROBE``: ``samples``, ``measure`` in
    words, and a figure a method.
    """
    table = pd.DataFrame(rows)
    order = list(dict.fromkeys(table["method"]))
    points, samples = _means(table[table["kind"] == "curve"], order), int(table["ordinal"].nunique())
    curves: dict[str, Any] = {}
    for (name, value), figures in points.items():
        sweep = SWEEPS[name]
        curve = curves.setdefault(name, {"unit": sweep.unit, "published": sweep.published, "points": []})
        curve["points"].append({"value": value, **figures})
    mean = {
        name: {m: round(float(np.mean([point[m] for point in curve["points"]])), 4) for m in order}
        for name, curve in curves.items()
    }
    probed = table[table["kind"] == "probe"]
    traps: dict[str, Any] = {}
    for (name, _), figures in _means(probed, order).items():
        count = int(probed.loc[probed["name"] == name, "ordinal"].nunique())
        traps[name] = {"samples": count, "measure": probes.MEASURES[name], **figures}
    return {"samples": samples, "curves": curves, "mean": mean, "probes": traps}


def _means(rows: pd.DataFrame, order: Sequence[str]) -> dict[tuple[str, float], dict[str, float]]:
    groups = rows.groupby(["name", "value", "method"], sort=False)["mad"].mean()
    names = dict.fromkeys((name, value) for name, value, _ in groups.index)
    return {(name, float(value)): {m: round(float(groups[name, value, m]), 4) for m in order} for name, value in names}


def plot_rows(values: Mapping[str, Any]) -> dict[str, list[dict[str, float]]]:
    """Rows for ``dvc plots``, a file a sweep: one a point, a column a method."""
    return {f"{name}.json": curve["points"] for name, curve in values["curves"].items()}


def lines(values: Mapping[str, Any]) -> list[str]:
    """The figures in words, a line a curve and a probe."""
    said = []
    for name, curve in values["curves"].items():
        first, last = curve["points"][0], curve["points"][-1]
        figures = ", ".join(f"{m} {first[m]:.1f} to {last[m]:.1f}" for m in first if m != "value")
        said.append(f"{name} {first['value']:g} to {last['value']:g}: MAD x 1000: {figures}")
    for name, probe in values["probes"].items():
        figures = ", ".join(f"{m} {v:.0f}" for m, v in probe.items() if m not in ("samples", "measure"))
        said.append(f"probe {name}: {figures} (0 is right, 1000 all wrong)")
    return said
