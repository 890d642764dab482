import cv2
import numpy as np
import pytest

from curation.identity import rng
from training.evaluation import captured

BOX = (0.3, 0.2, 0.4, 0.6)


def figure(side: int = 160) -> tuple[np.ndarray, np.ndarray]:
    """A red ellipse in BOX before a grey-green wall, with grain; and where it is."""
    wall = rng(1, "wall").normal((90, 110, 100), 6, (side, side, 3))
    inside = np.zeros((side, side), np.uint8)
    cv2.ellipse(inside, (side // 2, side // 2), (side // 5, 3 * side // 10), 0, 0, 360, 1, cv2.FILLED)
    cloth = rng(1, "cloth").normal((190, 40, 50), 6, (side, side, 3))
    return np.clip(np.where(inside[:, :, None] > 0, cloth, wall), 0, 255).astype(np.uint8), inside > 0


def test_outside_counts_what_is_far_from_every_box():
    alpha = np.zeros((100, 200), np.float32)
    alpha[:, :20] = 0.5  # outside
    alpha[40:60, 80:120] = 1.0  # the person
    alpha[:, 54:60] = 1.0  # at the box, inside its margin of 0.12 * 80 pixels
    boxes = [BOX]
    outside = captured.outside_boxes(alpha.shape, boxes)
    assert not outside[50, 50] and outside[50, 49] and outside[10, 100]
    assert captured.outside_error(alpha, boxes) == pytest.approx(1000 * alpha[outside].mean())
    assert captured.outside_error(alpha, []) == pytest.approx(1000 * alpha.mean(), rel=1e-5)
    assert captured.outside_error(alpha, [(0, 0, 1, 1)]) is None


def test_holes_are_what_alpha_lacks_deep_inside():
    inside = np.zeros((50, 50), bool)
    inside[20:30, 20:30] = True
    alpha = np.ones((50, 50), np.float32)
    alpha[20:25, 20:30] = 0.2
    assert captured.hole_error(alpha, captured.Segmentation(inside, 1.0)) == pytest.approx(400, rel=1e-5)
    assert captured.hole_error(alpha, captured.Segmentation(inside, captured.TRUSTED - 0.01)) is None
    assert captured.hole_error(alpha, captured.Segmentation(~inside & inside, 1.0)) is None


def test_flicker_is_counted_where_the_picture_stands_still():
    before, _ = figure()
    after = before.copy()
    after[:40] = 255 - after[:40]
    where = captured.still(before, after)
    assert not where[:44].any() and where[50:].all()
    assert captured.still(before, np.clip(before.astype(int) + 2, 0, 255).astype(np.uint8)).all()
    one, two = np.zeros((2, 160, 160), np.float32)
    two[:40], two[100:] = 1.0, 0.3
    assert captured.flicker(one, two, where) == pytest.approx(1000 * 0.3 * where[100:].sum() / where.sum(), rel=1e-4)
    assert captured.flicker(one, two, ~where & where) is None


def test_a_person_is_segmented_inside_of_its_outline_and_alike_every_time():
    image, truth = figure()
    found = captured.segment(image, [BOX])
    assert found.trust > 0.9
    assert not (found.inside & ~truth).any() and found.inside.sum() > 0.4 * truth.sum()
    cv2.setRNGSeed(99)  # whatever ran before
    again = captured.segment(image, [BOX])
    assert again.trust == found.trust
    np.testing.assert_array_equal(again.inside, found.inside)


def test_clothes_of_the_wall_are_not_trusted_as_much():
    image, _ = figure()
    wall = rng(1, "wall").normal((90, 110, 100), 6, image.shape)
    plain = captured.segment(np.clip(wall, 0, 255).astype(np.uint8), [BOX])
    assert plain.trust < captured.segment(image, [BOX]).trust


def test_nobody_is_segmented_where_nobody_was_found():
    image, _ = figure()
    found = captured.segment(image, [])
    assert found.trust == 0 and not found.inside.any()


def test_whom_the_frame_cuts_off_is_not_eroded_there():
    mask = np.zeros((100, 100), bool)
    mask[50:, 30:70] = True
    inner = captured.eroded(mask, [(0.3, 0.5, 0.4, 0.5)])
    assert inner[99, 50] and not inner[50, 50] and not inner[80, 30]
