import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.registration import phase_cross_correlation

from compositing.light import to_display, to_linear
from compositing.perturb import (
    CaptureParams,
    add_noise,
    contrast,
    defocus,
    drift,
    expose,
    motion_matrix,
    recapture,
    saturate,
    shadow_factor,
    warm,
)
from compositing.recipe import margin_of
from tests.compositing.composite_world import photograph


def scene(margin=16, height=120, width=160):
    image = photograph(5, height + 2 * margin, width + 2 * margin)
    return image.astype(np.float32) / 255


def measured_shift(before, after):
    """How far the content moved, x and y pixels: upsampled cross-correlation (Guizar-Sicairos et al., 2008)."""
    window = np.outer(np.hanning(before.shape[0]), np.hanning(before.shape[1]))
    a, b = ((image.mean(axis=2) - image.mean()) * window for image in (before, after))
    return phase_cross_correlation(b, a, upsample_factor=50, normalization=None)[0][::-1]


@settings(max_examples=25)
@given(st.floats(-6, 6), st.floats(-6, 6))
def test_a_known_shift_is_measured_back(x, y):
    whole = scene()
    assert measured_shift(recapture(whole, 16), recapture(whole, 16, x, y)) == pytest.approx((x, y), abs=0.15)


def test_without_motion_the_window_is_not_resampled():
    whole = scene()
    assert (recapture(whole, 16) == whole[16:-16, 16:-16]).all()


def test_a_turn_is_counter_clockwise_about_the_centre():
    matrix = motion_matrix(101, 81, 0, 0, 90, 1)
    assert matrix @ np.array([50, 40, 1]) == pytest.approx([50, 40])
    assert matrix @ np.array([60, 40, 1]) == pytest.approx([50, 30])
    grown = motion_matrix(101, 81, 2, -1, 0, 1.1)
    assert grown @ np.array([60, 40, 1]) == pytest.approx([63, 39])


@given(st.integers(0, 2**32))
def test_the_margin_keeps_the_border_of_the_scene_out_of_sight(seed):
    capture = CaptureParams(
        shift=(0, 9),
        rotate=(-1.5, 1.5),
        scale=(0.98, 1.02),
        gain=(0, 0),
        white_balance=(0, 0),
        gamma=(1, 1),
        noise=(0, 0),
        quality=(90, 90),
        shadow=0,
        shadow_strength=(0, 0),
    )
    width, height = 160, 120
    margin = margin_of(capture, width, height)
    generator = np.random.default_rng(seed)
    length = 9 * width / 512
    angle = generator.uniform(0, 2 * np.pi)
    rotate, scale = generator.choice([-1.5, 1.5]), generator.choice([0.98, 1.02])
    matrix = motion_matrix(width, height, length * np.cos(angle), length * np.sin(angle), rotate, scale)
    back = cv2.invertAffineTransform(matrix)
    corners = np.array([[0, 0, 1], [width - 1, 0, 1], [0, height - 1, 1], [width - 1, height - 1, 1]]).T
    x, y = back @ corners
    # Cubic resampling reads two pixels further.
    assert x.min() - 2 >= -margin and x.max() + 2 <= width - 1 + margin
    assert y.min() - 2 >= -margin and y.max() + 2 <= height - 1 + margin


def test_a_stop_doubles_light_and_warmth_moves_red_against_blue():
    light = np.full((2, 2, 3), 0.2, np.float32)
    assert expose(light, 1.0) == pytest.approx(0.4)
    assert warm(light, 0.1)[0, 0] == pytest.approx([0.21, 0.2, 0.19])


def test_contrast_and_saturation_have_their_fixed_points():
    image = scene()
    assert contrast(np.full((1, 1, 3), 0.5, np.float32), 1.7) == pytest.approx(0.5)
    assert saturate(image, 1.0) == pytest.approx(image, abs=1e-6)
    grey = saturate(image, 0.0)
    assert np.ptp(grey, axis=2).max() < 1e-6
    assert grey[:, :, 0] == pytest.approx(image @ np.float32([0.2126, 0.7152, 0.0722]), abs=1e-6)


def test_drift_acts_on_light_then_on_the_tone_curve():
    image = scene()
    assert (drift(image, 0.0, 0.0, 0.0, 1.0) == image).all()
    brighter = to_linear(drift(image, 0.25, 0.05, -0.05, 1.0)) / to_linear(image)
    assert brighter.reshape(-1, 3).mean(axis=0) == pytest.approx(2 ** np.array([0.3, 0.25, 0.2]), rel=1e-3)
    assert drift(image, 0, 0, 0, 1.2) == pytest.approx(image**1.2, abs=1e-5)


def test_noise_has_its_sigma_and_no_colour_or_stream_in_common():
    flat = np.full((200, 200, 3), 0.5, np.float32)
    first, second = (add_noise(flat, 0.02, 77, stream) - flat for stream in (0, 1))
    assert first.std() == pytest.approx(0.02, rel=0.02)
    assert abs(first.mean()) < 3e-4
    assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(first[:, :, 0].ravel(), first[:, :, 1].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(first[:, 1:].ravel(), first[:, :-1].ravel())[0, 1]) < 0.02
    assert (add_noise(flat, 0.02, 77, 0) == flat + first).all()
    assert not (add_noise(flat, 0.02, 78, 0) == flat + first).any(axis=2).all()
    assert add_noise(flat, 0.0, 77, 0) is flat


def test_defocus_spreads_colour_with_alpha():
    layer = np.zeros((41, 41, 4), np.float32)
    layer[15:26, 15:26] = (0.3, 0.6, 0.1, 1.0)
    soft = defocus(layer, 2.0)
    assert soft.sum() == pytest.approx(layer.sum(), rel=1e-4)
    seen = soft[:, :, 3] > 0.01
    assert soft[seen][:, :3] / soft[seen][:, 3:] == pytest.approx(np.tile([0.3, 0.6, 0.1], (seen.sum(), 1)), abs=1e-4)
    assert defocus(layer, 0.0) is layer


def test_defocus_does_not_fade_a_cut_edge():
    layer = np.ones((30, 30, 4), np.float32)
    assert defocus(layer, 1.5) == pytest.approx(1.0, abs=1e-5)


def test_a_shadow_takes_its_strength_from_display_values():
    pha = np.zeros((80, 80), np.float32)
    pha[20:60, 20:60] = 1
    factor = shadow_factor(pha, 0.4, 3.0)
    assert factor.max() == pytest.approx(1.0) and factor[40, 40] == factor.min()
    grey = np.full((80, 80, 3), 0.5, np.float32)
    darkened = to_display(to_linear(grey) * factor[:, :, None])
    assert darkened.min() == pytest.approx(0.5 * 0.6, abs=0.02)
    assert (np.abs(np.diff(factor[40])) < 0.12).all()  # soft, without an edge
