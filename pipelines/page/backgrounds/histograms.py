"""What curation kept and why, as plotly figures: binned before they are drawn, for a page of any number of images."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from pipelines.page.backgrounds.limits import Limit, values
from pipelines.page.figures import KEPT, REJECTED, figure_html, label, new_figure

BINS = 60
MOST_SCENES = 40


def rejected(counts: list[tuple[str, int]]) -> str:
    """Draw how many backgrounds were kept, and rejected by each rule."""
    names, found = zip(*counts, strict=True)
    colours = [KEPT if name == "kept" else REJECTED for name in names]
    figure = new_figure(50 + 26 * len(names), legend=False)
    texts = [f"{value:,}" for value in found]
    figure.add_bar(x=found, y=[label(name) for name in names], orientation="h", marker_color=colours, text=texts)
    figure.update_traces(textposition="outside", cliponaxis=False)
    figure.update_xaxes(range=[0, 1.15 * max(1, *found)])
    figure.update_yaxes(autorange="reversed", dtick=1, showgrid=False)
    return figure_html(figure, "backgrounds by verdict")


def yields(verdicts: pd.DataFrame) -> str:
    """Draw the share kept of each scene, lowest first; of more than 40 scenes the 20 lowest and the 20 highest."""
    found = verdicts.assign(scene=verdicts["scene"].fillna("(unknown)")).groupby("scene")["kept"].agg(["mean", "size"])
    found = found.sort_values(["mean", "size"], ascending=[True, False])
    title = f"share kept by scene, {len(found)} scenes"
    if len(found) > MOST_SCENES:
        half = MOST_SCENES // 2
        title += f": the {half} lowest and the {half} highest"
        found = pd.concat([found.iloc[:half], found.iloc[-half:]])
    figure = new_figure(60 + 18 * len(found), legend=False)
    counts = [f"{mean:.0%} of {size:,}" for mean, size in found.itertuples(index=False)]
    figure.add_bar(
        x=found["mean"], y=[label(scene) for scene in found.index], orientation="h", marker_color=KEPT, text=counts
    )
    figure.update_traces(textposition="outside", cliponaxis=False, textfont_size=11)
    figure.update_xaxes(range=[0, 1.25], tickvals=[0, 0.5, 1], tickformat=".0%")
    figure.update_yaxes(autorange="reversed", dtick=1, tickfont_size=11, showgrid=False)
    return figure_html(figure, title)


def scores(verdicts: pd.DataFrame, threshold: float) -> str:
    """Draw the best person score of each image where anything was found, kept and rejected, and the threshold."""
    score = verdicts["person_score"]
    nobody, unseen = int((score == 0).sum()), int(score.isna().sum())
    told = f"left out: {nobody:,} images with nobody, {unseen:,} not looked at"
    some = verdicts[score > 0]
    edges = np.linspace(0, 1, BINS + 1)
    figure = _histogram(some["person_score"], some["kept"], edges, [(threshold, f"{threshold:g}")], "score")
    return figure_html(figure, f"best person score ({told})")


def measures(verdicts: pd.DataFrame, limits: Sequence[Limit]) -> list[str]:
    """Draw each limit's measure, kept and rejected by whatever filter, and its thresholds."""
    figures: list[str] = []
    for limit in limits:
        found = values(verdicts, limit).astype(np.float64)
        if limit.logarithmic:
            found = np.log10(found.clip(lower=0.1))
        thresholds = [(float(np.log10(each)) if limit.logarithmic else each, f"{each:g}") for each in limit.thresholds]
        whole = [*found.dropna(), *(place for place, _ in thresholds)]
        edges = np.linspace(min(whole), max(whole) + 1e-6, BINS + 1)
        figure = _histogram(found, verdicts["kept"], edges, thresholds, limit.words)
        if limit.logarithmic:
            ticks = [(power, digit) for power in range(-1, 7) for digit in (1, 2, 5)]
            figure.update_xaxes(
                range=[edges[0], edges[-1]],
                tickvals=[power + np.log10(digit) for power, digit in ticks],
                ticktext=[f"{digit * 10.0**power:,g}" for power, digit in ticks],
            )
        figures.append(figure_html(figure, f"filter {limit.rule}"))
    return figures


def _histogram(
    found: pd.Series, kept: pd.Series, edges: np.ndarray, thresholds: Sequence[tuple[float, str]], name: str
) -> go.Figure:
    figure = new_figure(barmode="stack", bargap=0)
    centres, width = (edges[1:] + edges[:-1]) / 2, edges[1] - edges[0]
    for mask, words, colour in ((kept, "kept", KEPT), (~kept, "rejected", REJECTED)):
        counts, _ = np.histogram(found[mask].dropna(), edges)
        figure.add_bar(x=centres, y=counts, width=width, name=words, marker_color=colour)
    for place, words in thresholds:
        figure.add_vline(x=place, line_dash="dash", line_color="#1c1e21", annotation_text=words)
    figure.update_xaxes(title=name)
    figure.update_yaxes(title="images")
    return figure
