"""Robustness curves: error against one change of the captured background at a time, published ranges shaded."""

from collections.abc import Mapping, Sequence
from typing import Any

from pipelines.page.figures import SOFT, colour_of, figure_html, label, new_figure
from pipelines.page.results.metrics import MODEL, best_rival, in_order, number, ordered, plain

ABSENT = "Not measured yet: run 'dvc repro robustness'."
SWEEPS = {
    "shift": "pixels at 512",
    "exposure": "stops",
    "white_balance": "stops",
    "gamma": "",
    "noise": "",
    "jpeg": "quality",
    "shadow": "",
}
"""The sweeps in the order of the page, with their units in a word."""
NOWHERE, UNMEASURED = "nowhere in this range", "not measured"
ROW = ("name", "published", "least", "within", "most", "at", "breaks", "rival")
FACTOR = 2.0
"""How much the error may grow before the model counts as broken."""

Point = Mapping[str, Any]


def chapter(robustness: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a row in numbers and a figure for each sweep; None where there are no curves."""
    curves = in_order(robustness.get("curves") or {}, SWEEPS)
    if not curves:
        return None
    methods = ordered({key for curve in curves.values() for point in curve["points"] for key in point} - {"value"})
    return {
        "legend": [(name, colour_of(name, methods)) for name in methods],
        "rows": [row(name, curve) for name, curve in curves.items()],
        "figures": [draw(name, curve, methods) for name, curve in curves.items()],
    }


def row(name: str, curve: Mapping[str, Any]) -> dict[str, Any]:
    """Sum a sweep up: its smallest error, the largest one, the largest within the published range, where it breaks."""
    points = [point for point in curve["points"] if point.get(MODEL) is not None]
    if not points:
        return dict.fromkeys(ROW, "–") | {"name": plain(name), "breaks": UNMEASURED}
    worst = max(points, key=lambda point: float(point[MODEL]))
    published = curve.get("published")
    inside = [p for p in points if published and published[0] <= p["value"] <= published[1]]
    rival = best_rival({key: {"mad": value} for key, value in worst.items() if key != "value"})
    return {
        "name": plain(name),
        "published": f"{published[0]:g} to {published[1]:g}" if published else "none",
        "least": number(min(p[MODEL] for p in points)),
        "within": number(max(p[MODEL] for p in inside)) if inside else "–",
        "most": number(worst[MODEL]),
        "at": f"{worst['value']:g}",
        "breaks": breaks(points),
        "rival": f"{rival[0]} {number(rival[1])}" if rival else "–",
    }


def breaks(points: Sequence[Point], method: str = MODEL) -> str:
    """Say from which value on, to either side of its best, a method's error is twice its smallest."""
    points = sorted(points, key=lambda point: float(point["value"]))
    best = min(range(len(points)), key=lambda at: float(points[at][method]))
    limit = FACTOR * float(points[best][method])
    below = [p["value"] for p in points[:best] if p[method] >= limit]
    above = [p["value"] for p in points[best:] if p[method] >= limit]
    said = [f"≤ {max(below):g}"] if below else []
    said += [f"≥ {min(above):g}"] if above and limit else []
    return " or ".join(said) or NOWHERE


def draw(name: str, curve: Mapping[str, Any], methods: list[str]) -> str:
    """Draw one sweep: a line a method, the published range shaded behind them."""
    points = sorted(curve["points"], key=lambda point: float(point["value"]))
    figure = new_figure(260, legend=False)
    for method in reversed(methods):
        known = [point for point in points if point.get(method) is not None]
        if not known:
            continue
        figure.add_scatter(
            x=[point["value"] for point in known],
            y=[point[method] for point in known],
            name=label(method),
            mode="lines+markers",
            line={"color": colour_of(method, methods), "width": 3 if method == MODEL else 1.5},
            marker_size=6 if method == MODEL else 4,
        )
    if published := curve.get("published"):
        low, high = published
        if low == high:
            figure.add_vline(x=low, line_dash="dot", line_color=SOFT)
        else:
            figure.add_vrect(x0=low, x1=high, fillcolor="#5c6470", opacity=0.13, line_width=0, layer="below")
    figure.update_yaxes(title="MAD × 1000", rangemode="tozero")
    return figure_html(figure, plain(name), curve["unit"])
