import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.registration import phase_cross_correlation

from compositing.chain.viewpoint import Viewpoint, motion_matrix, relief
from compositing.plan.draws import Draws
from compositing.plan.recipe import Canvas, draw_capture, margin_of
from tests.compositing.composite_world import photograph, plan_params, recaptured


def scene(margin=16, height=120, width=160):
    image = photograph(5, height + 2 * margin, width + 2 * margin)
    return image.astype(np.float32) / 255


def measured_shift(before, after):
    """How far the content moved, x and y pixels: upsampled cross-correlation (Guizar-Sicairos et al., 2008)."""
    window = np.outer(np.hanning(before.shape[0]), np.hanning(before.shape[1]))
    a, b = ((image.mean(axis=2) - image.mean()) * window for image in (before, after))
    return phase_cross_correlation(b, a, upsample_factor=50, normalization=None)[0][::-1]


@settings(max_examples=25, deadline=None)  # the first compiles
@given(st.floats(-6, 6), st.floats(-6, 6))
def test_a_known_shift_is_measured_back(x, y):
    whole = scene()
    assert measured_shift(recaptured(whole, 16, Viewpoint()), recaptured(whole, 16, Viewpoint(x, y))) == pytest.approx(
        (x, y), abs=0.15
    )


def test_without_motion_the_window_is_not_resampled():
    whole = scene()
    assert (recaptured(whole, 16, Viewpoint()) == whole[16:-16, 16:-16]).all()


def at(matrix, x, y):
    point = matrix @ np.array([x, y, 1])
    return point[:2] / point[2]


def test_a_turn_is_counter_clockwise_about_the_centre():
    matrix = motion_matrix(101, 81, Viewpoint(rotate=90))
    assert at(matrix, 50, 40) == pytest.approx([50, 40])
    assert at(matrix, 60, 40) == pytest.approx([50, 30])
    grown = motion_matrix(101, 81, Viewpoint(2, -1, 0, 1.1))
    assert at(grown, 60, 40) == pytest.approx([63, 39])


def test_a_tilt_moves_the_corners_by_its_pixels_and_not_the_centre():
    matrix = motion_matrix(161, 121, Viewpoint(tilt_x=3.0))
    assert at(matrix, 80, 60) == pytest.approx([80, 60])
    right, left = at(matrix, 160, 0) - (160, 0), at(matrix, 0, 0) - (0, 0)
    assert np.hypot(*right) == pytest.approx(3, abs=0.15) and right[0] < 0 < right[1]
    assert np.hypot(*left) == pytest.approx(3, abs=0.15) and left[0] < 0 and left[1] < 0


@pytest.mark.parametrize("kind", ["affine", "perspective", "parallax"])
def test_each_way_of_resampling_agrees_with_the_homography(kind):
    """A grid of dots comes out where the matrix says."""
    margin, width, height = 16, 160, 120
    tiny = {"affine": {}, "perspective": {"tilt_x": 4.0, "tilt_y": -2.0}, "parallax": {"parallax_x": 1e-6}}[kind]
    view = Viewpoint(2.3, -1.7, 1.5, 1.02, **tiny)
    whole = np.zeros((height + 2 * margin, width + 2 * margin, 3), np.float32)
    dots = [(30, 30), (80, 60), (130, 90), (40, 95)]
    for x, y in dots:
        whole[y + margin, x + margin] = 1
    whole = cv2.GaussianBlur(whole, (0, 0), 2)
    found = recaptured(whole, margin, view)
    for x, y in dots:
        left, top = (round(value) for value in at(motion_matrix(width, height, view), x, y))
        patch = np.maximum(found[top - 8 : top + 9, left - 8 : left + 9, 0], 0)
        down, across = np.mgrid[top - 8 : top + 9, left - 8 : left + 9]
        centre = (across * patch).sum() / patch.sum(), (down * patch).sum() / patch.sum()
        assert centre == pytest.approx(at(motion_matrix(width, height, view), x, y), abs=0.07)


def test_near_things_move_against_far_ones_and_no_further_than_stated():
    near = relief(60, 40, 7)
    assert np.abs(near).max() <= 1 and near[-1].mean() - near[0].mean() > 0.5
    assert np.abs(np.diff(near, axis=1)).max() < 0.2
    assert not (relief(60, 40, 8) == near).all()
    down, across = np.mgrid[0:152, 0:192].astype(np.float32)
    ramp = np.dstack([across, down, down])
    moved = recaptured(ramp, 16, Viewpoint(parallax_x=4.0), 7) - ramp[16:-16, 16:-16]
    assert np.abs(moved[:, :, 0]).max() <= 4.01 and np.ptp(moved[:, :, 0]) > 3
    assert np.abs(moved[:, :, 1]).max() < 1e-3
    assert moved[-1, :, 0].mean() < moved[0, :, 0].mean()  # content goes right, so a ramp reads less


@settings(max_examples=100)
@given(st.integers(0, 2**32))
def test_the_margin_keeps_the_border_of_the_scene_out_of_sight(seed):
    """What the plan draws at its largest, all at once, in both directions."""
    ranges = {"shift": (9, 9), "rotate": (-1.5, 1.5), "scale": (0.98, 1.02), "breathing": (1.5, 1.5)}
    ranges |= {"perspective": (4, 4), "parallax": (5, 5)}
    sure = {f"{name}_probability": 1.0 for name in ("breathing", "perspective", "parallax")}
    capture = plan_params().train.model_copy(update=ranges | sure)
    width, height = 160, 120
    margin = margin_of(capture, width, height)
    view = drawn_view(capture, width, height, seed)
    matrix = np.linalg.inv(motion_matrix(width, height, view))
    corners = [(0, 0), (width - 1, 0), (0, height - 1), (width - 1, height - 1)]
    x, y = np.array([at(matrix, *corner) for corner in corners]).T
    x_reach, y_reach = abs(view.parallax_x), abs(view.parallax_y)
    # Cubic resampling reads two pixels further.
    assert x.min() - x_reach - 2 >= -margin and x.max() + x_reach + 2 <= width - 1 + margin
    assert y.min() - y_reach - 2 >= -margin and y.max() + y_reach + 2 <= height - 1 + margin


def drawn_view(capture, width, height, seed):
    nobody = np.zeros(1, bool)
    columns = draw_capture(
        Draws(seed, "base", np.arange(1)), capture, Canvas(width, height, 0, (1.0, 1.0)), nobody, nobody
    )
    row = {name: values[0] for name, values in columns.items()}
    shift = row["shift_x"], row["shift_y"], row["shift_rotate"], row["shift_scale"] * row["breathing"]
    return Viewpoint(*shift, *(row[name] for name in ("tilt_x", "tilt_y", "parallax_x", "parallax_y")))
