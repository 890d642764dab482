"""One subject at a time: the placement written with plain numbers, which the columns must agree with."""

import math
from typing import NamedTuple

import numpy as np

from compositing.plan.placement import MAX_ENLARGE, MIN_HEIGHT_CUT_TOP, SLACK, subject_matrix


class Subject(NamedTuple):
    """A matte's box and which borders of its frame it touches."""

    width: float
    """Of the box, matte pixels."""
    height: float
    """Of the box, matte pixels."""
    touches: str
    """Any of the letters l, t, r, b: where the subject is cut off by its frame."""

    def mirrored(self) -> "Subject":
        """The same subject mirrored left to right."""
        return self._replace(touches=self.touches.translate(str.maketrans("lr", "rl")))


class Placement(NamedTuple):
    """Scale (composite pixels per matte pixel), angles (degrees) and where the box's centre lands (pixels)."""

    scale: float
    rotate: float
    shear: float
    x: float
    y: float


class _Reach(NamedTuple):
    """How far the four edges of the box reach from its centre at their innermost, at scale 1."""

    left: float
    top: float
    right: float
    bottom: float


def _reach(subject: Subject, rotate: float, shear: float) -> _Reach:
    matrix = subject_matrix(1.0, rotate, shear)
    w, h = subject.width / 2, subject.height / 2
    nw, ne, sw, se = (matrix @ np.array(corner) for corner in ((-w, -h), (w, -h), (-w, h), (w, h)))
    return _Reach(
        left=float(max(nw[0], sw[0])),
        top=float(max(nw[1], ne[1])),
        right=float(min(ne[0], se[0])),
        bottom=float(min(sw[1], se[1])),
    )


def needed_scale(subject: Subject, width: int, height: int, rotate: float = 0.0, shear: float = 0.0) -> float:
    """Return the smallest scale at which every cut edge can lie outside a composite of this size; may be infinite."""
    reach = _reach(subject, rotate, shear)
    scale = 0.0
    for pair, span, size in (
        ("lr", reach.right - reach.left, width),
        ("tb", reach.bottom - reach.top, height),
    ):
        if all(letter in subject.touches for letter in pair):
            scale = max(scale, (size + 2 * SLACK) / span if span > 0 else math.inf)
    if "t" in subject.touches:
        scale = max(scale, MIN_HEIGHT_CUT_TOP * height / subject.height)
    return scale


def place(
    subject: Subject,
    width: int,
    height: int,
    share: float,
    rotate: float,
    shear: float,
    along: float,
    aside: float,
) -> Placement:
    if needed_scale(subject, width, height, rotate, shear) > MAX_ENLARGE:
        rotate = shear = 0.0
    needed = needed_scale(subject, width, height, rotate, shear)
    if needed > MAX_ENLARGE:
        raise ValueError(f"{subject} would have to be enlarged {needed:.2f}x to fill {width}x{height}")
    scale = min(max(share * height / subject.height, needed), MAX_ENLARGE)
    reach = _reach(subject, rotate, shear)
    x = _across(subject, width, scale, reach, aside)
    y = _down(subject, height, scale, reach, along)
    return Placement(scale, rotate, shear, x, y)


def _across(subject: Subject, width: int, scale: float, reach: _Reach, draw: float) -> float:
    highest = -SLACK - scale * reach.left
    lowest = width + SLACK - scale * reach.right
    spare = 0.12 * scale * subject.width
    match "l" in subject.touches, "r" in subject.touches:
        case True, True:
            return lowest + draw * (highest - lowest)
        case True, False:
            return highest - draw * spare
        case False, True:
            return lowest + draw * spare
        case _:
            edge = 0.22 if scale * subject.width < 0.8 * width else 0.35
            return width * (edge + draw * (1 - 2 * edge))


def _down(subject: Subject, height: int, scale: float, reach: _Reach, draw: float) -> float:
    highest = -SLACK - scale * reach.top
    lowest = height + SLACK - scale * reach.bottom
    share = scale * subject.height / height
    match "t" in subject.touches, "b" in subject.touches:
        case True, True:
            return lowest + draw * (highest - lowest)
        case True, False:
            return highest - draw * 0.05 * height
        case False, True:
            foot = _between(max(1.0, share - 0.05), max(1 + 0.12 * share, share + 0.12), draw)
            return max(foot * height - scale * subject.height / 2, lowest)
        case _:
            foot = _between(max(0.82, share - 0.05), max(1.02, share + 0.12), draw)
            return foot * height - scale * subject.height / 2


def _between(low: float, high: float, draw: float) -> float:
    return low + draw * (high - low)
