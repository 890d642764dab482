"""Where a subject stands in a composite, so that a person would believe it."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MAX_ENLARGE = 1.25
"""Neither matte nor background is enlarged more than this: it would teach blur."""
SLACK = 2.0
"""Pixels that a cut edge stays outside the composite, so that resampling does not draw it in."""
MIN_HEIGHT_CUT_TOP = 0.85
"""A subject cut off at the top only must reach down to where feet stand, as a share of the height."""


class Subjects(NamedTuple):
    """The boxes of many mattes, and which borders of their frames they touch: (N,) each."""

    width: Floats
    """Of the box, matte pixels."""
    height: Floats
    """Of the box, matte pixels."""
    left: Flags
    """Cut off by the frame's left border."""
    top: Flags
    """Cut off at the top."""
    right: Flags
    """Cut off at the right."""
    bottom: Flags
    """Cut off at the bottom."""

    def take(self, index: NDArray[np.int64]) -> "Subjects":
        """Return the subjects at these positions."""
        edges = (edge[index] for edge in (self.left, self.top, self.right, self.bottom))
        return Subjects(self.width[index], self.height[index], *edges)

    def mirrored(self, flip: Flags) -> "Subjects":
        """Return the same subjects, mirrored left to right where ``flip`` is true."""
        left, right = np.where(flip, self.right, self.left), np.where(flip, self.left, self.right)
        return self._replace(left=left, right=right)


class Placements(NamedTuple):
    """Scale (composite pixels per matte pixel), angles (degrees), where the box's centre lands (pixels): (N,) each."""

    scale: Floats
    rotate: Floats
    shear: Floats
    x: Floats
    y: Floats


def subject_matrix(scale: float, rotate: float, shear: float, flip: bool = False) -> NDArray[np.float64]:
    """Return the (2, 2) matrix from matte to composite offsets about the box's centre.

    Mirrored first, then sheared sideways, rotated counter-clockwise (y points down) and scaled.
    """
    angle = math.radians(rotate)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    lean = np.array([[1.0, math.tan(math.radians(shear))], [0.0, 1.0]])
    mirror = np.diag([-1.0 if flip else 1.0, 1.0])
    return np.asarray(scale * turn @ lean @ mirror)


class _Reach(NamedTuple):
    """How far the four edges of the boxes reach from their centres at their innermost, at scale 1."""

    left: Floats
    top: Floats
    right: Floats
    bottom: Floats


def _reach(subjects: Subjects, rotate: Floats, shear: Floats) -> _Reach:
    angle, lean = np.radians(rotate), np.tan(np.radians(shear))
    cos, sin = np.cos(angle), np.sin(angle)
    # The turned and leaning half axes of the box; its corners are their sums and differences (see subject_matrix).
    right_x, right_y = cos * subjects.width / 2, -sin * subjects.width / 2
    down_x, down_y = (cos * lean + sin) * subjects.height / 2, (cos - sin * lean) * subjects.height / 2
    return _Reach(
        left=np.abs(down_x) - right_x,
        top=np.abs(right_y) - down_y,
        right=right_x - np.abs(down_x),
        bottom=down_y - np.abs(right_y),
    )


def needed_scale(subjects: Subjects, width: int, height: int, rotate: Floats, shear: Floats) -> Floats:
    """Return the smallest scale at which every cut edge can lie outside a composite of this size; may be infinite.

    ``rotate``, ``shear``: (N,), degrees. Returns (N,).
    """
    reach = _reach(subjects, rotate, shear)
    scale = np.zeros(len(subjects.width))
    for both, span, size in (
        (subjects.left & subjects.right, reach.right - reach.left, width),
        (subjects.top & subjects.bottom, reach.bottom - reach.top, height),
    ):
        fills = np.divide(size + 2 * SLACK, span, out=np.full_like(scale, np.inf), where=span > 0)
        scale = np.where(both, np.maximum(scale, fills), scale)
    return np.where(subjects.top, np.maximum(scale, MIN_HEIGHT_CUT_TOP * height / subjects.height), scale)


def fits(subjects: Subjects, width: int, height: int) -> Flags:
    """Whether each subject can stand in a composite of this size without being enlarged too far, (N,)."""
    upright = np.zeros(len(subjects.width))
    return np.asarray(needed_scale(subjects, width, height, upright, upright) <= MAX_ENLARGE)


def place(
    subjects: Subjects,
    width: int,
    height: int,
    share: Floats,
    rotate: Floats,
    shear: Floats,
    along: Floats,
    aside: Floats,
) -> Placements:
    """Place subjects (mirrored already) whose boxes should take ``share`` of the composite's height.

    ``rotate``, ``shear``: degrees; ``along``, ``aside``: 0 to 1, where in the range that is left down and across; (N,)
    each. An edge where the matte is cut off by its own frame ends up at or beyond the same border of the composite.
    Whole figures stand with their feet in the lower part; figures larger than the picture show their head. Where a
    turned subject would have to be enlarged too far to hide its cut edges, it is not turned. Raises ValueError where a
    subject does not fit at all; see :func:`fits`.
    """
    too_far = needed_scale(subjects, width, height, rotate, shear) > MAX_ENLARGE
    rotate, shear = np.where(too_far, 0.0, rotate), np.where(too_far, 0.0, shear)
    needed = needed_scale(subjects, width, height, rotate, shear)
    if (needed > MAX_ENLARGE).any():
        worst = int(np.argmax(needed))
        box = f"{subjects.width[worst]:.0f}x{subjects.height[worst]:.0f}"
        raise ValueError(f"a subject of {box} would have to be enlarged {needed[worst]:.2f}x to fill {width}x{height}")
    scale = np.minimum(np.maximum(share * height / subjects.height, needed), MAX_ENLARGE)
    reach = _reach(subjects, rotate, shear)
    x, y = _across(subjects, width, scale, reach, aside), _down(subjects, height, scale, reach, along)
    return Placements(scale, rotate, shear, x, y)


def _across(subjects: Subjects, width: int, scale: Floats, reach: _Reach, draw: Floats) -> Floats:
    highest = -SLACK - scale * reach.left
    lowest = width + SLACK - scale * reach.right
    spare = 0.12 * scale * subjects.width
    edge = np.where(scale * subjects.width < 0.8 * width, 0.22, 0.35)
    return np.select(
        [subjects.left & subjects.right, subjects.left, subjects.right],
        [_between(lowest, highest, draw), highest - draw * spare, lowest + draw * spare],
        width * (edge + draw * (1 - 2 * edge)),
    )


def _down(subjects: Subjects, height: int, scale: Floats, reach: _Reach, draw: Floats) -> Floats:
    highest = -SLACK - scale * reach.top
    lowest = height + SLACK - scale * reach.bottom
    share = scale * subjects.height / height
    half = scale * subjects.height / 2
    knees = _between(np.maximum(1.0, share - 0.05), np.maximum(1 + 0.12 * share, share + 0.12), draw)
    feet = _between(np.maximum(0.82, share - 0.05), np.maximum(1.02, share + 0.12), draw)
    return np.select(
        [subjects.top & subjects.bottom, subjects.top, subjects.bottom],
        [
            _between(lowest, highest, draw),
            highest - draw * 0.05 * height,
            np.maximum(knees * height - half, lowest),
        ],
        feet * height - half,
    )


def _between(low: Floats, high: Floats, draw: Floats) -> Floats:
    return np.asarray(low + draw * (high - low))
