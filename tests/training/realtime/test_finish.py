import numpy as np
import pytest

from training.realtime.backdrop import blurred, colour, cover
from training.realtime.finish import Finish, Finisher, choke, despill, feather, keep_largest
from training.realtime.layers import linear_rgba, premultiply, rgba


def square(side=40, size=100):
    alpha = np.zeros((size, size), np.uint8)
    low = (size - side) // 2
    alpha[low : low + side, low : low + side] = 255
    return alpha


def width(alpha):
    return alpha[50].sum() / 255


def test_choke_moves_the_edge_by_pixels():
    assert width(choke(square(), 2)) == 36
    assert width(choke(square(), -3)) == 46
    assert width(choke(square(), 1.5)) == pytest.approx(37, abs=0.02)
    assert choke(np.full((9, 9), 255, np.uint8), 3).min() == 255  # the frame's border is no edge


def test_feather_softens_and_keeps_the_middle():
    soft = feather(square(), 2.0)
    assert soft[50, 50] == 255
    assert 0 < soft[50, 28] < soft[50, 31] < 255
    assert np.array_equal(feather(square(), 0), square())


def test_keep_largest_takes_soft_pixels_along():
    alpha = np.zeros((60, 120), np.uint8)
    alpha[10:50, 10:50], alpha[10:50, 50:54] = 255, 60
    alpha[20:40, 90:110], alpha[20:40, 86:90] = 255, 60
    kept = keep_largest(alpha)
    assert np.array_equal(kept[:, :60], alpha[:, :60])
    assert not kept[:, 80:].any()
    assert np.array_equal(keep_largest(alpha[:, :60]), alpha[:, :60])


def test_despill_limits_the_screens_colour():
    pixels = np.array([[[100, 200, 60], [200, 100, 150]]], np.uint8)
    assert despill(pixels, "green").tolist() == [[[100, 80, 60], [200, 100, 150]]]
    assert despill(pixels, "blue").tolist() == [[[100, 200, 60], [200, 100, 150]]]


def test_smoothing_steadies_what_stands_still_and_lets_what_moves_go():
    finisher = Finisher(Finish(smooth=0.8))
    frame = np.full((60, 60, 3), 90, np.uint8)
    moved = frame.copy()
    moved[:, 30:] = 200
    finisher(frame, np.full((60, 60), 200, np.uint8), frame)
    alpha, _ = finisher(moved, np.full((60, 60), 100, np.uint8), frame)
    assert alpha[30, 5] == 180
    assert alpha[30, 55] == 100


def test_finish_refuses_what_means_nothing():
    with pytest.raises(ValueError, match=r"smooth: 1\.5"):
        Finish(smooth=1.5)
    with pytest.raises(ValueError, match="feather: -1"):
        Finish(feather=-1)
    frame, alpha = np.zeros((9, 9, 3), np.uint8), np.full((9, 9), 77, np.uint8)
    out = Finisher(Finish())(frame, alpha, frame)
    assert out[0] is alpha and out[1] is frame


def test_layers_straight_and_premultiplied():
    foreground, alpha = np.full((2, 2, 3), 200, np.uint8), np.full((2, 2), 51, np.uint8)
    assert rgba(foreground, alpha)[0, 0].tolist() == [200, 200, 200, 51]
    assert rgba(foreground, alpha, True)[0, 0].tolist() == [40, 40, 40, 51]
    assert premultiply(foreground, np.full((2, 2), 255, np.uint8))[0, 0, 0] == 200
    light = linear_rgba(foreground, alpha, False)[0, 0]
    assert light[0] == pytest.approx(((200 / 255 + 0.055) / 1.055) ** 2.4, abs=1e-4)
    assert linear_rgba(foreground, alpha)[0, 0, 0] == pytest.approx(0.2 * light[0], abs=1e-5)


def test_backdrops():
    assert colour("#ff8000") == (255, 128, 0)
    assert colour("white") == (255, 255, 255)
    assert colour("ff8000") is None and colour("#gggggg") is None and colour("room.jpg") is None
    wide = np.zeros((50, 200, 3), np.uint8)
    wide[:, 75:125] = 255
    assert cover(wide, 50, 50).min() == 255
    assert cover(wide, 30, 90).shape == (30, 90, 3)
    assert blurred(wide)[25, 74, 0] not in (0, 255)
