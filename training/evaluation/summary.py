"""What the rows of the evaluation add up to: means by strength and by case, slices, intervals, lines in words."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from training.evaluation.intervals import LEAST_CLIPS, clip_count, intervals
from training.evaluation.slices import slices, worst
from training.evaluation.tables import MEASURES, METHODS
from training.evaluation.tuning import Classical
from training.testsets.testset import Unusable

JUDGED = "refine"
"""The method whose worst slices are told."""
SAMPLE_WORDS = "the embedded sample's figures say that the pipeline works, and nothing of real mattes"


def summary(rows: Sequence[Mapping[str, Any]], classical: Classical) -> dict[str, Any]:
    """Sum the table up as ``metrics/evaluate.json``.

    ``test.STRENGTH.METHOD.MEASURE``: means over samples, in the units of the table's MEASURES (those of Robust Video
    Matting: MAD and MSE x 1000, gradient and connectivity / 1000; those of Background Matting V2 where a name ends in
    unknown); a region's mean is over the samples that have it.
    ``intervals.STRENGTH.METHOD.MEASURE``: [low, high], 95 % bootstrap over clips, or null; ``clips.STRENGTH``: how many
    clips. ``ratios.STRENGTH``: MAD of refine over classical, and gradient error of refine over its own coarse alpha.
    ``cases.CASE.METHOD.MEASURE``: the strength ``cases`` apart, where the test set has hard cases. An empty case has no
    region but the one of alpha 0; its gradient error says little, as the metric stretches even the faintest alpha to
    full contrast.
    ``slices`` and ``worst``: see ``training.evaluation.slices``.
    ``classical.STRENGTH``: what won on ``valid``, and each rival's MAD x 1000 there. ``samples.STRENGTH``: how many.
    """
    table = pd.DataFrame(rows)
    methods = _methods(table)
    test: dict[str, Any] = {}
    ratios: dict[str, Any] = {}
    samples: dict[str, int] = {}
    sure: dict[str, Any] = {}
    clips: dict[str, int] = {}
    for strength in classical.tuned:
        part = table[table["strength"] == strength]
        test[strength] = _by_method(part, methods)
        samples[strength] = int((part["method"] == JUDGED).sum())
        sure[strength] = intervals(part, methods, list(MEASURES), f"test {strength}")
        clips[strength] = clip_count(part)
        figures = test[strength]
        ratios[strength] = {
            "refine_mad_to_classical": _ratio(figures["refine"]["mad"], figures["classical"]["mad"]),
            "refine_grad_to_coarse": _ratio(figures["refine"]["grad"], figures["refine_coarse"]["grad"]),
        }
    won = {
        strength: {"won": tuned.rival, **{f"valid_{name}": round(1000 * mad, 4) for name, mad in tuned.mad.items()}}
        for strength, tuned in classical.tuned.items()
    }
    cases = {case: _by_method(part, methods) for case, part in table.dropna(subset=["case"]).groupby("case")}
    cut = slices(table, methods)
    ordinary = table[(table["strength"] != "cases") & (table["method"] == JUDGED)]
    return {
        "test": test,
        "intervals": sure,
        "clips": clips,
        "ratios": ratios,
        "samples": samples,
        "classical": won,
        "cases": cases,
        "slices": cut,
        "worst": worst(cut, float(ordinary["mad"].mean()), JUDGED),
    }


def set_summary(
    name: str, rows: Sequence[Mapping[str, Any]], real: bool, unusable: Sequence[Unusable]
) -> dict[str, Any]:
    """Sum a further test set up: ``sets.NAME`` of ``metrics/evaluate.json``.

    samples, clips, real (whether its mattes are of real people), ``methods.METHOD.MEASURE`` over all samples and
    ``intervals`` of the same form; ``strengths.STRENGTH`` = {samples, methods, intervals} where there are several; and
    ``unusable``, a list of {name, reason}. Raises ValueError where nothing was measured.
    """
    if not rows:
        reasons = "; ".join(f"{each.name}: {each.reason}" for each in unusable[:3]) or "the set is empty"
        raise ValueError(f"test set '{name}': no sample could be measured: {reasons}")
    table = pd.DataFrame(rows)
    found = {
        "real": real,
        "clips": clip_count(table),
        **_set_part(name, table),
        "unusable": [each._asdict() for each in unusable],
    }
    parts = dict(iter(table.groupby("strength", sort=False)))
    if len(parts) > 1:
        found["strengths"] = {s: _set_part(f"{name} {s}", part) for s, part in parts.items()}
    return found


def _set_part(name: str, table: pd.DataFrame) -> dict[str, Any]:
    methods = _methods(table)
    return {
        "samples": int((table["method"] == methods[0]).sum()),
        "methods": _by_method(table, methods),
        "intervals": intervals(table, methods, list(MEASURES), name),
    }


def headline(sample: bool, sets: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Which figures are the headline: ``set`` (``test``, a further set, or null) and ``words`` that say why.

    ``sample``: whether the project's own test set is of the embedded sample. Real mattes are the headline when there
    are any; the sample's figures never.
    """
    real = [name for name, found in sets.items() if found["real"]]
    if real:
        return {"set": real[0], "words": f"real mattes: test set '{real[0]}'"}
    if sample:
        return {"set": None, "words": f"no headline: {SAMPLE_WORDS}"}
    return {"set": "test", "words": "the frozen test set: real mattes over photographs"}


