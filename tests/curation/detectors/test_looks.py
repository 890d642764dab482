import numpy as np

from curation.detectors.looks import look_at, windows
from curation.detectors.observers import AnyOf, Member
from curation.images import Rgb
from tests.curation.stand_ins import RedDetector


def red(*boxes: tuple[int, int, int, int]) -> Rgb:
    image = np.zeros((200, 300, 3), np.uint8)
    for x, y, w, h in boxes:
        image[y : y + h, x : x + w, 0] = 255
    return image


def test_tiles_cover_the_image_and_overlap() -> None:
    cover = np.zeros((100, 100), int)
    for x, y, w, h in windows("tiles2x2"):
        cover[round(100 * y) : round(100 * (y + h)), round(100 * x) : round(100 * (x + w))] += 1
    assert cover.min() == 1 and cover[50, 50] == 4
    assert windows("whole") == ((0, 0, 1, 1),)


def test_what_several_looks_see_is_one_person() -> None:
    image = red((20, 20, 30, 60), (130, 90, 40, 60))  # the second lies over the seam, cut by some tiles
    (seen,) = AnyOf([Member(RedDetector(), ("whole", "tiles2x2"))], 0.2).observe([image])
    boxes = seen.found.boxes * [300, 200, 300, 200]
    assert sorted(boxes.round().tolist()) == [[20, 20, 30, 60], [130, 90, 40, 60]]
    assert seen.look == "whole+tiles2x2" and [one.look for one in seen.seen] == ["whole", "tiles2x2"]


def test_boxes_of_tiles_lie_where_the_tile_was_cut() -> None:
    """Sides that 0.6 does not divide: the box must come from the pixels cut, not from the share asked for."""
    image = red((130, 90, 5, 5))[:199, :297]
    (found,) = look_at([image], RedDetector(), "tiles2x2")
    assert np.abs(found.boxes * [297, 199, 297, 199] - [130, 90, 5, 5]).max() < 0.01
    assert len(found.scores) == 4


def test_each_image_is_looked_at_on_its_own() -> None:
    images = [red((20, 20, 30, 60)), red(), red((200, 90, 40, 60))]
    together = look_at(images, RedDetector(), "tiles2x2")
    for image, found in zip(images, together, strict=True):
        (alone,) = look_at([image], RedDetector(), "tiles2x2")
        assert np.array_equal(alone.boxes, found.boxes) and np.array_equal(alone.scores, found.scores)
