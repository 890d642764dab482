import numpy as np
import pytest

from compositing.chain.camera import streak
from compositing.chain.subject import alpha_of, blurred, straight_colour, warp_subject
from compositing.light import bytes_to_linear, to_linear
from compositing.perturb import defocus
from compositing.plan.placement import subject_matrix
from tests.compositing.composite_world import figure, recipe


def centroid(alpha):
    y, x = np.mgrid[: alpha.shape[0], : alpha.shape[1]] + 0.5
    return np.array([(x * alpha).sum(), (y * alpha).sum()]) / alpha.sum()


@pytest.mark.parametrize("scale", [0.31, 0.6, 1.0, 1.2])
@pytest.mark.parametrize("rotate", [0.0, 20.0])
def test_the_box_lands_where_the_recipe_says(scale, rotate):
    fgr, pha = figure()
    row = recipe(fgr_scale=scale, fgr_rotate=rotate, fgr_x=63.3, fgr_y=71.8, width=128, height=144)
    warped = warp_subject(fgr, pha, row)
    alpha = warped.layer[:, :, 3]
    offset = centroid(pha) - warped.box.centre
    expected = np.array([63.3, 71.8]) + subject_matrix(scale, rotate, 0.0) @ offset
    assert centroid(alpha) == pytest.approx(expected, abs=0.03)
    assert alpha.sum() == pytest.approx((pha / 255).sum() * scale**2, rel=0.01)


def test_a_mirrored_matte_keeps_its_place():
    fgr, pha = figure()
    pha[:, 55:] = 0  # the left half
    plain = warp_subject(fgr, pha, recipe(fgr_scale=1.0, height=144)).layer
    mirrored = warp_subject(fgr, pha, recipe(fgr_scale=1.0, height=144, fgr_flip=True)).layer
    assert centroid(plain[:, :, 3])[0] < 45 and centroid(mirrored[:, :, 3])[0] > 55
    assert centroid(plain[:, :, 3])[0] + centroid(mirrored[:, :, 3])[0] == pytest.approx(100, abs=0.05)


@pytest.mark.parametrize("scale", [0.37, 1.0, 1.25])
def test_colour_from_outside_the_subject_never_leaks_in(scale):
    fgr, pha = figure()  # magenta wherever alpha is 0
    layer = warp_subject(fgr, pha, recipe(fgr_scale=scale, fgr_rotate=7.0, fgr_shear=3.0)).layer
    truth = bytes_to_linear(np.uint8([[[60, 150, 90]]]))[0, 0]
    colour = straight_colour(layer)
    assert colour == pytest.approx(np.broadcast_to(truth, colour.shape), abs=2e-3)


def test_colour_is_carried_outward_smoothly_between_what_is_there():
    layer = np.zeros((64, 64, 4), np.float32)
    layer[10:20, 10:20] = (1, 0, 0, 1)
    layer[40:50, 40:50] = (0, 0, 1, 1)
    colour = straight_colour(layer)
    assert colour[15, 15] == pytest.approx([1, 0, 0], abs=0.02)
    assert colour[45, 45] == pytest.approx([0, 0, 1], abs=0.02)
    assert colour[14, 6][0] > 0.8 and colour[56, 45][2] > 0.8
    assert colour.min() >= 0 and colour.max() <= 1
    assert colour[:, :, 1].max() == 0


def test_a_faint_pixel_still_says_its_own_colour():
    layer = np.zeros((8, 8, 4), np.float32)
    layer[:, :4] = (0.2, 0.2, 0.2, 1)
    layer[4, 6] = np.float32(0.1) * np.float32([1, 0, 0, 1])
    assert straight_colour(layer)[4, 6][0] > 0.95


def test_an_empty_matte_is_refused():
    fgr, pha = figure()
    with pytest.raises(ValueError, match="the matte of test/0000 frame 0 is empty"):
        warp_subject(fgr, np.zeros_like(pha), recipe())


def test_reducing_is_antialiased():
    pha = np.zeros((200, 200), np.uint8)
    pha[:, ::2] = 255  # hair: every other column
    fgr = np.full((200, 200, 3), 128, np.uint8)
    alpha = warp_subject(fgr, pha, recipe(fgr_scale=0.25, fgr_x=64.0, fgr_y=40.0)).layer[:, :, 3]
    assert alpha[40:56, 60:85] == pytest.approx(0.5, abs=0.05)
    assert to_linear(np.float32([[0.5]])) < 0.25


@pytest.mark.parametrize("x", [64.0, 3.0, -400.0])
def test_blur_is_worked_out_wherever_it_reaches(x):
    """The whole frame blurred, at a place within it, at its border and out of sight."""
    fgr, pha = figure()
    row = recipe(fgr_scale=0.5, fgr_x=x, fgr_y=40.0)
    layer = warp_subject(fgr, pha, row).layer
    expected = streak(defocus(layer, 1.7), 9.0, 30.0)
    found, window = blurred(warp_subject(fgr, pha, row), 1.7, 9.0, 30.0)
    assert found == pytest.approx(expected, abs=1e-6)
    assert (alpha_of(found, window) == np.clip(found[:, :, 3], 0, 1)).all()
    outside = found.copy()
    outside[window.rows, window.columns] = 0
    assert not outside.any()
