import cv2
import numpy as np
import pytest

from compositing.kernels.resample import area_taps, light_of, premultiplied
from compositing.light import bytes_to_linear
from tests.compositing.composite_world import figure, photograph


@pytest.mark.parametrize("sizes", [(100, 50), (100, 73), (97, 96), (301, 41), (5, 1), (7, 7), (1, 1)])
def test_area_taps_share_every_pixel_out_once(sizes):
    before, after = sizes
    taps = area_taps(before, after)
    given = np.zeros(before)
    for k in range(taps.weight.shape[1]):
        np.add.at(given, taps.first + k, taps.weight[:, k])
    assert taps.weight.sum(axis=1) == pytest.approx(1, abs=1e-6)
    assert given == pytest.approx(after / before, abs=1e-6)
    centres = (taps.weight * (taps.first[:, None] + np.arange(taps.weight.shape[1]))).sum(axis=1)
    # A pixel that is covered in part counts with its own centre, not with that of its part.
    assert centres == pytest.approx((np.arange(after) + 0.5) * before / after - 0.5, abs=0.13)


@pytest.mark.parametrize("size", [(100, 75), (77, 41), (63, 150)])
def test_light_is_averaged_as_cv2_does(size):
    image = photograph(3)
    part = np.s_[20:170, 30:230]
    expected = cv2.resize(bytes_to_linear(image[part].copy()), size, interpolation=cv2.INTER_AREA)
    across, down = area_taps(200, size[0]), area_taps(150, size[1])
    found = light_of(image, (30, 20), across, down)
    # It leaves out what is covered by less than a thousandth.
    assert found == pytest.approx(expected, abs=1e-3)
    mirrored = light_of(np.ascontiguousarray(image[:, ::-1]), (image.shape[1] - 230, 20), across.mirrored(200), down)
    assert mirrored == pytest.approx(found, abs=1e-6)


def test_pictures_that_are_views_or_read_only_are_taken():
    image = photograph(3)
    taps = area_taps(60, 40)
    expected = light_of(image, (3, 5), taps, taps)
    wide = np.repeat(image, 2, axis=1)[:, ::2]
    wide.flags.writeable = False
    assert (light_of(wide, (3, 5), taps, taps) == expected).all()


@pytest.mark.parametrize("scale", [0.25, 0.41, 1.0])
def test_a_matte_is_premultiplied_before_it_is_averaged(scale):
    fgr, pha = figure()
    x, y, w, h = cv2.boundingRect(pha)
    size = round(w * scale), round(h * scale)
    alpha = pha.astype(np.float32) / 255
    layer = np.dstack([bytes_to_linear(fgr) * alpha[:, :, None], alpha])[y : y + h, x : x + w]
    expected = layer if scale == 1 else cv2.resize(layer, size, interpolation=cv2.INTER_AREA)
    found = premultiplied(fgr, pha, (x, y), area_taps(w, size[0]), area_taps(h, size[1]))
    assert found == pytest.approx(expected, abs=1e-3)
