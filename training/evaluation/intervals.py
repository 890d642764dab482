"""How far a mean may be off: bootstrap intervals over clips.

Frames of one clip show one person in one light: they err together, and a hundred of them are not a hundred samples. So
whole clips are drawn anew, and where there are few of them no interval is given, for it would be too narrow.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from curation.identity import rng

LEAST_CLIPS = 10
"""Fewer clips than this make no interval."""
ROUNDS = 2000
LEVEL = 95.0
"""Percent of the rounds that lie within."""

Interval = list[float] | None


def by_clip(rows: pd.DataFrame) -> pd.Series:
    """The clip of each row; a sample of no known clip counts as one of its own."""
    return rows["clip"].fillna(rows["composite_id"])


def clip_count(rows: pd.DataFrame) -> int:
    """How many clips there are."""
    return int(by_clip(rows).nunique())


def intervals(
    rows: pd.DataFrame, methods: Sequence[str], measures: Sequence[str], name: str
) -> dict[str, dict[str, Interval]]:
    """95 % percentile bootstrap intervals of the means over samples, by method and measure; [low, high] or None.

    ``rows``: the evaluation table's columns. All methods and measures see the same draws of clips, which hang on
    ``name`` alone. A round that draws no clip with a figure is left out. None below LEAST_CLIPS clips with a figure.
    """
    found: dict[str, dict[str, Interval]] = {}
    clips = by_clip(rows)
    names = sorted(clips.unique())
    weights = _draws(len(names), name)
    for method in methods:
        part = rows[rows["method"] == method]
        groups = part[list(measures)].astype("float64").groupby(clips[part.index])
        sums, counts = (table.reindex(names).fillna(0.0) for table in (groups.sum(), groups.count()))
        found[method] = {
            measure: _interval(sums[measure].to_numpy(), counts[measure].to_numpy(), weights) for measure in measures
        }
    return found


def _draws(clips: int, name: str) -> NDArray[np.float64]:
    """How often each clip is drawn in each round, (ROUNDS, clips)."""
    if clips < LEAST_CLIPS:
        return np.zeros((0, clips))
    return rng(0, "bootstrap", name).multinomial(clips, np.full(clips, 1 / clips), ROUNDS).astype(np.float64)


def _interval(sums: NDArray[np.float64], counts: NDArray[np.float64], weights: NDArray[np.float64]) -> Interval:
    if not len(weights) or int((counts > 0).sum()) < LEAST_CLIPS:
        return None
    totals = weights @ counts
    means = (weights @ sums)[totals > 0] / totals[totals > 0]
    low, high = np.percentile(means, [(100 - LEVEL) / 2, (100 + LEVEL) / 2])
    return [round(float(low), 4), round(float(high), 4)]
