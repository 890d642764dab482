import av
import cv2
import numpy as np
import pytest

from compositing.chain import video
from compositing.chain.video import filmed
from compositing.codec import decode_rgb_layer, encode_jpeg
from compositing.plan.recipe import STORED_QUALITY
from tests.compositing.composite_world import photograph

PICTURE = cv2.cvtColor(photograph(5, 192, 256), cv2.COLOR_RGB2HSV)
PICTURE[:, :, 1] //= 4
PICTURE = cv2.cvtColor(PICTURE, cv2.COLOR_HSV2RGB)


def off(one, other):
    return float(np.square(one.astype(float) - other).mean())


def test_a_coarser_factor_leaves_less():
    errors = [off(PICTURE, filmed(PICTURE, factor)) for factor in (10, 20, 30, 40)]
    assert errors == sorted(errors) and errors[0] < 15 and errors[3] > 3 * errors[0]
    assert filmed(PICTURE, 30).shape == PICTURE.shape


def test_the_same_picture_gives_the_same_bytes_whatever_was_filmed_before():
    first = filmed(PICTURE, 28)
    filmed(photograph(6, 128, 128), 40)
    assert np.array_equal(filmed(PICTURE, 28), first)


def test_brightness_and_colour_stay():
    assert np.abs(filmed(PICTURE, 23).mean(axis=(0, 1)) - PICTURE.mean(axis=(0, 1))).max() < 1.0


def test_it_is_no_jpeg():
    """What stands out in a JPEG at the same error, steps at borders of 8 pixels, deblocking takes away."""
    shown = filmed(PICTURE, 36)
    error = off(PICTURE, shown)
    jpegs = [decode_rgb_layer(encode_jpeg(PICTURE, quality)) for quality in range(5, 95, 5)]
    like = min(jpegs, key=lambda jpeg: abs(off(PICTURE, jpeg) - error))

    def steps(image):
        across = np.abs(np.diff(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(float), axis=1)).mean(axis=0)
        return across[7::8].mean() / across.mean()

    assert steps(shown) < steps(like)


@pytest.mark.parametrize(("factor", "most"), [(24, 0.2), (34, 0.04)])
def test_storing_it_adds_nearly_nothing(factor, most):
    shown = filmed(PICTURE, factor)
    stored = decode_rgb_layer(encode_jpeg(shown, STORED_QUALITY))
    planes = [cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420) for image in (PICTURE, shown, stored)]
    assert off(planes[1], planes[2]) < most * off(planes[0], planes[1])


def test_odd_sides_are_refused():
    with pytest.raises(ValueError, match="both sides must be even"):
        filmed(PICTURE[:191], 28)


def test_a_pyav_without_the_encoder_says_what_to_do(monkeypatch):
    monkeypatch.setattr(video, "ENCODER", "no_such_codec")
    with pytest.raises(ValueError, match=rf"PyAV, {av.__version__}, has no no_such_codec.*video_probability to 0"):
        filmed(PICTURE, 28)
