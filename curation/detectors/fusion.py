"""Two detectors that know each other's mistakes: a cascade with one calibrated score an image.

Tiles find the small people whom a detector misses on the whole image, and many that are not there. But detectors of
different making are seldom wrong at the same place: how well their boxes agree is worth more than either's score. So
three figures of an image (the first detector's best score on the whole image, the second's on the image and its tiles,
the best agreement of a box of the one with a box of the other) go through a logistic regression. Where the whole image
alone is enough to be sure of a person, no tile is looked at. How well it does: ``cleanplate calibrate-people``.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from curation.detectors import NOBODY, Detections, Detector, arrange
from curation.detectors.calibration import Calibration
from curation.detectors.looks import join, look_at
from curation.detectors.observers import Observation, Seen, above, agreements, best, one_each
from curation.images import Rgb

AGREEING = 0.05
"""Lowest score of a box that may agree with another."""


class Fused:
    """A cascade: both detectors on the whole image, the second on tiles unless that has settled it.

    Both must report from :data:`curation.detectors.calibration.LEAST` up.
    """

    def __init__(self, first: Detector, second: Detector, calibration: Calibration, floor: float) -> None:
        self.first, self.second, self.calibration, self.floor = first, second, calibration, floor
        self.name, self.ceiling = f"fusion({first.name}+{second.name})", calibration.enough

    def observe(self, images: Sequence[Rgb]) -> list[Observation]:
        """See :class:`curation.detectors.observers.Observer`; an image's best box carries its probability."""
        firsts, seconds = (look_at(images, detector, "whole") for detector in (self.first, self.second))
        chances = [self.calibration.whole(figures(one, two)) for one, two in zip(firsts, seconds, strict=True)]
        open_ = [i for i, chance in enumerate(chances) if chance < self.calibration.enough]
        tiles = dict(
            zip(open_, look_at([images[i] for i in open_], self.second, "tiles2x2") if open_ else [], strict=True)
        )
        return [
            self._answer(one, two, chance, tiles.get(i))
            for i, (one, two, chance) in enumerate(zip(firsts, seconds, chances, strict=True))
        ]

    def _answer(self, one: Detections, two: Detections, chance: float, tiles: Detections | None) -> Observation:
        seen = [Seen(self.first.name, "whole", one), Seen(self.second.name, "whole", two)]
        look, ceiling = "whole", self.ceiling
        if tiles is not None:
            seen.append(Seen(self.second.name, "tiles2x2", tiles))
            look, ceiling, two = "whole+tiles2x2", 1.0, join(two, tiles)
            chance = self.calibration.tiled(figures(one, two))
        return Observation(self._persons(one, two, chance), look, ceiling, tuple(seen))

    def _persons(self, one: Detections, two: Detections, chance: float) -> Detections:
        """All boxes, scaled so that the best one carries the probability of the image."""
        found = one_each(join(one, two))
        if chance < self.floor or not len(found.scores):
            return NOBODY
        return above(arrange(found.boxes, found.scores * (chance / float(found.scores[0]))), self.floor)


class Measured(NamedTuple):
    """What fusion knows of one image, all looks made."""

    whole: tuple[float, float, float]
    tiled: tuple[float, float, float]


def measure(image: Rgb, first: Detector, second: Detector) -> Measured:
    """The figures of one image (H, W, 3) uint8, to fit a calibration on; detectors as :class:`Fused` wants them."""
    (one,), (two,) = look_at([image], first, "whole"), look_at([image], second, "whole")
    (tiles,) = look_at([image], second, "tiles2x2")
    return Measured(figures(one, two), figures(one, join(two, tiles)))


def figures(one: Detections, two: Detections) -> tuple[float, float, float]:
    """Best score of each, and their best agreement; 0 where there is none."""
    a, b = above(one, AGREEING), above(two, AGREEING)
    return best(one), best(two), float(agreements(a, b).max(initial=np.float32(0)))
