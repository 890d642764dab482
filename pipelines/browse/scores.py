"""What each detector says of an image by itself, and how far detectors part."""

import re
from collections.abc import Callable
from typing import NamedTuple

import pandas as pd

from pipelines.detectors import OTHER_THRESHOLD, THRESHOLD
from pipelines.params import Params

VERDICT = "verdict"
"""The look of the answer that decides, whatever looks it took."""

_FIELD = re.compile(r"[^a-z0-9]+")


class Scores(NamedTuple):
    """The best score of each detector and look, as fields of a sample."""

    fields: dict[str, str]
    """Field name, such as ``score_yolox_nano_whole``, and its description."""
    rows: pd.DataFrame
    """By locator: those fields, ``disagreement`` and ``disagree``; NaN where a detector did not look."""


def best_scores(people: pd.DataFrame, threshold: Callable[[str, str], float]) -> Scores:
    """Reduce the PEOPLE table to one row an image.

    ``disagreement`` is how far the highest score lies over the lowest, 0 to 1 (NaN with one detector alone);
    ``disagree`` whether one detector or look says that somebody is there and another does not, each at its threshold.
    What was made of several detectors' answers is no voice of its own beside theirs.

    Args:
        people: PEOPLE, any number of detectors and looks an image.
        threshold: a detector's name and look -> the score from which it means a person.
    """
    looked = people[people["status"] == "ok"]
    looked = looked.assign(look=looked["look"].where(looked["role"] == "member", VERDICT))
    best = looked.assign(score=looked["score"].fillna(0.0)).groupby(["locator", "detector", "look"])["score"].max()
    table = best.unstack(["detector", "look"])
    pairs = [(str(detector), str(look)) for detector, look in table.columns]
    voices = [pair for pair in pairs if pair[1] != VERDICT] or pairs
    says = pd.DataFrame(
        {pair: (table[pair] >= threshold(*pair)).where(table[pair].notna()) for pair in voices}, index=table.index
    ).astype(float)
    names = _names(pairs)
    rows = table.set_axis(list(names), axis=1)
    said = table[voices]
    several = said.notna().sum(axis=1) > 1
    rows["disagreement"] = (said.max(axis=1) - said.min(axis=1)).where(several)
    rows["disagree"] = says.max(axis=1) > says.min(axis=1)
    words = {
        name: f"best score of {detector}, look {look}; it means a person from {threshold(detector, look):g} up"
        for name, (detector, look) in names.items()
    }
    return Scores(words, rows)


def _names(pairs: list[tuple[str, str]]) -> dict[str, tuple[str, str]]:
    names: dict[str, tuple[str, str]] = {}
    for detector, look in pairs:
        # Without the weights' hash, which the field's description holds, unless two would be the same.
        short = re.sub(r"@[0-9a-f]+", "", detector)
        name = _slug(short, look)
        names[_slug(detector, look) if name in names else name] = (detector, look)
    return names


def _slug(*words: str) -> str:
    return "_".join(["score", *(_FIELD.sub("_", word.lower()).strip("_") for word in words)])


def thresholds(params: Params) -> Callable[[str, str], float]:
    """Each answer's threshold: the one in use for the answer that decides, its kind's own for a single detector."""

    def threshold(detector: str, look: str) -> float:
        if look == VERDICT:
            return params.curate.person_score
        return THRESHOLD.get(detector.partition("@")[0], OTHER_THRESHOLD)

    return threshold
