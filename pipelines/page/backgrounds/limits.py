"""The filters that set a measure against a threshold: for the histograms and the borderline of each."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from curation.filters import CurateParams


class Limit(NamedTuple):
    """A measure with its thresholds."""

    rule: str
    """The filter's name, as in the reason."""
    column: str
    """A column of VERDICTS, or ``short_side``."""
    words: str
    thresholds: tuple[float, ...]
    logarithmic: bool = False


def limits(params: CurateParams) -> list[Limit]:
    """Return the quality filters that are switched on."""
    every = [
        Limit("size", "short_side", "shortest side, pixels", (params.min_side,), True),
        Limit("exposure", "luma_mean", "mean luma", params.luma),
        Limit("contrast", "luma_spread", "spread of luma", (params.min_spread,)),
        Limit("clipped", "clipped", "share of clipped pixels", (params.max_clipped,)),
        Limit("sharpness", "sharpness", "variance of the Laplacian", (params.min_sharpness,), True),
    ]
    for rule, column, words, threshold in (
        ("greyscale", "chroma", "chroma", params.min_chroma),
        ("border", "border", "share under bars", params.max_border),
        ("drawn", "drawn", "how much looks drawn", params.max_drawn),
    ):
        if threshold is not None:
            every.append(Limit(rule, column, words, (threshold,)))
    return every


def values(verdicts: pd.DataFrame, limit: Limit) -> pd.Series:
    """Return a limit's measure of each row of VERDICTS, NaN where unreadable."""
    if limit.column == "short_side":
        return verdicts[["width", "height"]].min(axis=1)
    return verdicts[limit.column]


def nearest(verdicts: pd.DataFrame, limit: Limit, count: int) -> pd.DataFrame:
    """Return the rows nearest to a limit's thresholds: up to ``count`` this filter rejected, and as many kept ones.

    Nearest as a share of the threshold; the rejected come first, the last to be let in foremost.
    """
    measured = values(verdicts, limit).to_numpy(np.float64)
    away = np.min([np.abs(measured - each) / max(each, 1e-9) for each in limit.thresholds], axis=0)
    sides = []
    for side in (verdicts["rule"] == limit.rule, verdicts["kept"]):
        rows = np.flatnonzero(side.to_numpy() & ~np.isnan(measured))
        sides.append(rows[np.argsort(away[rows], kind="stable")[:count]])
    return verdicts.iloc[np.concatenate(sides)]
