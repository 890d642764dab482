import numpy as np
import pytest

from compositing.kernels.pushpull import Window, carried_outward


def layer_of(height, width, window, seed=0):
    generator = np.random.default_rng(seed)
    layer = np.zeros((height, width, 4), np.float32)
    alpha = generator.random((window.low - window.top, window.right - window.left, 1), np.float32)
    colour = generator.random((*alpha.shape[:2], 3), np.float32)
    layer[window.rows, window.columns] = np.dstack([alpha * colour, alpha])
    return layer


@pytest.mark.parametrize("size", [(64, 64), (61, 90), (1, 7), (33, 2), (1, 1)])
def test_a_window_changes_the_work_and_not_the_colour(size):
    height, width = size
    window = Window(height // 3, height // 3 + (height + 1) // 2, width // 4, width // 4 + (width + 1) // 2)
    layer = layer_of(height, width, window)
    whole = carried_outward(layer, Window(0, height, 0, width), 0.0)
    assert whole.shape == (height, width, 3)
    assert (carried_outward(layer, window, 0.0) == whole).all()


def test_nothing_is_carried_from_where_nothing_is():
    assert (carried_outward(np.zeros((9, 12, 4), np.float32), Window(0, 0, 0, 0), 0.5) == 0).all()


def test_own_colour_is_kept_where_there_is_much_of_it():
    layer = layer_of(40, 50, Window(0, 40, 0, 50))
    alpha = layer[:, :, 3:]
    found = carried_outward(layer, Window(0, 40, 0, 50), 0.0)
    own = np.divide(layer[:, :, :3], alpha, out=np.zeros_like(found), where=alpha > 0)
    share = alpha / (alpha + 1 / 510)  # of its own; the rest is the surroundings'
    assert (np.abs(found - own) <= (1 - share) + 1e-5).all()


def test_one_colour_stays_that_colour():
    layer = np.zeros((37, 53, 4), np.float32)
    layer[10:20, 30:33] = np.float32([0.1, 0.2, 0.3, 0.5])
    found = carried_outward(layer, Window(10, 20, 30, 33), 0.0)
    assert found == pytest.approx(np.broadcast_to(np.float32([0.2, 0.4, 0.6]), found.shape), abs=1e-5)


def test_spill_is_green_alone():
    light = np.float32([[[0.2, 0.5, 0.3], [0.4, 0.3, 0.2], [0.2, 0.3, 0.3]]])
    layer = np.dstack([light, np.ones((1, 3), np.float32)])
    before, half, after = (carried_outward(layer, Window(0, 1, 0, 3), share) for share in (0.0, 0.5, 1.0))
    assert before == pytest.approx(light, abs=1e-3)
    assert (after[:, :, 1] == np.minimum(before[:, :, 1], np.maximum(before[:, :, 0], before[:, :, 2]))).all()
    assert (after[:, :, ::2] == before[:, :, ::2]).all()
    assert half[:, :, 1] == pytest.approx((before[:, :, 1] + after[:, :, 1]) / 2)
