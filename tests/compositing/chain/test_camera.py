import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compositing.chain.camera import MOST_STOPS, metered, streak, streak_kernel, uneven
from tests.compositing.composite_world import photograph


def scene():
    return (photograph(4).astype(np.float32) / 255) ** 2.2


@pytest.mark.parametrize("angle", [0, 60, 90, 200, 315])
def test_uneven_light_spans_its_stops_towards_its_angle(angle):
    field = np.log2(uneven(120, 90, 0.6, angle))
    assert np.ptp(field) == pytest.approx(0.6, abs=0.03)
    assert field.mean() == pytest.approx(0, abs=0.01)
    y, x = np.unravel_index(field.argmax(), field.shape)
    towards = np.array([np.cos(np.radians(angle)), -np.sin(np.radians(angle))])
    assert np.array([x - 60, y - 45]) @ towards > 35
    assert np.abs(np.diff(field, axis=1)).max() < 0.02  # slow


def test_metering_takes_back_what_the_person_changed():
    before = scene()
    dark = before.copy()
    dark[60:140, 100:180] *= 0.1
    gains = metered(before, dark, 1.0, 0.0)
    assert gains[0] == gains[1] == gains[2] > 1.1
    lost = np.log2(np.maximum(before, 1e-3)).mean() - np.log2(np.maximum(dark, 1e-3)).mean()
    assert np.log2(gains[0]) == pytest.approx(lost, abs=0.05)
    assert np.log2(metered(before, dark, 0.5, 0.0)[0]) == pytest.approx(np.log2(gains[0]) / 2)
    assert (metered(before, dark, 0.0, 0.0) == 1).all() and (metered(before, before, 1.0, 1.0) == 1).all()
    assert np.log2(metered(before, before * 1e-3, 1.0, 0.0)).max() == pytest.approx(MOST_STOPS)


def test_white_balance_answers_a_red_coat_with_less_red():
    before = scene()
    red = before.copy()
    red[60:200, 100:220] = (0.6, 0.1, 0.1)
    gains = metered(before, red, 0.0, 1.0)
    assert gains[0] < 0.98 and gains[1] == 1
    assert gains[0] < gains[2]


@settings(max_examples=30)
@given(st.floats(0.3, 20), st.floats(0, 360))
def test_a_streak_keeps_light_and_place_and_has_its_length(length, angle):
    kernel = streak_kernel(length, angle)
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    half = kernel.shape[0] // 2
    x = np.arange(-half, half + 1)
    across, down = kernel.sum(axis=0), kernel.sum(axis=1)
    assert across @ x == pytest.approx(0, abs=1e-4) and down @ x == pytest.approx(0, abs=1e-4)
    # A line of length L has a variance of L^2 / 12; each axis adds up to 1/4 for pixels that share a point.
    variance = across @ x**2 + down @ x**2
    assert length**2 / 12 - 0.02 <= variance <= length**2 / 12 + 0.52


def test_a_streak_lies_along_its_angle_and_does_not_fade_at_borders():
    point = np.zeros((41, 41, 4), np.float32)
    point[20, 20] = 1
    rows, columns = np.nonzero(streak(point, 10, 45)[:, :, 0] > 0.01)
    assert np.corrcoef(columns, -rows)[0, 1] > 0.9  # up and to the right
    assert streak(np.ones((30, 30, 4), np.float32), 9, 10) == pytest.approx(1, abs=1e-5)
    assert streak(point, 0, 45) is point


def test_a_subject_in_motion_keeps_its_straight_colour():
    layer = np.zeros((60, 60, 4), np.float32)
    cv2.circle(layer, (30, 30), 12, (0.4, 0.2, 0.1, 1.0), -1)
    moved = streak(layer, 8, 20)
    seen = moved[:, :, 3] > 0.01
    assert moved[seen][:, :3] / moved[seen][:, 3:] == pytest.approx(np.tile([0.4, 0.2, 0.1], (seen.sum(), 1)), abs=1e-3)
    assert ((moved[:, :, 3] > 0.05) & (moved[:, :, 3] < 0.95)).sum() > 2 * ((layer[:, :, 3] > 0).any(axis=0).sum())
