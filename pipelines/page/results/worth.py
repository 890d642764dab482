"""What the model is worth, first of all: on real mattes where there are any, against the best rival."""

from collections.abc import Mapping
from typing import Any

from pipelines.page.figures import INK, LIGHT, colour_of, figure_html, label, new_figure
from pipelines.page.results.metrics import FEWEST_CLIPS, MODEL, Metrics, best_rival, interval, number, ordered

LEVEL = 0.05
"""Errors that differ by less than this share are called level."""
SAMPLE = (
    "The frozen test set is the embedded miniature: drawn figures over drawn and photographed scenes. "
    "Its figures show that the line works; they say nothing about real footage, and none of them is a headline."
)
MEASURE = (
    "To know what the model is worth on footage, measure captured frames with mattes: 'cleanplate evaluate DIR', or "
    "name the folder in 'evaluate.sets' of params.yaml and run 'dvc repro'."
)
FROZEN = (
    "The headline is the frozen test set: real mattes over photographs. Their captured backgrounds are computed, not "
    "captured, so footage may do worse."
)
REAL = "Real mattes are the headline; below them is the project's own frozen test set of composites."


def chapter(metrics: Metrics, preset: str) -> dict[str, Any]:
    """Return the headline: what to believe of it, a row a test set, a sentence about intervals, the bars."""
    compared = rows(metrics)
    told = [REAL] if metrics.real else []
    if preset == "sample":
        told.append(SAMPLE)
    if not metrics.real:
        told += [MEASURE] if preset == "sample" else [FROZEN, MEASURE]
    return {"told": told, "rows": compared, "intervals": about_intervals(metrics), "bars": bars(metrics)}


def rows(metrics: Metrics) -> list[dict[str, Any]]:
    """Return a row a test set, real ones first: the model's MAD beside the best rival's, and their ratio."""
    found = []
    for name, part in metrics.sets.items():
        kind = "real mattes" if part.get("real") else "not real"
        found.append(_row(name, kind, part["methods"], part.get("intervals") or {}, part))
    counts, clips = metrics.evaluate.get("samples", {}), metrics.evaluate.get("clips", {})
    intervals = metrics.evaluate.get("intervals", {})
    for name, methods in metrics.test.items():
        size = {"samples": counts.get(name), "clips": clips.get(name)}
        found.append(_row(name, "composites", methods, intervals.get(name) or {}, size))
    return found


def _row(
    name: str, kind: str, methods: Mapping[str, Any], intervals: Mapping[str, Any], size: Mapping[str, Any]
) -> dict[str, Any]:
    value = methods.get(MODEL, {}).get("mad")
    rival = best_rival(methods)
    ratio = value / rival[1] if rival and rival[1] and value is not None else None
    return {
        "name": name,
        "kind": kind,
        "samples": size.get("samples"),
        "left_out": len(size.get("unusable") or []),
        "clips": size.get("clips"),
        "value": number(value),
        "interval": interval((intervals.get(MODEL) or {}).get("mad")),
        "rival": rival[0] if rival else "none",
        "rival_value": number(rival[1]) if rival else "–",
        "ratio": ratio,
        "words": in_words(ratio),
        "side": _side(ratio),
    }


def in_words(ratio: float | None) -> str:
    """Write a ratio of errors: '0.55 ×'."""
    return "–" if ratio is None else f"{ratio:.2f} ×" if ratio < 10 else f"{ratio:.0f} ×"


def _side(ratio: float | None) -> str:
    if ratio is None:
        return "alone"
    if abs(ratio - 1) < LEVEL:
        return "level"
    return "better" if ratio < 1 else "worse"


def about_intervals(metrics: Metrics) -> str:
    """Say whether there are intervals, and why not where there are none."""
    if "intervals" not in metrics.evaluate:
        return "No intervals: these metrics are of an older evaluation; run 'dvc repro evaluate'."
    few = {name: count for name, count in metrics.evaluate.get("clips", {}).items() if count < FEWEST_CLIPS}
    few |= {name: part["clips"] for name, part in metrics.sets.items() if part.get("clips", 0) < FEWEST_CLIPS}
    words = "Ranges are 95 % bootstrap intervals over clips, since the frames of a clip resemble each other."
    if few:
        told = ", ".join(f"{name} {count}" for name, count in few.items())
        words += f" None below {FEWEST_CLIPS} clips ({told}): too few to tell."
    return words


def bars(metrics: Metrics) -> str:
    """Draw the MAD of every method on every test set, with intervals where there are any."""
    parts = {name: (part["methods"], part.get("intervals") or {}) for name, part in metrics.sets.items()}
    intervals = metrics.evaluate.get("intervals", {})
    parts |= {name: (methods, intervals.get(name) or {}) for name, methods in metrics.test.items()}
    methods = ordered({method for found, _ in parts.values() for method in found})
    figure = new_figure(90 + len(parts) * (24 + 17 * len(methods)), barmode="group")
    for method in methods:
        values = [found.get(method, {}).get("mad") for found, _ in parts.values()]
        ranges = [(known.get(method) or {}).get("mad") for _, known in parts.values()]
        spread: dict[str, Any] = {}
        if any(ranges):
            pairs = list(zip(values, ranges, strict=True))
            spread["error_x"] = {
                "symmetric": False,
                "array": [r[1] - v if r and v is not None else None for v, r in pairs],
                "arrayminus": [v - r[0] if r and v is not None else None for v, r in pairs],
                "color": INK,
                "thickness": 1.5,
                # No caps: plotly would draw those of a missing interval, too.
                "width": 0,
            }
        figure.add_bar(
            x=values,
            y=[label(name) for name in parts],
            name=label(method),
            orientation="h",
            marker_color=colour_of(method, methods),
            text=[number(value) for value in values],
            # At the foot of the bar, where no whisker crosses it.
            textposition="auto",
            insidetextanchor="start",
            constraintext="none",
            textfont_size=11,
            insidetextfont_color=INK if method in LIGHT else "#ffffff",
            textangle=0,
            cliponaxis=False,
            **spread,
        )
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(rangemode="tozero", title="MAD × 1000")
    return figure_html(figure, "Mean absolute difference of alpha × 1000, lower is better")
