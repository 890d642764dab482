import cv2
import numpy as np
import pytest

from compositing.chain.changes import change_thing, refocus
from tests.compositing.composite_world import photograph

NOTHING = {"change_x": 0.5, "change_y": 0.5, "change_w": 0.0, "change_h": 0.0, "change_turn": 0.0}
NOTHING |= {"change_from_x": 0.0, "change_from_y": 0.0, "change_gain": 0.0}


def scene():
    return (photograph(4).astype(np.float32) / 255) ** 2.2


def sharpness(image):
    return float(cv2.Laplacian(np.ascontiguousarray(image[:, :, 1]), cv2.CV_32F)[4:-4, 4:-4].var())


def test_focus_goes_both_ways():
    room = scene()
    assert sharpness(refocus(room, 0.8)) < 0.6 * sharpness(room) < sharpness(room) < sharpness(refocus(room, -0.8))
    assert refocus(room, 0.8).mean() == pytest.approx(room.mean(), rel=1e-3)
    assert refocus(room, 0.0) is room
    assert refocus(room, -0.8).min() >= 0


def test_nothing_changes_without_a_size():
    room = scene()
    assert change_thing(NOTHING, room) is room


def test_a_screen_gets_brighter_inside_its_outline_alone():
    room = scene()
    changed = change_thing(NOTHING | {"change_w": 0.25, "change_h": 0.5, "change_gain": 1.0, "change_turn": 10.0}, room)
    ratio = (changed / room)[:, :, 1]
    assert ratio[120, 160] == pytest.approx(2, abs=0.01)
    assert (ratio[:, :80] == 1).all() and (ratio[:30] == 1).all()
    assert ((ratio > 1.6).mean()) == pytest.approx(0.125, abs=0.03)
    assert np.abs(np.diff(ratio, axis=1)).max() < 0.6  # a soft edge


def test_a_moved_thing_shows_another_part_of_the_scene():
    room = scene()
    row = NOTHING | {"change_w": 0.2, "change_h": 0.2, "change_from_x": 0.25, "change_from_y": -0.25}
    changed = change_thing(row, room)
    assert changed[115:125, 155:165] == pytest.approx(room[55:65, 235:245], abs=1e-3)
    assert (room == scene()).all()


@pytest.mark.parametrize("place", [(0.0, 0.0), (1.0, 0.5), (-2.0, 0.5)])
def test_a_thing_at_or_beyond_the_border_is_cut(place):
    row = NOTHING | {"change_w": 0.3, "change_h": 0.3, "change_from_x": 0.9, "change_gain": -1.0}
    row |= {"change_x": place[0], "change_y": place[1]}
    changed = change_thing(row, scene())
    assert np.isfinite(changed).all() and changed.shape == scene().shape
    assert (changed != scene()).any() == (place[0] >= 0)
