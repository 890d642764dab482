import numpy as np
import pytest

from compositing.chain.scene import cut_scene
from tests.compositing.composite_world import photograph, recipe

CROPS = {"reduced": {}, "as it is": {"crop_w": 128.0, "crop_h": 96.0}, "enlarged": {"crop_w": 112.0, "crop_h": 84.0}}


@pytest.mark.parametrize("name", CROPS)
def test_a_mirrored_crop_is_that_of_the_mirrored_photograph(name):
    image = photograph(3)
    row = recipe(**CROPS[name])
    mirrored = row | {"bgr_flip": True, "crop_x": image.shape[1] - row["crop_x"] - row["crop_w"]}
    plain, flipped = cut_scene(row, image), cut_scene(mirrored, np.ascontiguousarray(image[:, ::-1]))
    assert plain.shape == (96 + 16, 128 + 16, 3)
    assert flipped == pytest.approx(plain, abs=1e-6)
    assert not (cut_scene(row | {"bgr_flip": True}, image) == plain).all()


@pytest.mark.parametrize("name", CROPS)
def test_what_is_seen_is_where_it_was(name):
    """A ramp of light along x and y, cut out and measured."""
    down, across = np.mgrid[:240, :320]
    image = np.dstack([across // 2 + 40, down + 10, down * 0 + 90]).astype(np.uint8)
    row = recipe(**CROPS[name])
    scene = cut_scene(row, image)
    truth = np.array([row["crop_x"] + row["crop_w"] / 2 - 0.5, row["crop_y"] + row["crop_h"] / 2 - 0.5])
    light = scene[48:64, 64:80].mean(axis=(0, 1))  # about the middle
    shown = 255 * (1.055 * light ** (1 / 2.4) - 0.055)
    assert (shown[0] - 40) * 2 + 0.5 == pytest.approx(truth[0], abs=0.3)
    assert shown[1] - 10 == pytest.approx(truth[1], abs=0.3)
