"""What detectors say of an image, made one answer: alone, any of several, or one that another confirms."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from curation.detectors import NOBODY, Detections, Detector, arrange, suppress
from curation.detectors.looks import Look, join, look_at
from curation.images import Rgb

OVERLAP = 0.4
"""Intersection over union from which two boxes are of the same person."""


class Seen(NamedTuple):
    """What one detector found in one way of looking."""

    detector: str
    look: str
    found: Detections


class Observation(NamedTuple):
    """The answer for one image."""

    found: Detections
    """The persons; the best score is the image's."""
    look: str
    """The looks that were made, joined by +."""
    ceiling: float
    """Highest threshold the looks can answer: above it, looks that were left out might have found somebody."""
    seen: tuple[Seen, ...]
    """What each detector said in each look, where there is more than one."""


class Observer(Protocol):
    """What the person filter asks: one answer an image, whatever is behind it."""

    name: str
    """Which detectors look, with hashes of their weights."""
    floor: float
    """Lowest score that is reported: no lower threshold can be answered."""
    ceiling: float
    """Highest threshold that every image will be able to answer."""

    def observe(self, images: Sequence[Rgb]) -> list[Observation]:
        """Look at images (H, W, 3) uint8, each on its own."""


class Member(NamedTuple):
    """A detector and how images are shown to it."""

    detector: Detector
    looks: tuple[Look, ...]

    def see(self, images: Sequence[Rgb]) -> list[tuple[Seen, ...]]:
        """Make all looks: for each image what each look found."""
        made = [look_at(images, self.detector, look) for look in self.looks]
        return [
            tuple(Seen(self.detector.name, look, found) for look, found in zip(self.looks, row, strict=True))
            for row in zip(*made, strict=True)
        ]


class AnyOf:
    """A person is whoever any of the members sees; its score is the best of theirs. One member is just itself."""

    ceiling = 1.0

    def __init__(self, members: Sequence[Member], floor: float) -> None:
        names = [member.detector.name for member in members]
        self.members, self.floor = members, floor
        self.name = names[0] if len(names) == 1 else f"any({'+'.join(names)})"

    def observe(self, images: Sequence[Rgb]) -> list[Observation]:
        """See :class:`Observer`."""
        observations = []
        for parts in zip(*(member.see(images) for member in self.members), strict=True):
            seen = tuple(one for part in parts for one in part)
            found = join(*(one.found for one in seen))
            if len(seen) > 1:
                found = one_each(found)
            observations.append(Observation(above(found, self.floor), _looks(seen), 1.0, several(seen)))
        return observations


class Confirmed:
    """A first detector proposes, a second looks only there and confirms.

    A person's score is the geometric mean of both; who is seen by one of them only is nobody. Members must report from
    the square of the floor up, or a sure first and an unsure second would get lost.
    """

    ceiling = 1.0

    def __init__(self, first: Member, second: Member, floor: float) -> None:
        self.first, self.second, self.floor = first, second, floor
        self.name = f"confirm({first.detector.name}+{second.detector.name})"

    def observe(self, images: Sequence[Rgb]) -> list[Observation]:
        """See :class:`Observer`."""
        proposed = self.first.see(images)
        asked = [i for i, seen in enumerate(proposed) if any(len(one.found.scores) for one in seen)]
        answers = dict(zip(asked, self.second.see([images[i] for i in asked]) if asked else [], strict=True))
        return [self._answer(seen, answers.get(i, ())) for i, seen in enumerate(proposed)]

    def _answer(self, first: tuple[Seen, ...], second: tuple[Seen, ...]) -> Observation:
        if not second:
            return Observation(NOBODY, _looks(first), 1.0, several(first))
        one, two = (join(*(each.found for each in seen)) for seen in (first, second))
        together = agreements(one, two)
        found = one_each(arrange(one.boxes, together.max(axis=1, initial=0)))
        return Observation(above(found, self.floor), f"{_looks(first)}+confirmation", 1.0, (*first, *second))


def _looks(seen: Sequence[Seen]) -> str:
    return "+".join(dict.fromkeys(one.look for one in seen))


def several(seen: tuple[Seen, ...]) -> tuple[Seen, ...]:
    """What to store beside the answer: nothing where the only look is the answer."""
    return seen if len(seen) > 1 else ()


def one_each(found: Detections) -> Detections:
    """Of boxes from several looks, one a person: half a body that a tile saw goes with the whole one."""
    return suppress(found, iou=0.5, inside=0.8)


def above(found: Detections, floor: float) -> Detections:
    """Those at or above a score."""
    likely = found.scores >= np.float32(floor)
    return Detections(found.boxes[likely], found.scores[likely])


def best(found: Detections) -> float:
    """The best score, 0 where there is none."""
    return float(found.scores[0]) if len(found.scores) else 0.0


def agreements(one: Detections, other: Detections) -> npt.NDArray[np.float32]:
    """Geometric means (N, M) of the scores of each two boxes that overlap by at least ``OVERLAP``, else 0."""
    overlap = intersection_over_union(one.boxes, other.boxes)
    together = np.sqrt(one.scores[:, None] * other.scores[None])
    return np.where(overlap >= OVERLAP, together, np.float32(0))


def intersection_over_union(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Of each pair of boxes (N, 4) and (M, 4), both x, y, width, height: (N, M)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum((a[:, :2] + a[:, 2:])[:, None], (b[:, :2] + b[:, 2:])[None])
    common = np.clip(high - low, 0, None).prod(axis=2)
    areas = a[:, 2:].prod(axis=1)[:, None] + b[:, 2:].prod(axis=1)[None]
    return np.asarray(common / np.maximum(areas - common, 1e-12), np.float32)
