"""The figures behind fusion: fitted on labelled photographs, kept in a file, judged by cross-validation."""

import math
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from curation.config import Section
from curation.identity import rng
from curation.storage import writing

Array = npt.NDArray[np.float64]
LEAST = 0.02
"""Scores are taken as at least this and at most 1 less it: their log odds stay finite."""
STRENGTH = 1.0
"""Inverse of the ridge on the coefficients: a few hundred photographs must not make one of them huge."""
FOLDS, TIMES = 10, 10


class Logistic(Section):
    """Scores -> the probability that somebody is there."""

    coefficients: tuple[float, ...]
    """Of the log odds of each score."""
    intercept: float
    """Log odds where all scores are a half."""

    def __call__(self, scores: Sequence[float]) -> float:
        """The probability for one image's scores."""
        odds = [_odds(score) for score in scores]
        return 1 / (1 + math.exp(-self.intercept - sum(c * o for c, o in zip(self.coefficients, odds, strict=True))))


class Calibration(Section):
    """What fusion knows of its two detectors."""

    detectors: tuple[str, ...]
    """Names of the two, with hashes of their weights."""
    whole: Logistic
    """Of the whole image alone: the first's best score, the second's, their best agreement."""
    tiled: Logistic
    """The same with the second's tiles."""
    enough: float
    """Probability from which the whole image alone has shown a person."""
    threshold: float
    """Probability from which an image counts as showing a person, unless the user says otherwise."""
    images: int
    """Photographs it was fitted on."""
    with_people: int
    """Those of them with people."""


def shipped() -> Calibration:
    """The calibration for YOLOX-nano and NanoDet-m at 416 pixels."""
    text = (files(__package__) / "fusion.json").read_text(encoding="utf-8")
    return Calibration.model_validate_json(text)


def read_calibration(path: Path) -> Calibration:
    """Read a file of ``cleanplate calibrate-people``. Raises FileNotFoundError or ValueError naming what is wrong."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; 'cleanplate calibrate-people FOLDER LABELS' writes it")
    try:
        return Calibration.model_validate_json(path.read_bytes())
    except ValidationError as error:
        words = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ValueError(
            f"{path} is no calibration ({words}); make it again with 'cleanplate calibrate-people'"
        ) from error


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write it as JSON."""
    with writing(path) as temporary:
        temporary.write_text(calibration.model_dump_json(indent=2) + "\n", encoding="utf-8")


def fit(scores: Array, person: npt.NDArray[np.bool_]) -> Logistic:
    """Fit a logistic regression with a ridge to scores (N, V, K), 0 to 1, of V views each, and labels (N,).

    Raises ValueError where all labels are the same.
    """
    from sklearn.linear_model import LogisticRegression

    if person.all() or not person.any():
        raise ValueError("all labelled images show people, or none does: label some of both kinds")
    odds = np.vectorize(_odds, otypes=[float])(scores).reshape(-1, scores.shape[2])
    model = LogisticRegression(C=STRENGTH, max_iter=1000).fit(odds, person.repeat(scores.shape[1]))
    return Logistic(
        coefficients=tuple(round(float(value), 4) for value in model.coef_[0]),
        intercept=round(float(model.intercept_[0]), 4),
    )


def cross_validate(scores: Array, person: npt.NDArray[np.bool_], seed: int = 0) -> Array:
    """Predict by fits that had not seen the photograph: ten folds, alike in people, ten times over, the mean.

    ``scores``: (N, V, K), V views of each of N photographs; ``person``: (N,); returns (N, V).
    """
    total = np.zeros(scores.shape[:2])
    for time in range(TIMES):
        fold = np.zeros(len(person), int)
        order = rng(seed, "folds", time).permutation(len(person))
        for kind in (False, True):
            members = order[person[order] == kind]
            fold[members] = np.arange(len(members)) % FOLDS
        for held in range(FOLDS):
            if not (fold == held).any():
                continue
            fitted = fit(scores[fold != held], person[fold != held])
            total[fold == held] += [[fitted(view) for view in views] for views in scores[fold == held].tolist()]
    return total / TIMES


def _odds(score: float) -> float:
    inside = min(max(score, LEAST), 1 - LEAST)
    return math.log(inside / (1 - inside))
