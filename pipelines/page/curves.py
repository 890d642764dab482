"""Training curves and bars, as plotly figures in HTML."""

from pathlib import Path

import pandas as pd
import plotly.graph_objects as go

KEPT, REJECTED = "#3a7d44", "#b5523b"
LAYOUT = {
    "template": "plotly_white",
    "height": 320,
    "margin": {"l": 60, "r": 20, "t": 44, "b": 44},
    "font": {"family": "system-ui, sans-serif", "size": 13},
}
CONFIG = {"displayModeBar": False, "responsive": True}


def figure_html(figure: go.Figure) -> str:
    """Return a figure as HTML that needs plotly.js once on the page, and fits its place."""
    return str(figure.to_html(full_html=False, include_plotlyjs=False, config=CONFIG))


def training(folder: Path, title: str) -> list[str]:
    """Draw one figure a family of curves (``train/...``, ``valid/...``) that DVCLive wrote below ``folder``."""
    families: dict[str, list[tuple[str, pd.DataFrame]]] = {}
    top = folder / "plots" / "metrics"
    for file in sorted(top.rglob("*.tsv")):
        name = file.relative_to(top).with_suffix("").as_posix()
        family, _, curve = name.rpartition("/")
        families.setdefault(family, []).append((curve, pd.read_csv(file, sep="\t")))
    figures = []
    for family, curves in families.items():
        figure = go.Figure(layout={**LAYOUT, "title": f"{title}: {family or 'run'}"})
        for curve, frame in curves:
            figure.add_scatter(x=frame["step"], y=frame.iloc[:, -1], name=curve, mode="lines")
        figure.update_xaxes(title="step")
        if all((frame.iloc[:, -1] > 0).all() for _, frame in curves):
            figure.update_yaxes(type="log")
        figures.append(figure_html(figure))
    return figures


def rejected(counts: list[tuple[str, int]]) -> str:
    """Draw how many backgrounds were kept, and rejected by each rule."""
    names, values = zip(*reversed(counts), strict=True)
    colours = [KEPT if name == "kept" else REJECTED for name in names]
    figure = go.Figure(layout={**LAYOUT, "height": 80 + 30 * len(names), "title": "backgrounds by verdict"})
    figure.add_bar(x=values, y=names, orientation="h", marker_color=colours, text=values, textposition="outside")
    figure.update_xaxes(range=[0, 1.15 * max(1, *values)])
    figure.update_yaxes(automargin=True)
    return figure_html(figure)


def comparison(table: dict[str, dict[str, dict[str, float]]], metric: str, title: str) -> str:
    """Draw strength -> method -> metric as grouped bars."""
    figure = go.Figure(layout={**LAYOUT, "title": title, "barmode": "group"})
    methods = list(dict.fromkeys(method for methods in table.values() for method in methods))
    for method in methods:
        values = [table[strength].get(method, {}).get(metric) for strength in table]
        words = [f"{v:.1f}" for v in values]
        figure.add_bar(x=list(table), y=values, name=method, text=words, textposition="outside")
    return figure_html(figure)
