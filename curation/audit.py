"""How far the person filter can be trusted, from images that somebody looked at.

Every share (recall, false alarms, people among the kept) is of a *random* sample only: images that were picked for
lying near the threshold are hard ones, and would make the filter look worse than it is. They tell where to look.
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
WHY = ("random", "near", "picked")
"""How an image came to be labelled: drawn from all, drawn near the threshold, or chosen by the reviewer."""
SURE = 0.95
WRITTEN = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


class Label(NamedTuple):
    """What somebody saw in one image."""

    person: bool
    why: str
    """One of :data:`WHY`."""


class Labels(NamedTuple):
    """The labels of an audit, by locator or file name."""

    seen: dict[str, Label]
    waiting: int
    """Images drawn at random that nobody labelled yet."""


class Looked(NamedTuple):
    """Labelled images with the filter's scores."""

    locators: list[str]
    scores: npt.NDArray[np.float64]
    """(N,) best score of any detection, 0 where nobody was found."""
    person: npt.NDArray[np.bool_]
    """(N,) whether somebody is there, by eye."""
    random: npt.NDArray[np.bool_]
    """(N,) whether it was drawn at random, so that shares of it are shares of all."""
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
    draws: int
    """Images to be drawn at random for that many kept ones, about."""
    hopeless: bool
    """Whether more people are among the kept than wanted at every threshold, so that labels alone will hardly do."""


def read_labels(path: Path) -> Labels:
    """Read a CSV with a column ``person`` (1 or 0), one of ``locator``, ``file`` or ``image``, and maybe ``why``.

    Without ``why`` all images count as drawn at random. Rows whose ``person`` is empty are not labelled yet.

    Raises FileNotFoundError, or ValueError naming line and value.
    """
    try:
        return _read_labels(path)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 ({error}); save it so") from error
    except csv.Error as error:
        raise ValueError(f"{path} is no CSV: {error}; mend it") from error


def _read_labels(path: Path) -> Labels:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        header = rows.fieldnames or []
        name = next((name for name in NAMES if name in header), None)
        if name is None or "person" not in header:
            raise ValueError(f"{path}: columns {', '.join(header)}; expected person and one of {', '.join(NAMES)}")
        seen: dict[str, Label] = {}
        waiting = 0
        for row in rows:
            written, why = (row["person"] or "").strip().lower(), (row.get("why", "random") or "").strip()
            if why not in WHY:
                raise ValueError(f"{path}, line {rows.line_num}: why '{why}'; expected {', '.join(WHY)}")
            if not written:
                waiting += why == "random"
                continue
            if written not in WRITTEN:
                raise ValueError(f"{path}, line {rows.line_num}: person '{row['person']}'; expected 1 or 0")
            label = Label(WRITTEN[written], why)
            if not row[name]:
                raise ValueError(f"{path}, line {rows.line_num}: no {name}; expected the image that was labelled")
            if seen.get(row[name], label) != label:
                raise ValueError(
                    f"{path}, line {rows.line_num}: another label for {row[name]}; leave the one that holds"
                )
            seen[row[name]] = label
    if not seen:
        raise ValueError(f"{path}: no row has a value for person; write 1 or 0 there")
    return Labels(seen, waiting)


def match(labels: Mapping[str, Label], scores: Mapping[str, float | None]) -> Looked:
    """Find the score of each label: by locator, or by file name where that is unique.

    Raises ValueError where no label has a score, or none of those that have was drawn at random.
    """
    names: dict[str, list[str]] = {}
    for locator in scores:
        names.setdefault(locator.rsplit("/", 1)[-1], []).append(locator)
    locators, found, person, random, unknown = [], [], [], [], []
    for label, (there, why) in labels.items():
        places = [label] if label in scores else names.get(label.rsplit("/", 1)[-1], [])
        score = scores[places[0]] if len(places) == 1 else None
        if score is None:
            unknown.append(label)
            continue
        locators.append(places[0])
        found.append(score)
        person.append(there)
        random.append(why == "random")
    if not locators:
        raise ValueError(f"none of the {len(labels)} labelled images has a score; do they name the same folder?")
    if not any(random):
        raise ValueError(
            f"none of the {len(locators)} labelled images was drawn at random, so they tell no shares of all; "
            "draw some with 'cleanplate audit-sample'"
        )
    return Looked(locators, np.array(found, np.float64), np.array(person, bool), np.array(random, bool), unknown)


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
    """What one threshold is worth, on the images drawn at random."""
    rejected, person = looked.scores[looked.random] >= threshold, looked.person[looked.random]
    kept = ~rejected
    return Point(
        threshold,
        rate(int((rejected & person).sum()), int(person.sum())),
        rate(int((rejected & ~person).sum()), int((~person).sum())),
        rate(int((kept & person).sum()), int(kept.sum())),
    )


def curve(looked: Looked, lowest: float) -> list[Point]:
    """The thresholds at which anything changes, from ``lowest`` up."""
    steps = np.unique(looked.scores[looked.random & (looked.scores > lowest)])
    return [at(looked, float(threshold)) for threshold in (lowest, *steps)]


def near(looked: Looked, low: float, high: float) -> Rate:
    """Of all labelled images whose score lies from ``low`` to below ``high``, random or not, those with people."""
    inside = (looked.scores >= low) & (looked.scores < high)
    return rate(int(looked.person[inside].sum()), int(inside.sum()))


def propose(points: Sequence[Point], residual: float) -> Proposal:
    """The highest threshold whose kept images show a person in at most ``residual`` of all cases, 95 % sure.

    Thresholds are tried upwards from the lowest that keeps enough labelled images, and the first that fails ends it:
    testing in an order fixed beforehand keeps the 5 % for all of them together (fixed-sequence testing), where the
    best of many tries would not.

    Args:
        points: the curve, thresholds rising (:func:`curve`).
        residual: a share, such as 0.005.

    Raises ValueError for a residual that is no share.
    """
    if not 0 < residual < 1:
        raise ValueError(f"residual {residual:g}: expected a share between 0 and 1, such as 0.005")
    least = _needed(0, 1, residual)
    good = None
    for point in points:
        if point.residual.total < least:
            continue
        if point.residual_bound > residual:
            break
        good = point
    if good is not None:
        return Proposal(good, 0, 0, False)
    best = min(points, key=lambda point: (point.residual_bound, -point.threshold))
    hits, count = best.residual.hits, best.residual.total
    more = _needed(hits, max(count, 1), residual) - count
    looked_at = best.recall.total + best.false_alarms.total
    draws = math.ceil(more * looked_at / count) if count else more
    return Proposal(None, more, draws, bool(count) and hits / count > residual)


def _needed(hits: int, count: int, residual: float) -> int:
    """The smallest number of images, ``count`` or more, among which ``hits`` with people make it sure."""
    high = count
    while upper_bound(hits, high) > residual:
        high *= 2
    low = max(count - 1, 0)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if upper_bound(hits, middle) <= residual else (middle, high)
    return high


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
