"""Real captured pairs beside synthetic ones: for each measured quantity, both distributions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from compositing.calibration.metering import fit_coupling
from compositing.tables import MEASURES
from curation.tables import read_table
from pipelines.page.figures import figure_html, new_figure

Values = NDArray[np.float64]
RENDERED = 40
"""Composites measured for the page."""
COLOURS = {"real": "#1f77b4", "synthetic": "#ff7f0e"}
PANELS: dict[str, tuple[str, tuple[str, ...]]] = {
    "shift": ("pixels at 512", ("shift",)),
    "rotation": ("degrees", ("rotate",)),
    "scale": ("factor", ("scale",)),
    "perspective": ("pixels at 512", ("perspective",)),
    "gain": ("stops", ("gain",)),
    "white balance": ("stops, red and blue", ("gain_red", "gain_blue")),
    "gamma": ("exponent", ("gamma",)),
    "uneven light": ("stops, corner to corner", ("shading",)),
    "focus": ("sigma at 512; above 0 the source is softer", ("focus",)),
    "noise of the source": ("levels of 255", ("src_noise",)),
    "noise of the plate": ("levels of 255", ("bgr_noise",)),
    "noise, neighbours": ("correlation", ("noise_correlation",)),
    "blockiness": ("step at block borders / elsewhere", ("src_blockiness", "bgr_blockiness")),
    "JPEG quality": ("of the files", ("src_quality", "bgr_quality")),
}
"""Quantity -> its unit, and the MEASURES columns that hold it."""
METERING, SUBJECT = "exposure and the person", "what the person adds to the frame, stops"
"""A camera that meters by itself gives a slope: what it took back of each change."""


def chapter(real: Path, shards: Path, table_file: Path) -> dict[str, Any] | None:
    """Compare the captured pairs of ``real`` (of ``cleanplate calibrate``) with composites of ``base``, measured now.

    None where no pairs were captured: the chapter is then left out.
    """
    if not real.is_file():
        return None
    from pipelines.calibrate import measure_shards

    rendered = measure_shards(shards, table_file, "base", RENDERED)
    both = pd.concat([read_table(MEASURES, real).to_pandas(), rendered.to_pandas()])
    counts = both[both["status"] == "ok"]["kind"].value_counts()
    return {
        "counts": {kind: int(counts.get(kind, 0)) for kind in COLOURS},
        "rows": table(both),
        "figures": figures(both),
    }


def values(rows: pd.DataFrame, columns: Sequence[str]) -> Values:
    """All known values of some columns."""
    return np.concatenate([rows[name].dropna().to_numpy(np.float64) for name in columns])


def by_brightness(rows: pd.DataFrame) -> tuple[Values, Values, Values, Values]:
    """Middle of each brightness bin that some pair has, and the 10, 50 and 90 % quantiles of its noise."""
    levels = np.array([[np.nan if v is None else v for v in row] for row in rows["noise_by_brightness"]], np.float64)
    there = np.isfinite(levels).any(axis=0)
    width = 256 / levels.shape[1]
    middles = (np.arange(levels.shape[1]) + 0.5) * width
    low, middle, high = np.nanquantile(levels[:, there], (0.1, 0.5, 0.9), axis=0)
    return middles[there], low, middle, high


def table(measures: pd.DataFrame) -> list[tuple[str, str, dict[str, str]]]:
    """Quantity, unit, and for each kind its 5, 50 and 95 % quantiles in words."""
    good = measures[measures["status"] == "ok"]
    rows = []
    for name, (unit, columns) in PANELS.items():
        words = {}
        for kind in COLOURS:
            found = values(good[good["kind"] == kind], columns)
            words[kind] = " / ".join(f"{v:.3g}" for v in np.quantile(found, (0.05, 0.5, 0.95))) if len(found) else "-"
        rows.append((name, unit, words))
    fits = {kind: fit_coupling(good[good["kind"] == kind]) for kind in COLOURS}
    for number, name in enumerate(("exposure follows the person", "colour follows the person")):
        found_of = {kind: fit[number] for kind, fit in fits.items()}
        told = {kind: f"{c.low:.2g} / {c.share:.2g} / {c.high:.2g}" if c else "-" for kind, c in found_of.items()}
        rows.append((name, "share taken back, with its 90 % interval", told))
    return rows


def figures(measures: pd.DataFrame) -> list[str]:
    """Draw each quantity as box plots side by side, and noise by brightness, as plotly HTML."""
    good = measures[measures["status"] == "ok"]
    drawn = []
    for name, (unit, columns) in PANELS.items():
        figure = new_figure(190, legend=False)
        for kind, colour in COLOURS.items():
            found = values(good[good["kind"] == kind], columns)
            # Rounded: a page of a thousand pairs should not carry sixteen digits of each.
            figure.add_box(x=np.round(found, 4), name=kind, marker_color=colour, boxpoints="all", pointpos=0, jitter=1)
        figure.update_xaxes(title=unit)
        drawn.append(figure_html(figure, name))
    figure = new_figure()
    for kind, rows in good.groupby("kind"):
        points = {"mode": "markers", "name": str(kind), "marker_color": COLOURS[str(kind)]}
        figure.add_scatter(x=np.round(rows["subject"], 4), y=np.round(rows["gain"], 4), **points)
    figure.update_xaxes(title=SUBJECT)
    figure.update_yaxes(title="gain of the plate, stops")
    drawn.append(figure_html(figure, METERING))
    figure = new_figure()
    for kind, rows in good.groupby("kind"):
        x, low, middle, high = by_brightness(rows)
        error = {"type": "data", "symmetric": False, "array": high - middle, "arrayminus": middle - low}
        figure.add_scatter(x=x, y=middle, error_y=error, name=str(kind), marker_color=COLOURS[str(kind)])
    figure.update_xaxes(title="level, 0 to 255")
    figure.update_yaxes(title="levels of 255", rangemode="tozero")
    return [*drawn, figure_html(figure, "noise by brightness")]
