import cv2
import numpy as np
import pytest

from compositing.chain.viewpoint import Viewpoint, motion_matrix, recapture
from compositing.kernels.warp import CELL, Warp, steepness
from compositing.light import bytes_to_linear
from tests.compositing.composite_world import photograph, recaptured


def cubic(distance):
    """Keys' kernel with a = -0.75, float64."""
    a, d = -0.75, np.abs(distance)
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    return np.where(d <= 1, near, np.where(d < 2, a * (d**3 - 5 * d**2 + 8 * d - 4), 0))


def sixteen_neighbours(scene, x, y):
    """The plain definition of cubic resampling, mirrored at the border; ``x``, ``y``: (h, w)."""
    found = np.zeros((*x.shape, 3))
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    for j in range(-1, 3):
        for i in range(-1, 3):
            columns, rows = (
                size - 1 - np.abs(size - 1 - np.abs(index))
                for index, size in ((left + i, scene.shape[1]), (top + j, scene.shape[0]))
            )
            weight = cubic(x - left - i) * cubic(y - top - j)
            found += weight[:, :, None] * scene[rows, columns]
    return found


VIEWS = {
    "shift": Viewpoint(3.3, -4.7),
    "turn": Viewpoint(0.4, 2.2, 1.5, 0.985),
    "other turn": Viewpoint(-6.1, 1.9, -1.5, 1.02),
    "perspective": Viewpoint(1.2, 0.8, 0.3, 1.0, 1.5, -1.0),
}


def looks(view, width, height, margin):
    down, across = np.mgrid[:height, :width]
    x, y, w = np.einsum(
        "ij,jrc->irc", np.linalg.inv(motion_matrix(width, height, view)), np.stack([across, down, np.ones_like(down)])
    )
    return x / w + margin, y / w + margin


@pytest.mark.parametrize("width", [320, 301])
@pytest.mark.parametrize("name", VIEWS)
def test_two_passes_agree_with_sixteen_neighbours_on_a_smooth_picture(name, width):
    """Within a thousandth: the two differ by what a row's slope is across a pixel."""
    margin, height = 24, 150
    whole = bytes_to_linear(photograph(5, height + 2 * margin, width + 2 * margin))
    whole = cv2.GaussianBlur(whole, (0, 0), 0.8)
    found = recaptured(whole, margin, VIEWS[name])
    expected = sixteen_neighbours(whole, *looks(VIEWS[name], width, height, margin))
    assert found.shape == (height, width, 3)
    assert np.abs(found - expected).max() < 1e-3


@pytest.mark.parametrize("name", VIEWS)
def test_no_edge_is_softened(name):
    """Noise, the hardest there is: as much of it is left as sixteen neighbours leave."""
    margin, width, height = 24, 160, 120
    whole = np.random.default_rng(3).random((height + 2 * margin, width + 2 * margin, 3), np.float32)
    found = recaptured(whole, margin, VIEWS[name])
    expected = sixteen_neighbours(whole, *looks(VIEWS[name], width, height, margin))
    assert found.std() == pytest.approx(expected.std(), rel=0.005)
    assert np.abs(found - expected).mean() < 0.03 * expected.std()


def test_whole_pixels_come_out_as_they_are():
    whole = np.random.default_rng(4).random((80, 90, 3), np.float32)
    u, v = np.meshgrid((np.arange(5) - 1.0) * CELL + 20, np.arange(4) * float(CELL) + 17)
    assert (Warp(whole, u, v, 45, 47).rows(slice(0, 45)) == whole[17:62, 20:67]).all()


def test_beyond_the_border_the_scene_is_mirrored():
    whole = np.random.default_rng(5).random((40, 40, 3), np.float32)
    u, v = np.meshgrid((np.arange(5) - 1.0) * CELL - 3.25, np.arange(4) * float(CELL) - 2.5)
    down, across = np.mgrid[:48, :48]
    expected = sixteen_neighbours(whole, across - 3.25, down - 2.5)
    assert Warp(whole, u, v, 48, 48).rows(slice(0, 48)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("name", VIEWS)
def test_some_rows_are_those_of_the_whole(name):
    whole = np.random.default_rng(6).random((120 + 48, 100 + 48, 3), np.float32)
    told = recapture(whole, 24, VIEWS[name])
    assert (
        np.concatenate([told(slice(0, 19)), told(slice(19, 90)), told(slice(90, 120))]) == told(slice(0, 120))
    ).all()


def test_steepness_is_that_of_the_displacement():
    u, v = np.meshgrid((np.arange(9) - 1.0) * CELL * 1.03, np.arange(7) * float(CELL))
    assert steepness(u, v) == pytest.approx(0.03)
    assert steepness(u, v + 0.05 * u) == pytest.approx(0.0515)


def test_a_camera_that_turned_far_is_followed_too():
    whole = bytes_to_linear(photograph(6, 200, 200))
    view = Viewpoint(rotate=20.0)
    found = recaptured(whole, 40, view)
    expected = sixteen_neighbours(whole, *looks(view, 120, 120, 40))
    assert np.abs(found - expected).mean() < 2e-3
