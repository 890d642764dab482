import numpy as np
import pytest

from compositing.chain.match import matched, tones
from tests.compositing.composite_world import photograph


def scene():
    return (photograph(4).astype(np.float32) / 255) ** 2.2


def test_full_strength_brings_a_subject_to_the_light_of_the_scene():
    room = scene()
    subject = room * np.float32([0.5, 0.6, 0.7])
    gains, contrast = matched(tones(subject), tones(room), 1.0)
    assert gains == pytest.approx([2, 1 / 0.6, 1 / 0.7], rel=0.08)
    assert contrast == pytest.approx(1, abs=0.05)
    half, _ = matched(tones(subject), tones(room), 0.5)
    assert half == pytest.approx(np.sqrt(gains))
    assert matched(tones(subject), tones(room), 0.0) == (pytest.approx(1.0), 1.0)


def test_matching_is_bounded():
    night, forest = scene() * 0.01, scene() * np.float32([0.1, 1.0, 0.1])
    gains, _ = matched(tones(scene()), tones(night), 1.0)
    assert np.log2(gains).min() >= -1.2 - 0.36
    bright = np.maximum(scene(), 0.5)
    gains, _ = matched(tones(bright), tones(bright * 2), 1.0)
    assert (bright * gains).mean() <= 1
    gains, _ = matched(tones(scene()), tones(forest), 1.0)
    assert gains[1] / gains[0] <= 2**0.36


def test_spread_follows_too():
    room, flat = scene(), 0.2 + 0.05 * scene()
    _, contrast = matched(tones(flat.astype(np.float32)), tones(room), 1.0)
    assert contrast == pytest.approx(1.25)
    _, contrast = matched(tones(room), tones(flat.astype(np.float32)), 0.5)
    assert contrast == pytest.approx(np.sqrt(0.8))


def test_only_what_is_weighted_counts():
    picture = scene()
    picture[:, :160] = 0.5
    weight = np.zeros(picture.shape[:2], np.float32)
    weight[:, :150] = 1
    found = tones(picture, weight)
    assert found.mean == pytest.approx(-1, abs=1e-3) and found.spread == pytest.approx(0, abs=1e-3)
    assert tones(picture, np.zeros_like(weight)) is None
