import cv2
import numpy as np
import pytest

from compositing.chain.camouflage import camouflaged, skin
from compositing.light import LUMA, to_linear
from tests.compositing.composite_world import figure, photograph

CLOTH, SKIN = (40, 60, 160), (205, 150, 120)


def linear(*colour):
    return to_linear(np.array(colour, np.float32).reshape(1, 1, 3) / 255)


def dressed(colour=CLOTH):
    light = np.broadcast_to(linear(*colour), (150, 120, 3)).astype(np.float32)
    folds = 1 + 0.3 * np.sin(np.arange(150, dtype=np.float32) / 3)[:, None, None]
    return light * folds, figure()[1].astype(np.float32) / 255


def scene():
    return to_linear(photograph(3, 150, 120).astype(np.float32) / 255)


def distance(colour, behind, alpha):
    there = alpha > 0.5
    return float(np.abs(np.log2(colour[there] + 2e-3) - np.log2(behind[there] + 2e-3)).mean())


def test_cloth_comes_as_near_to_the_scene_behind_it_as_its_strength():
    behind = scene()
    apart = []
    for strength in (0.0, 0.5, 1.0):
        cloth, alpha = dressed()
        apart.append(distance(camouflaged(cloth, alpha, behind, strength), behind, alpha))
    cloth, alpha = dressed()
    assert apart[0] == pytest.approx(distance(cloth, behind, alpha), rel=1e-4)
    assert apart[2] < 0.35 * apart[0] and apart[2] < apart[1] < 0.75 * apart[0]


def test_folds_stay():
    cloth, alpha = dressed()
    fitted = camouflaged(cloth.copy(), alpha, np.full((150, 120, 3), 0.2, np.float32), 1.0)
    before, after = (np.log2(light[60:110, 60] @ np.array(LUMA)) for light in (cloth, fitted))
    assert np.corrcoef(before, after)[0, 1] > 0.9 and 0.3 < after.std() / before.std() < 0.9


def test_skin_keeps_its_colour():
    bare, alpha = dressed(SKIN)
    fitted = camouflaged(bare.copy(), alpha, np.full((150, 120, 3), 0.02, np.float32), 1.0)
    inside = alpha == 1
    assert np.abs(fitted - bare)[inside].max() < 0.02


def test_a_large_picture_is_fitted_as_a_small_one():
    cloth, alpha = dressed()
    cloth[:60] = dressed(SKIN)[0][:60]
    behind = scene()
    # 600 pixels a side, whose skin is found among pixels twice as wide.
    wide = [cv2.resize(each, (480, 600), interpolation=cv2.INTER_LINEAR) for each in (cloth, alpha, behind)]
    small = camouflaged(cloth, alpha, behind, 1.0)
    large = cv2.resize(camouflaged(*wide, 1.0), (120, 150), interpolation=cv2.INTER_AREA)
    inside = alpha == 1
    assert np.abs(large - small)[inside].mean() < 0.01


@pytest.mark.parametrize("colour", [SKIN, (90, 60, 45), (240, 200, 180), (141, 85, 36)])
def test_skin_of_any_brightness_is_skin(colour):
    assert skin(linear(*colour)).item() == 1


@pytest.mark.parametrize("colour", [CLOTH, (60, 160, 60), (128, 128, 128), (250, 250, 250), (200, 20, 20)])
def test_cloth_is_not_skin(colour):
    assert skin(linear(*colour)).item() == 0


def test_a_subject_that_is_nowhere_is_no_error():
    cloth, alpha = dressed()
    assert np.isfinite(camouflaged(cloth, np.zeros_like(alpha), scene(), 1.0)).all()
