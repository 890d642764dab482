"""Where the model fails: its worst slices, and probes that unmask plain background subtraction."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from compositing.tables import STRENGTHS
from pipelines.page.figures import MODEL_COLOUR, SOFT, figure_html, label, new_figure
from pipelines.page.results import robustness
from pipelines.page.results.metrics import MODEL, Metrics, best_rival, in_order, number, ordered, plain

NO_SLICES = "Not measured yet: run 'dvc repro evaluate'."
NO_PROBES = "Not measured yet: run 'dvc repro robustness'."
FIRST = 3
"""Worst slices and probes named at the top."""
MOST_WORST = 12
MOST_BUCKETS = 12
"""Buckets drawn of a slice, worst first: scenes may be hundreds."""
COUNTS = ("samples", "clips")
NUMBER = re.compile(r"\d+(\.\d+)?")
LITTLE, MUCH = ("still", "below", "under", "less"), ("above", "over", "more")
SLICES = {
    "coverage": "share of the frame that the person covers",
    "soft": "soft pixels (hair, blur)",
    "colour_distance": "colour distance of person and scene",
    "motion": "motion blur",
    "indoor": "place",
    "strength": "captured background",
    "case": "hard case",
}
"""Slices whose key does not say what they are."""
PROBES = (
    "swapped", "shadow_only", "empty_minus_1ev", "empty_plus_1ev", "moved_object", "changed_screen", "camouflage",
    "plate_is_source", "plate_recompressed", "wrong_plate",
)  # fmt: skip
ORDER = ("strength", "case", "coverage", "soft", "colour_distance", "motion", "indoor", "scene")


def bucket_words(name: str, bucket: object) -> str:
    """Name a bucket of a slice: 'scene: kitchen'."""
    return f"{SLICES.get(name, plain(name))}: {plain(str(bucket))}"


def worst(metrics: Metrics) -> list[dict[str, Any]]:
    """Return the worst buckets of the model, worst first: what they are, how many, the error and its share."""
    found = []
    for item in (metrics.evaluate.get("worst") or [])[:MOST_WORST]:
        overall = item.get("overall")
        found.append(
            {
                "words": bucket_words(item["slice"], item["bucket"]),
                "samples": item["samples"],
                "clips": item["clips"],
                "mad": number(item["mad"]),
                "overall": number(overall),
                "times": f"{item['mad'] / overall:.1f}" if overall else "–",
            }
        )
    return found


def slices(metrics: Metrics) -> list[str]:
    """Draw each slice: the model's error by bucket as a bar, the best rival's as a tick."""
    found = in_order(metrics.evaluate.get("slices") or {}, ORDER)
    return [_slice(name, buckets) for name, buckets in found.items() if buckets]


def _slice(name: str, buckets: Mapping[str, Any]) -> str:
    title = f"by {SLICES.get(name, plain(name))}"
    known = {bucket: values for bucket, values in buckets.items() if (values.get(MODEL) or {}).get("mad") is not None}
    known = in_order(known, STRENGTHS if name == "strength" else by_size(known))
    if len(known) > MOST_BUCKETS:
        title += f": the {MOST_BUCKETS} worst of {len(known)}"
        ranked = sorted(known, key=lambda bucket: -float(known[bucket][MODEL]["mad"]))
        known = {bucket: known[bucket] for bucket in ranked[:MOST_BUCKETS]}
    names = [f"{label(plain(bucket))} ({known[bucket]['samples']})" for bucket in known]
    values = [part[MODEL]["mad"] for part in known.values()]
    figure = new_figure(64 + 30 * len(names), legend=False)
    figure.add_bar(x=values, y=names, orientation="h", marker_color=MODEL_COLOUR, name=MODEL, width=0.6)
    rivals = [best_rival({m: v for m, v in part.items() if m not in COUNTS}) for part in known.values()]
    figure.add_scatter(
        x=[rival[1] if rival else None for rival in rivals],
        y=names,
        mode="markers",
        marker={"symbol": "line-ns-open", "size": 17, "line_width": 3, "color": "#d98032"},
        text=[rival[0] if rival else "" for rival in rivals],
        name="best rival",
    )
    figure.update_xaxes(title="MAD × 1000", rangemode="tozero")
    figure.update_yaxes(autorange="reversed", showgrid=False, tickfont={"size": 12, "color": SOFT})
    return figure_html(figure, title)


def by_size(buckets: Iterable[str]) -> list[str]:
    """Put buckets that say how much from little to much, others by name: tables of metrics are sorted by letters."""

    def size(bucket: str) -> tuple[int, float, str]:
        found = NUMBER.search(bucket)
        side = 0 if bucket.startswith(LITTLE) else 2 if bucket.startswith(MUCH) else 1
        return (side, float(found[0]) if found else 0.0, bucket)

    return sorted(buckets, key=size)


def probes(metrics: Metrics) -> dict[str, Any] | None:
    """Return the probes as a table: what is measured, how often, each method's number; None where there are none."""
    found = probed(metrics)
    if not found:
        return None
    methods = ordered({key for probe in found.values() for key in probe} - {"samples", "measure"} - _not_numbers(found))
    rows = []
    for name, probe in found.items():
        best = number(min((probe[m] for m in methods if probe.get(m) is not None), default=None))
        texts = [number(probe.get(m)) for m in methods]
        cells = [{"text": text, "best": text == best != number(None)} for text in texts]
        rows.append(
            {"name": plain(name), "measure": probe.get("measure", ""), "samples": probe.get("samples"), "cells": cells}
        )
    return {"methods": methods, "rows": rows}


def probed(metrics: Metrics) -> dict[str, Any]:
    """Return the probes as ``robustness`` wrote them, in the order of the page; empty where there are none."""
    return in_order(metrics.robustness.get("probes") or {}, PROBES)


def _not_numbers(found: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Keys that describe a probe rather than measure it."""
    return {k for probe in found.values() for k, v in probe.items() if not isinstance(v, (int, float, type(None)))}


def first(metrics: Metrics) -> list[str]:
    """Say in a few sentences where the model fails: slices, probes, the changes that break it."""
    said = []
    slow = worst(metrics)[:FIRST]
    if slow:
        named = "; ".join(f"{item['words']} (MAD {item['mad']}, {item['times']} times the average)" for item in slow)
        said.append(f"Worst slices: {named}.")
    traps = [(probe[MODEL], name) for name, probe in probed(metrics).items() if probe.get(MODEL) is not None]
    if traps:
        told = "; ".join(f"{plain(name)} {number(value)}" for value, name in sorted(traps, reverse=True)[:FIRST])
        said.append(f"Probes it fails most (0 is right, 1000 all wrong): {told}.")
    broken = [
        f"{plain(name)} {words} {robustness.SWEEPS.get(name, '')}".rstrip()
        for name, curve in in_order(metrics.robustness.get("curves") or {}, robustness.SWEEPS).items()
        if (words := robustness.row(name, curve)["breaks"]) not in (robustness.NOWHERE, robustness.UNMEASURED)
    ]
    if broken:
        said.append(f"Changes of the captured background that at least double its error: {'; '.join(broken)}.")
    return said
