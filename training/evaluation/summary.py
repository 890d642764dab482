"""What the rows of the evaluation add up to: means by strength and by case, ratios, lines in words."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from training.evaluation.tables import MEASURES, METHODS
from training.evaluation.tuning import Classical


def summary(rows: Sequence[Mapping[str, Any]], classical: Classical) -> dict[str, Any]:
    """Sum the table up as ``metrics/evaluate.json``.

    ``test.STRENGTH.METHOD.MEASURE``: means over samples, in the units of the table's MEASURES (those of Robust Video
    Matting: MAD and MSE x 1000, gradient and connectivity / 1000); a region's mean is over the samples that
    have it.
    ``ratios.STRENGTH``: MAD of refine over classical, and gradient error of refine over its own coarse alpha.
    ``cases.CASE.METHOD.MEASURE``: the strength ``cases`` apart, where the test set has hard cases. An empty case has no
    region but the one of alpha 0; its gradient error says little, as the metric stretches even the faintest alpha to
    full contrast.
    ``classical.STRENGTH``: what won on ``valid``, and each rival's MAD x 1000 there. ``samples.STRENGTH``: how many.
    """
    table = pd.DataFrame(rows)
    test: dict[str, Any] = {}
    ratios: dict[str, Any] = {}
    samples: dict[str, int] = {}
    for strength in classical.tuned:
        part = table[table["strength"] == strength]
        by_method = {method: part[part["method"] == method] for method in METHODS}
        test[strength] = {method: _means(found) for method, found in by_method.items()}
        samples[strength] = len(by_method["refine"])
        figures = test[strength]
        ratios[strength] = {
            "refine_mad_to_classical": _ratio(figures["refine"]["mad"], figures["classical"]["mad"]),
            "refine_grad_to_coarse": _ratio(figures["refine"]["grad"], figures["refine_coarse"]["grad"]),
        }
    won = {
        strength: {"won": tuned.rival, **{f"valid_{name}": round(1000 * mad, 4) for name, mad in tuned.mad.items()}}
        for strength, tuned in classical.tuned.items()
    }
    cases = {
        case: {method: _means(found) for method, found in part.groupby("method")}
        for case, part in table.dropna(subset=["case"]).groupby("case")
    }
    return {"test": test, "ratios": ratios, "samples": samples, "classical": won, "cases": cases}


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
    return said
