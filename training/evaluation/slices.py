"""Where a method is bad: the rows of the evaluation cut into slices.

Buckets have fixed edges, so that the slices of two experiments compare. A sample is in one bucket of each slice, or in
none where the quantity is unknown. Hard cases are in the slice ``case`` alone: most show nobody.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import pandas as pd

from compositing.shards.reader import Sample
from training.evaluation.intervals import clip_count

SIDE = 96
"""Long side at which colours are compared, pixels: alignment and noise then say little."""
SUBJECT = 0.5
"""Alpha above which a pixel is the subject's."""
OPAQUE = 0.95
"""The same where the true foreground is unknown, and the source stands in for it."""
LEAST_SAMPLES = 3
"""Fewer samples than this are no bucket to worry about."""
WORST = 10

EDGES: Mapping[str, Sequence[tuple[float, str]]] = {
    "coverage": ((0.1, "below 10 %"), (0.25, "10 to 25 %"), (0.5, "25 to 50 %"), (np.inf, "above 50 %")),
    "soft": ((0.02, "below 2 %"), (0.05, "2 to 5 %"), (0.1, "5 to 10 %"), (np.inf, "above 10 %")),
    "colour_distance": ((15, "below 15"), (30, "15 to 30"), (50, "30 to 50"), (np.inf, "above 50")),
    "motion": ((1e-6, "still"), (2, "up to 2 pixels"), (np.inf, "above 2 pixels")),
}
"""Each bucket's upper edge, which is outside, and its name."""
SLICES = ("coverage", "soft", "scene", "indoor", "colour_distance", "motion", "strength", "case")


def colour_distance(sample: Sample) -> float | None:
    """Mean CIELAB distance (CIE76) between the subject's colours and the captured background at the same place.

    None where there is no subject. Where the recipe says that the foreground is unknown (``fgr_known``), the
    source's opaque pixels stand in for it.
    """
    known = bool(sample.recipe.get("fgr_known", True))
    scale = min(1.0, SIDE / max(sample.pha.shape))
    front, behind, alpha = (
        cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        for image in (sample.fgr if known else sample.src, sample.bgr, sample.pha)
    )
    there = alpha > (SUBJECT if known else OPAQUE)
    if not there.any():
        return None
    apart = cv2.cvtColor(front, cv2.COLOR_RGB2Lab) - cv2.cvtColor(behind, cv2.COLOR_RGB2Lab)
    return float(np.sqrt(np.square(apart[there], dtype=np.float64).sum(axis=-1)).mean())


def slices(rows: pd.DataFrame, methods: Sequence[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """``SLICE.BUCKET`` = {samples, clips, METHOD: {mad, mad_soft}}: means over samples, x 1000."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name in SLICES:
        part = rows if name == "case" else rows[rows["strength"] != "cases"]
        buckets = _buckets(name, part[name])
        order = [words for _, words in EDGES[name]] if name in EDGES else sorted(buckets.dropna().unique())
        grouped = {str(bucket): part[buckets == bucket] for bucket in order}
        found[name] = {bucket: _figures(inside, methods) for bucket, inside in grouped.items() if len(inside)}
    return found


def _buckets(name: str, values: pd.Series) -> pd.Series:
    if name == "indoor":
        return values.map({True: "indoor", False: "outdoor"})
    if name not in EDGES:
        return values
    uppers, words = zip(*EDGES[name], strict=True)
    numbers = values.astype("float64")
    at = np.searchsorted(np.array(uppers), numbers.fillna(0).to_numpy(), side="right")
    return pd.Series([words[i] for i in at], index=values.index).where(numbers.notna())


def _figures(rows: pd.DataFrame, methods: Sequence[str]) -> dict[str, Any]:
    samples = rows.groupby(["set", "strength", "ordinal"]).ngroups
    found: dict[str, Any] = {"samples": int(samples), "clips": clip_count(rows)}
    for method in methods:
        means = rows.loc[rows["method"] == method, ["mad", "mad_soft"]].astype("float64").mean()
        found[method] = {name: round(float(value), 4) for name, value in means.items() if not np.isnan(value)}
    return found


def worst(found: Mapping[str, Mapping[str, Mapping[str, Any]]], overall: float, method: str) -> list[dict[str, Any]]:
    """The buckets where a method's MAD is largest, worst first, of those with at least LEAST_SAMPLES samples.

    ``overall``: its MAD x 1000 over all samples but the hard cases.
    """
    rows = [
        {
            "slice": name,
            "bucket": bucket,
            "samples": figures["samples"],
            "clips": figures["clips"],
            "mad": figures[method]["mad"],
            "overall": round(overall, 4),
        }
        for name, buckets in found.items()
        for bucket, figures in buckets.items()
        if figures["samples"] >= LEAST_SAMPLES and "mad" in figures.get(method, {})
    ]
    return sorted(rows, key=lambda row: -row["mad"])[:WORST]
