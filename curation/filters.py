"""A row -> Verdict(kept, reason)."""

from collections.abc import Callable, Mapping
from math import isnan
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from curation.config import Section

Columns = Mapping[str, npt.NDArray[Any]]
"""Columns of a table as arrays (N,); nulls are NaN, or None in columns of text."""
Mask = npt.NDArray[np.bool_]


class CurateParams(Section):
    """Parameters of the ``curate`` stage."""

    person_score: float = Field(ge=0, le=1)
    """A detection at or above this score counts as a person, 0 to 1."""
    person_share: float = Field(ge=0, le=1)
    """Persons smaller than this share of the image are let pass, 0 to 1."""
    min_side: int = Field(ge=1)
    """Shortest side allowed, pixels."""
    min_sharpness: float = Field(ge=0)
    """Variance of the Laplacian, as in images.parquet."""
    luma: tuple[float, float]
    """Darkest and brightest mean luma allowed, 0 to 1."""
    min_spread: float = Field(ge=0, le=1)
    """Smallest standard deviation of luma, 0 to 1."""
    max_clipped: float = Field(ge=0, le=1)
    """Largest share of clipped pixels, 0 to 1."""
    min_chroma: float | None = Field(ge=0, le=1)
    """Least colour, as ``chroma`` in images.parquet; below it is a greyscale photograph. Null: these may be kept."""
    max_border: float | None = Field(ge=0, le=1)
    """Largest share of the area under letterbox bars or a frame, 0 to 1. Null: any."""
    max_drawn: float | None = Field(ge=0, le=1)
    """Most that may look drawn (screenshots, slides, scanned text), as in images.parquet. Null: any."""
    duplicate_distance: int = Field(ge=0, le=15)
    """Images whose perceptual hashes differ in at most this many of 64 bits are near-duplicates."""
    valid_share: float = Field(ge=0, le=1)
    """Share of images in the valid split, 0 to 1."""
    test_share: float = Field(ge=0, le=1)
    """Share of images in the test split, 0 to 1."""
    scene_cap: int | None = Field(ge=1)
    """At most this many backgrounds are kept of a scene; null: all. Which ones, the hash of their content tells."""
    refine_side: int = Field(ge=1)
    """Side of a square crop of the refine set, pixels; ``refine_ok``: a background whose short side x 1.25 reaches it.

    2048 asks for 1639 pixels. What ``plan`` adds (an oblong crop, the margin of a moved camera) it checks itself.
    """

    @model_validator(mode="after")
    def _fits(self) -> "CurateParams":
        low, high = self.luma
        if not 0 <= low < high <= 1:
            raise ValueError(f"luma [{low}, {high}]: expected the darkest, then the brightest, from 0 to 1")
        if self.valid_share + self.test_share >= 1:
            raise ValueError(f"valid_share {self.valid_share} and test_share {self.test_share} leave none to train on")
        return self


class Verdict(NamedTuple):
    """Whether an image may be a background."""

    kept: bool
    reason: str
    """``ok``, or the rule, a colon and the figures that decided."""

    @property
    def rule(self) -> str:
        """The reason's first word, for counting."""
        return self.reason.partition(":")[0]


class Rule(NamedTuple):
    """One filter: which rows fail, and the words for one that did, from the values of some columns."""

    name: str
    fails: Callable[[Columns, CurateParams], Mask]
    figures: tuple[str, ...]
    words: Callable[..., str]
    """Takes the parameters, then a row's ``figures``."""


def _unlit(columns: Columns, params: CurateParams) -> Mask:
    low, high = params.luma
    return np.asarray((columns["luma_mean"] < low) | (columns["luma_mean"] > high))


def _light(params: CurateParams, luma: float) -> str:
    low, high = params.luma
    return f"mean luma {luma:.3f}, {f'darker than {low:g}' if luma < low else f'brighter than {high:g}'}"


def _people(params: CurateParams, score: float, best: float, share: float, note: str) -> str:
    return f"not looked at ({note})" if isnan(score) else f"{best:.2f} over {percent(share)} of the image"


