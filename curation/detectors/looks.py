"""Looks: the whole image, or overlapping tiles of it, each shown to a detector on its own."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from curation.detectors import Detections, Detector, arrange
from curation.images import Rgb

Look = Literal["whole", "tiles2x2"]
Window = tuple[float, float, float, float]
"""x, y, width, height as shares of the image."""

TILE = 0.6
"""Side of a tile as a share of the image's: neighbours overlap by a fifth of the image, so that a person on the seam
is whole in at least one."""


def windows(look: Look) -> tuple[Window, ...]:
    """The windows of one look."""
    if look == "whole":
        return ((0.0, 0.0, 1.0, 1.0),)
    far = 1 - TILE
    return tuple((x, y, TILE, TILE) for y in (0.0, far) for x in (0.0, far))


def cut(image: Rgb, look: Look) -> tuple[list[Rgb], list[Window]]:
    """The cuts of one look at an image (H, W, 3), and where they lie, to the pixel."""
    height, width = image.shape[:2]
    cuts, places = [], []
    for x, y, w, h in windows(look):
        left, top = round(x * width), round(y * height)
        right, bottom = max(left + 1, round((x + w) * width)), max(top + 1, round((y + h) * height))
        cuts.append(image[top:bottom, left:right])
        places.append((left / width, top / height, (right - left) / width, (bottom - top) / height))
    return cuts, places


def look_at(images: Sequence[Rgb], detector: Detector, look: Look) -> list[Detections]:
    """What a detector finds in images (H, W, 3) uint8, shown to it in one way; boxes as shares of the whole image.

    A person whom several tiles see is in it several times: see :func:`curation.detectors.suppress`.
    """
    cuts: list[Rgb] = []
    places: list[list[Window]] = []
    for image in images:
        own, where = cut(image, look)
        cuts += own
        places.append(where)
    found = iter(detector.detect(cuts))
    return [join(*(_moved(next(found), place) for place in where)) for where in places]


def _moved(found: Detections, place: Window) -> Detections:
    x, y, w, h = place
    return Detections(np.asarray(found.boxes * [w, h, w, h] + [x, y, 0, 0], np.float32), found.scores)


def join(*found: Detections) -> Detections:
    """All of them, best first."""
    if len(found) == 1:
        return arrange(found[0].boxes, found[0].scores)
    return arrange(np.concatenate([each.boxes for each in found]), np.concatenate([each.scores for each in found]))
