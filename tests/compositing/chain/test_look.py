import numpy as np
import pytest

from compositing.chain.look import Look, curve_table
from compositing.kernels.rows import toned
from compositing.light import to_bytes, to_display, to_linear
from compositing.perturb import contrast, saturation_matrix
from tests.compositing.composite_world import photograph


def sent(values, table, top=1.0):
    found = np.empty(values.shape, table.dtype)
    toned(values, table, np.float32(top), found)
    return found


def test_a_look_is_gains_then_contrast_then_saturation():
    light = to_linear(photograph(5, 152, 192).astype(np.float32) / 255)
    found = Look(np.array([1.2, 1.0, 0.8]), 1.1, 1.2)(light)
    expected = contrast(light * np.float32([1.2, 1.0, 0.8]), 1.1) @ saturation_matrix(1.2).T
    assert found == pytest.approx(np.clip(expected, 0, 1), abs=6e-4)
    assert Look(np.ones(3))(light * 2).max() == 1.0
    given = light.copy()
    assert (Look(np.array([1.2, 1.0, 0.8]), 1.1, 1.2)(given, out=given) == found).all()


@pytest.mark.parametrize("top", [1.0, 2.0])
@pytest.mark.parametrize("curve", [to_display, lambda values: to_display(values) ** 1.1])
def test_a_table_is_the_curve_to_a_fraction_of_a_rounding(curve, top):
    values = np.random.default_rng(0).random((40, 50, 3), dtype=np.float32) ** 4 * np.float32(top)
    found = sent(values, curve_table(curve, top), top)
    assert found.shape == values.shape and found.dtype == np.float32
    assert np.abs(found - curve(values)).max() * 255 < 0.05 * top


def test_a_table_of_bytes_gives_bytes_and_clips():
    table = to_bytes(curve_table(to_display))
    values = np.float32([[[-1.0, 0.0, 0.2158605], [1.0, 3.0, 0.0]]])
    assert sent(values, table).tolist() == [[[0, 0, 128], [255, 255, 0]]] and sent(values, table).dtype == np.uint8
