import numpy as np
import pytest

from compositing.chain.look import Look
from compositing.light import to_display, to_linear
from compositing.perturb import contrast, defocus, saturation_matrix, shadow_factor, warmth_gains
from tests.compositing.composite_world import photograph


def scene(margin=16, height=120, width=160):
    image = photograph(5, height + 2 * margin, width + 2 * margin)
    return image.astype(np.float32) / 255


def test_gains_multiply_light_and_warmth_moves_red_against_blue():
    light = np.full((2, 2, 3), 0.2, np.float32)
    assert Look(warmth_gains(0.1) * 2)(light)[0, 0] == pytest.approx([0.42, 0.4, 0.38])


def test_contrast_and_saturation_have_their_fixed_points():
    light = to_linear(scene())
    grey = np.full((1, 1, 3), 0.5, np.float32)
    assert to_display(contrast(to_linear(grey), 1.7)) == pytest.approx(0.5, abs=1e-5)
    slope = to_display(contrast(to_linear(grey + 0.01), 1.3)) - to_display(contrast(to_linear(grey - 0.01), 1.3))
    assert slope / 0.02 == pytest.approx(1.3, abs=0.01)
    assert contrast(light, 1.0) is light
    plain = light @ saturation_matrix(0.0).T
    assert np.ptp(plain, axis=2).max() < 1e-6
    assert plain[:, :, 0] == pytest.approx(light @ np.float32([0.2126, 0.7152, 0.0722]), abs=1e-6)
    assert saturation_matrix(1.0) == pytest.approx(np.eye(3))


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
