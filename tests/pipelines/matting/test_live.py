"""The whole loop, a file as its camera, its time counted by the frames."""

import cv2
import numpy as np
import pytest

from pipelines.matting import backdrops
from pipelines.matting.camera import Shot
from pipelines.matting.live import GREY, Asked, Session, median_plate, noted
from tests.pipelines.matting.conftest import SIZE, decoded, room, shots, write_clip
from training.predictor import MattingPredictor

EMPTY, BEFORE, WALK = 14, 4, 12
RATE = 30


class StepCamera:
    """A film's frames one after the other, each 1/30 s after the one before on a clock of its own."""

    def __init__(self, path):
        self.capture, self.number = cv2.VideoCapture(str(path)), -1

    def take(self):
        good, frame = self.capture.read()
        if not good:
            return None
        self.number += 1
        return Shot(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), self.number, self.clock())

    def clock(self):
        return self.number / RATE


class Keys:
    """A window where keys are pressed at pictures of these numbers."""

    def __init__(self, **pressed):
        self.pressed, self.shown = {number: key for key, number in pressed.items()}, []

    def show(self, image):
        self.shown.append(image)
        return self.pressed.get(len(self.shown) - 1)


class Kept:
    """An output that keeps everything."""

    def __init__(self):
        self.sent, self.covers = [], []

    def send(self, image, seconds):
        self.sent.append((seconds, image.copy()))

    def cover(self, image):
        self.covers.append(image.copy())


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """Somebody stands there, leaves, comes back and walks."""
    images = [shots()[4]] * BEFORE + [room()] * EMPTY + shots(WALK)
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    return write_clip(path, images, [3000 * number for number in range(len(images))], codec="ffv1", form="bgr0")


@pytest.fixture
def fresh(weights):
    return MattingPredictor.from_pretrained(weights, fitting="never")


def session(predictor, window, outputs, asked, camera, said):
    def backdrop(plate):
        return backdrops.choose("#0080ff", lambda: plate, *SIZE)

    return Session(predictor, window, outputs, backdrop, asked, said.append, camera.clock)


def test_the_plate_is_captured_on_the_key_after_a_countdown(film, fresh):
    camera, window, kept, said = StepCamera(film), Keys(b=1), Kept(), []
    done = session(fresh, window, [kept], Asked(countdown=4 / RATE, frames=8), camera, said).run(camera)
    total = BEFORE + EMPTY + WALK
    # Pressed at frame 1, counted to frame 5, which is empty already; eight frames make the plate.
    assert len(window.shown) == total
    assert done.results == len(kept.sent) == total - 13
    assert done.plates == 1
    assert len(kept.covers) == 13
    assert all((cover == GREY).all() for cover in kept.covers)
    assert np.array_equal(fresh.background, room())
    assert [round(seconds * RATE) for seconds, _ in kept.sent] == list(range(total - 13))
    assert done.rate == pytest.approx(RATE, rel=0.1)
    assert len({image.tobytes() for _, image in kept.sent[-WALK:]}) == WALK  # distinct results
    scene = np.full((*SIZE, 3), (0, 128, 255), np.uint8)
    assert np.array_equal(kept.sent[-1][1], fresh.composite(fresh.predict(shots(WALK)[-1]), scene))
    assert any("lock exposure" in line and "step out" in line for line in said)
    assert "plate 1: median of 8 frames" in said
    assert not any("moved" in line for line in said)


def test_what_is_shown_tells_what_to_do_and_what_it_costs(film, fresh):
    camera, window, kept = StepCamera(film), Keys(b=1), Kept()
    session(fresh, window, [kept], Asked(countdown=4 / RATE, frames=8), camera, []).run(camera)
    frames = [shots()[4]] * BEFORE + [room()] * EMPTY + shots(WALK)
    changed = [np.abs(one.astype(int) - other).max(axis=2) > 0 for one, other in zip(window.shown, frames, strict=True)]
    hint, count, capture = (changed[number] for number in (1, 3, 8))
    for shown in (hint, count, capture):
        assert shown[:30].any()
        assert not shown[-8:].any()
    assert count[30:60, 40:56].any()  # a number in the middle, which neither of the others has
    assert not hint[30:60].any()
    assert not capture[30:60].any()
    figures = np.abs(window.shown[-1].astype(int) - kept.sent[-1][1]).max(axis=2) > 0
    assert figures[-14:].any()  # below; in the window, not in what goes out
    assert not figures[:-18].any()


def test_the_same_key_captures_anew_and_q_ends(film, fresh):
    camera, kept, said = StepCamera(film), Kept(), []
    window = Keys(b=1, q=27)
    again = {**window.pressed, 12: "b"}
    window.pressed = again
    done = session(fresh, window, [kept], Asked(countdown=2 / RATE, frames=4), camera, said).run(camera)
    # 1 + 2 to count, 4 to capture from frame 3, matting 7 to 12; then 2 to count, 4 from 14, matting 18 to 27.
    assert (done.plates, done.results) == (2, 6 + 10)
    assert len(window.shown) == 28
    assert sum("moved or changed" in line for line in said) == 1  # the first began too early: somebody was there
    for shown, sent, lines in ((8, 1, 2), (-1, -1, 1)):  # said in the picture, too, until a better plate is there
        written = np.abs(window.shown[shown].astype(int) - kept.sent[sent][1]).max(axis=2) > 0
        assert written[-26:-14].any() == (lines == 2)


def test_without_a_window_the_countdown_begins_at_once_and_time_ends_it(film, fresh):
    camera, kept = StepCamera(film), Kept()
    asked = Asked(countdown=5 / RATE, frames=4, at_once=True, seconds=5.5 / RATE)
    done = session(fresh, Keys(), [kept], asked, camera, []).run(camera)
    assert (done.plates, done.results) == (1, 7)


def test_a_background_that_is_there_is_used(film, fresh):
    fresh.set_background(room())
    camera, kept = StepCamera(film), Kept()
    done = session(fresh, Keys(), [kept], Asked(), camera, []).run(camera)
    assert (done.plates, done.results) == (0, BEFORE + EMPTY + WALK)
    assert not kept.covers


def test_stops_when_asked(film, fresh):
    camera, window = StepCamera(film), Keys()
    done = session(fresh, window, [], Asked(), camera, []).run(camera, lambda: len(window.shown) == 3)
    assert done == (0, 0, 0, 0, 0)
    assert len(window.shown) == 3


def test_a_restless_plate_is_noticed():
    plate, restless = median_plate([room()] * 5)
    assert np.array_equal(plate, room())
    assert restless == 0
    plate, restless = median_plate([room()] * 4 + [shots()[2]])
    assert np.array_equal(plate, room())
    assert restless > 0.05


def test_text_does_not_touch_the_picture_given():
    image = room()
    assert not np.array_equal(noted(image, ["5"]), image)
    assert np.array_equal(image, room())


def test_the_film_is_as_it_was_drawn(film):
    found, _ = decoded(film)
    assert np.array_equal(found[BEFORE], room())
