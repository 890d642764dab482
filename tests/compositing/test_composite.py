import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from compositing.composite import composite, joined
from compositing.light import bytes_to_linear, to_bytes, to_display, to_linear

unit = st.floats(0, 1, width=32)
colour = arrays(np.float32, (3, 4, 3), elements=unit)
alpha = arrays(np.float32, (3, 4), elements=unit)


@given(colour, alpha, colour)
def test_the_equation(fgr, pha, bgr):
    seen = composite(fgr, pha, bgr)
    wide = pha[:, :, None].astype(np.float64)
    assert seen == pytest.approx(wide * fgr + (1 - wide) * bgr, abs=1e-6)
    assert (seen[pha == 0] == bgr[pha == 0]).all()
    assert (seen >= np.minimum(fgr, bgr) - 1e-6).all() and (seen <= np.maximum(fgr, bgr) + 1e-6).all()


@given(colour, alpha)
def test_over_itself_nothing_changes(image, pha):
    assert composite(image, pha, image) == pytest.approx(image, abs=1e-6)


def test_shapes_must_agree():
    image = np.zeros((4, 4, 3), np.float32)
    with pytest.raises(ValueError, match=r"pha \(3, 4\)"):
        composite(image, np.zeros((3, 4), np.float32), image)


def test_the_transfer_curve_is_srgb():
    assert to_display(np.float32([[0.0, 0.0031308, 0.2140411, 1.0]])) == pytest.approx(
        np.array([[0.0, 0.04045, 0.5, 1.0]]), abs=1e-5
    )


def test_bytes_survive_the_way_through_light():
    every = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert (to_bytes(to_display(bytes_to_linear(every))) == every).all()
    assert bytes_to_linear(every) == pytest.approx(to_linear(every.astype(np.float32) / 255), abs=1e-7)


def test_half_cover_mixes_light_not_display_values():
    black, white = np.zeros((1, 1, 3), np.float32), np.ones((1, 1, 3), np.float32)
    grey = to_display(composite(white, np.full((1, 1), 0.5, np.float32), black))
    assert grey == pytest.approx(0.7354, abs=1e-3)


@given(colour, alpha, colour, alpha, colour)
def test_two_layers_in_one_look_like_one_after_the_other(front, front_alpha, back, back_alpha, bgr):
    layer, cover = joined(front, front_alpha, back, back_alpha)
    expected = composite(front, front_alpha, composite(back, back_alpha, bgr))
    assert composite(layer, cover, bgr) == pytest.approx(expected, abs=3e-4)
    assert (layer >= np.minimum(front, back) - 1e-6).all() and (layer <= np.maximum(front, back) + 1e-6).all()
    assert (cover >= np.maximum(front_alpha, back_alpha) - 1e-6).all() and (cover <= 1 + 1e-6).all()
