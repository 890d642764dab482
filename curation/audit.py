"""How far the person filter can be trusted, from images that somebody looked at.

Intervals are Clopper and Pearson's (1934): exact, so a little wide. Bounds "95 % sure" are one-sided.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats

from curation.identity import rng

NAMES = ("locator", "file", "image")
SURE = 0.95
WRITTEN = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


class Looked(NamedTuple):
    """Labelled images with the filter's scores."""

    locators: list[str]
    scores: npt.NDArray[np.float64]
    """(N,) best score of any detection, 0 where nobody was found."""
    person: npt.NDArray[np.bool_]
    """(N,) whether somebody is there, by eye."""
    unknown: list[str]
    """Labelled, but with no score: not in the table, or not looked at."""


class Rate(NamedTuple):
    """A share of a count, with its 95 % interval; NaN of nothing."""

    hits: int
    total: int
    share: float
    low: float
    high: float

    def __str__(self) -> str:
        """Such as ``98.4 % (91.3 to 100.0), 61 of 62``."""
        if not self.total:
            return "none labelled"
        return f"{100 * self.share:.1f} % ({100 * self.low:.1f} to {100 * self.high:.1f}), {self.hits} of {self.total}"


class Point(NamedTuple):
    """What a threshold is worth."""

    threshold: float
    recall: Rate
    """Of the images with people, those rejected."""
    false_alarms: Rate
    """Of the images without, those rejected."""
    residual: Rate
    """Of the images kept, those with people."""

    @property
    def residual_bound(self) -> float:
        """The residual is below this, 95 % sure; 1 where nothing is kept."""
        return upper_bound(self.residual.hits, self.residual.total)


class Proposal(NamedTuple):
    """A threshold that meets a wanted residual, or how far away that is."""

    point: Point | None
    """The highest threshold that meets it: the fewest false alarms. None: none does."""
    more: int
    """Kept images that would have to be labelled besides, all without people, to be sure at the best threshold."""


def read_labels(path: Path) -> dict[str, bool]:
    """Read a CSV with a column ``person`` (1 or 0) and one of ``locator``, ``file`` or ``image``.

    Raises FileNotFoundError, or ValueError naming line and value. Rows whose ``person`` is empty are not labelled yet.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        header = rows.fieldnames or []
        name = next((name for name in NAMES if name in header), None)
        if name is None or "person" not in header:
            raise ValueError(f"{path}: columns {', '.join(header)}; expected person and one of {', '.join(NAMES)}")
        labels: dict[str, bool] = {}
        for row in rows:
            written = (row["person"] or "").strip().lower()
            if not written:
                continue
            if written not in WRITTEN:
                raise ValueError(f"{path}, line {rows.line_num}: person '{row['person']}'; expected 1 or 0")
            labels[row[name]] = WRITTEN[written]
    if not labels:
        raise ValueError(f"{path}: no row has a value for person; write 1 or 0 there")
    return labels


def match(labels: Mapping[str, bool], scores: Mapping[str, float | None]) -> Looked:
    """Find the score of each label: by locator, or by file name where that is unique.

    Raises ValueError where no label has a score.
    """
    names: dict[str, list[str]] = {}
    for locator in scores:
        names.setdefault(locator.rsplit("/", 1)[-1], []).append(locator)
    locators, found, person, unknown = [], [], [], []
    for label, value in labels.items():
        places = [label] if label in scores else names.get(label.rsplit("/", 1)[-1], [])
        score = scores[places[0]] if len(places) == 1 else None
        if score is None:
            unknown.append(label)
            continue
        locators.append(places[0])
        found.append(score)
        person.append(value)
    if not locators:
        raise ValueError(f"none of the {len(labels)} labelled images has a score; do they name the same folder?")
    return Looked(locators, np.array(found, np.float64), np.array(person, bool), unknown)


def rate(hits: int, count: int) -> Rate:
    """A share with its 95 % interval."""
    if not count:
        return Rate(0, 0, math.nan, 0.0, 1.0)
    low = float(stats.beta.ppf(0.025, hits, count - hits + 1)) if hits else 0.0
    high = float(stats.beta.ppf(0.975, hits + 1, count - hits)) if hits < count else 1.0
    return Rate(hits, count, hits / count, low, high)


def upper_bound(hits: int, count: int) -> float:
    """What a share lies below, 95 % sure."""
    return float(stats.beta.ppf(SURE, hits + 1, count - hits)) if hits < count else 1.0


def at(looked: Looked, threshold: float) -> Point:
    """What one threshold is worth."""
    rejected = looked.scores >= threshold
    person, kept = looked.person, ~rejected
    return Point(
        threshold,
        rate(int((rejected & person).sum()), int(person.sum())),
        rate(int((rejected & ~person).sum()), int((~person).sum())),
        rate(int((kept & person).sum()), int(kept.sum())),
    )


def curve(looked: Looked, lowest: float) -> list[Point]:
    """The thresholds at which anything changes, from ``lowest`` up."""
    steps = np.unique(looked.scores[looked.scores > lowest])
    return [at(looked, float(threshold)) for threshold in (lowest, *steps)]


def propose(points: Sequence[Point], residual: float) -> Proposal:
    """The highest threshold whose kept images show a person in at most ``residual`` of all cases, 95 % sure.

    The labelled images must be a random sample of what is filtered, or the shares are those of the labels only.

    Raises ValueError for a residual that is no share.
    """
    if not 0 < residual < 1:
        raise ValueError(f"residual {residual:g}: expected a share between 0 and 1, such as 0.005")
    good = [point for point in points if point.residual_bound <= residual]
    if good:
        return Proposal(max(good, key=lambda point: point.threshold), 0)
    best = min(points, key=lambda point: (point.residual_bound, -point.threshold))
    hits, count = best.residual.hits, best.residual.total
    needed = max(count, 1)
    while upper_bound(hits, needed) > residual:
        needed *= 2
    low = needed // 2
    while needed - low > 1:
        middle = (low + needed) // 2
        low, needed = (low, middle) if upper_bound(hits, middle) <= residual else (middle, needed)
    return Proposal(None, needed - count)


def draw(scores: Mapping[str, float | None], threshold: float, count: int, seed: int) -> list[tuple[str, float, str]]:
    """Images to label: half of them drawn from all, half from the nearest to the threshold, of both sides alike.

    Returns:
        Locator, score and ``random`` or ``near``, sorted by locator. Only the random ones may be used for shares.
    """
    known = sorted((locator, score) for locator, score in scores.items() if score is not None)
    generator = rng(seed, "audit", len(known))
    order = generator.permutation(len(known))
    chosen = {known[i]: "random" for i in order[: count - count // 2]}
    for above in (False, True):
        side = [item for item in known if (item[1] >= threshold) is above and item not in chosen]
        side.sort(key=lambda item: (abs(item[1] - threshold), item[0]))
        chosen |= dict.fromkeys(side[: count // 4], "near")
    return sorted((locator, score, why) for (locator, score), why in chosen.items())
