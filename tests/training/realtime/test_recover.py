import numpy as np
import pytest

from curation.identity import rng
from training.realtime.recover import recover

PLATE = rng(4, "recover").integers(40, 200, (96, 128, 3)).astype(np.uint8)


def walking(frames, width=32):
    """Somebody who walks from the left to the right, and their boxes."""
    shots, boxes = [], []
    for number in range(frames):
        x = round(number * (128 - width) / (frames - 1))
        shot = PLATE.copy()
        shot[24:80, x : x + width] = (230, 20, 20)
        shots.append(shot)
        boxes.append([(x / 128, 0.25, width / 128, 56 / 96)])
    return shots, boxes


def test_the_plate_is_whole_where_everything_was_uncovered():
    found = recover(*walking(16))
    assert np.array_equal(found.plate, PLATE)
    assert found.share == 1.0


def test_boxes_beat_the_median():
    shots, boxes = walking(8)
    shots, boxes = shots[:1] * 9 + shots[4:], boxes[:1] * 9 + boxes[4:]  # they stood still first, for most of the clip
    assert np.array_equal(recover(shots, boxes).plate, PLATE)
    blind = recover(shots, [[] for _ in shots])
    assert not np.array_equal(blind.plate, PLATE)


def test_says_what_stayed_covered():
    shots, boxes = walking(8)
    found = recover(shots[:1] * 8, boxes[:1] * 8)
    assert found.share == pytest.approx(1 - 0.2875 * 73 / 96, abs=0.02)
    assert not found.uncovered[50, 10]
    assert found.uncovered[50, 90]
    with pytest.raises(ValueError, match="8 frames and 7"):
        recover(shots, boxes[:7])


def test_disagreement_is_not_taken_for_a_plate():
    flicker = [PLATE if number % 3 else 255 - PLATE for number in range(9)]
    assert recover(flicker, [[] for _ in flicker]).share == 1.0
    noise = [rng(4, "noise", n).integers(0, 256, PLATE.shape).astype(np.uint8) for n in range(9)]
    assert recover(noise, [[] for _ in noise]).share < 0.05