def _methods(table: pd.DataFrame) -> list[str]:
    """The methods that are there, the usual ones first."""
    there = list(dict.fromkeys(table["method"]))
    return [name for name in METHODS if name in there] + [name for name in there if name not in METHODS]


def _by_method(rows: pd.DataFrame, methods: Sequence[str]) -> dict[str, dict[str, float]]:
    return {method: _means(rows[rows["method"] == method]) for method in methods}


def _means(rows: pd.DataFrame) -> dict[str, float]:
    means = rows[list(MEASURES)].astype("float64").mean()
    return {name: round(float(value), 4) for name, value in means.items() if not np.isnan(value)}


def _ratio(value: float, reference: float) -> float | None:
    return round(value / reference, 4) if reference else None


def plot_rows(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows for ``dvc plots``: one a strength and method."""
    shown = ("mad", "mse", "grad", "conn")
    return [
        {"bar": f"{strength}: {method}", **{name: figures[name] for name in shown}}
        for strength, methods in values["test"].items()
        for method, figures in methods.items()
    ]


def lines(values: Mapping[str, Any]) -> list[str]:
    """The main figures in words, a line a strength."""
    said = []
    for strength, methods in values["test"].items():
        figures = ", ".join(f"{method} {found['mad']:.1f}" for method, found in methods.items())
        ratios = values["ratios"][strength]
        said.append(
            f"{strength}: test MAD x 1000: {figures}; refine over classical {ratios['refine_mad_to_classical']}, "
            f"gradient over its own coarse {ratios['refine_grad_to_coarse']}"
        )
    for case, methods in values["cases"].items():
        said.append(f"{case}: " + ", ".join(f"{method} {found['mad']:.1f}" for method, found in methods.items()))
    for name, found in values.get("sets", {}).items():
        figures = ", ".join(f"{method} {means['mad']:.1f}" for method, means in found["methods"].items())
        said.append(f"set {name}: {found['samples']} samples of {found['clips']} clips, MAD x 1000: {figures}")
        said += [f"set {name}: {each['name']} is left out: {each['reason']}" for each in found["unusable"]]
    fewest = min(values["clips"].values(), default=0)
    if fewest < LEAST_CLIPS:
        said.append(f"no intervals: {fewest} clips, below {LEAST_CLIPS}")
    if values["worst"]:
        bad = values["worst"][:3]
        said.append("refine is worst at " + ", ".join(f"{b['slice']} {b['bucket']} ({b['mad']:.1f})" for b in bad))
    if "headline" in values:
        said.append(f"headline: {values['headline']['words']}")
    return said
