import cv2
import numpy as np
import pytest

from curation.identity import rng
from training.realtime.plate import edge_agreement, fit

SIZE = (180, 240)


def scene(number):
    """A room of blocks: edges in every direction, another one for each number."""
    draws = rng(3, "plate", number)
    image = np.full((*SIZE, 3), 120, np.uint8)
    for _ in range(40):
        x, y = int(draws.integers(0, SIZE[1])), int(draws.integers(0, SIZE[0]))
        w, h = (int(v) for v in draws.integers(10, 60, 2))
        cv2.rectangle(image, (x, y), (x + w, y + h), tuple(int(v) for v in draws.integers(40, 200, 3)), -1)
    return cv2.GaussianBlur(image, (0, 0), 1.0)


def with_person(image):
    taken = image.copy()
    cv2.ellipse(taken, (120, 110), (35, 90), 0, 0, 360, (200, 60, 40), -1)
    return taken


def test_finds_what_was_done_to_the_plate_and_mends_it():
    source = with_person(scene(0))
    moved = cv2.warpAffine(
        scene(0), np.array([[1, 0, 2.5], [0, 1, -1.5]], np.float32), SIZE[::-1], borderMode=cv2.BORDER_REPLICATE
    )
    gains = 0.8 * np.array([1.1, 1.0, 0.9])
    plate = np.clip(moved * gains, 0, 255).astype(np.uint8)
    found = fit(source, plate)
    assert found.belongs
    assert found.offset == pytest.approx(np.hypot(2.5, 1.5), abs=0.4)
    # A gain of display values is about 2.2 times as many stops of light.
    assert 0.5 < found.stops < 0.95
    assert found.red < -0.15
    assert found.blue > 0.15
    outside = np.ones(SIZE, bool)
    outside[:, 80:160] = False
    assert np.abs(found.background.astype(int) - source)[outside].mean() < 3
    assert np.abs(plate.astype(int) - source)[outside].mean() > 15
    assert "too dark" in found.words and "pixels away" in found.words


def test_leaves_alone_what_fits():
    source = with_person(scene(0))
    found = fit(source, scene(0))
    assert found.background is not None and np.array_equal(found.background, scene(0))
    assert (found.offset, found.stops) == (0.0, 0.0)
    assert "right as it is" in found.words


def test_another_place_is_recognised_and_left_alone():
    other = scene(1)
    found = fit(with_person(scene(0)), other)
    assert not found.belongs
    assert found.background is other
    assert "does not seem to belong" in found.words
    assert f"{found.explained:.0%}" in found.words


def test_a_wall_is_judged_by_its_tone():
    wall = np.full((*SIZE, 3), 150, np.uint8)
    assert edge_agreement(wall, wall) is None
    assert fit(with_person(wall), wall).belongs
    colours = rng(3, "colours").uniform(0, 255, (6, 8, 3)).astype(np.float32)
    assert not fit(cv2.resize(colours, SIZE[::-1]).astype(np.uint8), wall).belongs


def test_sizes_must_agree():
    with pytest.raises(ValueError, match=r"240x180.*200x180"):
        fit(scene(0), scene(0)[:, :200])