RULES: tuple[Rule, ...] = (
    Rule("unreadable", lambda c, p: c["status"] != "ok", ("status",), lambda p, status: str(status)),
    Rule(
        "size",
        lambda c, p: np.minimum(c["width"], c["height"]) < p.min_side,
        ("width", "height"),
        lambda p, width, height: f"{width:.0f}x{height:.0f}, shortest side under {p.min_side}",
    ),
    Rule("exposure", _unlit, ("luma_mean",), _light),
    Rule(
        "contrast",
        lambda c, p: c["luma_spread"] < p.min_spread,
        ("luma_spread",),
        lambda p, spread: f"luma spread {spread:.3f}, under {p.min_spread:g}",
    ),
    Rule(
        "clipped",
        lambda c, p: c["clipped"] > p.max_clipped,
        ("clipped",),
        lambda p, share: f"{percent(share)} of the pixels, over {percent(p.max_clipped)}",
    ),
    Rule(
        "sharpness",
        lambda c, p: c["sharpness"] < p.min_sharpness,
        ("sharpness",),
        lambda p, sharpness: f"{sharpness:.1f}, under {p.min_sharpness:g}",
    ),
    Rule(
        "greyscale",
        lambda c, p: c["chroma"] < (-1 if p.min_chroma is None else p.min_chroma),
        ("chroma",),
        lambda p, chroma: f"chroma {chroma:.3f}, under {p.min_chroma:g}",
    ),
    Rule(
        "border",
        lambda c, p: c["border"] > (np.inf if p.max_border is None else p.max_border),
        ("border",),
        lambda p, share: f"bars on {percent(share)} of the image, over {percent(p.max_border)}",
    ),
    Rule(
        "drawn",
        lambda c, p: c["drawn"] > (np.inf if p.max_drawn is None else p.max_drawn),
        ("drawn",),
        lambda p, drawn: f"{drawn:.2f}, over {p.max_drawn:g}: a screenshot, slide or page",
    ),
    # An image that no detector looked at may hold anybody: it fails too.
    Rule(
        "people",
        lambda c, p: np.isnan(c["person_score"]) | (c["person_best"] > 0),
        ("person_score", "person_best", "person_share", "person_note"),
        _people,
    ),
)
"""The filters in order: the first that fails gives the reason."""

PASSED = len(RULES)


def percent(share: float) -> str:
    """Write a share as a person reads it: 43%, 4.2%, 0.07%."""
    value = 100 * share
    digits = 0 if value >= 10 else 1 if value >= 1 else 2
    text = f"{value:.{digits}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) + "%"


def judge_row(row: Mapping[str, Any], params: CurateParams) -> Verdict:
    """Judge one image by itself: columns of IMAGES, with person_score, person_best, person_share and person_note.

    Near-duplicates, caps, splits and decisions need the whole table: see :func:`curation.judging.judge`.
    """
    columns = {name: np.array([_nan(value)]) for name, value in row.items()}
    failed = apply_rules(columns, params)
    return Verdict(failed[0] == PASSED, words_of(failed, columns, params)[0] or "ok")


def _nan(value: Any) -> Any:
    return np.nan if value is None else value


def apply_rules(columns: Columns, params: CurateParams) -> npt.NDArray[np.uint8]:
    """Return the place in RULES of the first filter that each row fails (N,), PASSED where it fails none."""
    failed = np.full(len(columns["status"]), PASSED, np.uint8)
    for place, rule in reversed(list(enumerate(RULES))):
        failed[rule.fails(columns, params)] = place
    return failed


def words_of(failed: npt.NDArray[np.uint8], columns: Columns, params: CurateParams) -> list[str | None]:
    """Put what :func:`apply_rules` found into words, a reason a row; None where every filter passes."""
    reasons: list[str | None] = [None] * len(failed)
    for place, rule in enumerate(RULES):
        rows = np.flatnonzero(failed == place)
        if rows.size:
            figures = zip(*(columns[name][rows].tolist() for name in rule.figures), strict=True)
            for row, values in zip(rows.tolist(), figures, strict=True):
                reasons[row] = f"{rule.name}: {rule.words(params, *values)}"
    return reasons
