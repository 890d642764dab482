import numpy as np
import pytest

from compositing.light import to_bytes, to_display, to_linear


def srgb_display(light):
    light = np.maximum(light, 0)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def srgb_linear(display):
    display = np.maximum(display, 0)
    return np.where(display <= 0.04045, display / 12.92, ((display + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("curve,truth", [(to_display, srgb_display), (to_linear, srgb_linear)])
def test_both_curves_are_the_standard_s_to_a_millionth(curve, truth):
    values = np.linspace(-0.1, 1.5, 64_001).reshape(1, -1, 1).repeat(3, axis=2)
    found = curve(values.astype(np.float32))
    assert found.shape == values.shape and found.dtype == np.float32
    assert np.abs(found - truth(values)).max() < 2e-6
    assert found.min() >= 0  # a negative value would be no number after the next power


def test_bytes_are_clipped_and_rounded_to_the_nearest():
    values = np.float32([[-0.5, 0.0, 0.49 / 255, 0.51 / 255, 254.49 / 255, 254.51 / 255, 1.0, 7.0]])
    assert to_bytes(values).tolist() == [[0, 0, 0, 1, 254, 255, 255, 255]]
