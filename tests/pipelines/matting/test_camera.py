import threading
import time

import cv2
import numpy as np
import pytest

from pipelines.matting import camera
from pipelines.matting.camera import LatestFrame, open_camera
from tests.pipelines.matting.conftest import SIZE, shots, write_clip


class Scripted:
    """Frames of one level each, handed out when the test says so."""

    def __init__(self, count, error=None):
        self.count, self.error, self.given, self.released = count, error, 0, False
        self.may = threading.Semaphore(0)

    def read(self):
        self.may.acquire()
        if self.given == self.count:
            if self.error is not None:
                raise self.error
            return False, None
        self.given += 1
        frame = np.zeros((4, 6, 3), np.uint8)
        frame[..., 0] = self.given  # blue
        return True, frame

    def release(self):
        self.released = True

    def allow(self, times):
        for _ in range(times):
            self.may.release()


def wait_for(condition):
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_whoever_is_slow_gets_the_newest_frame_and_misses_the_others():
    source = Scripted(7)
    with LatestFrame(source, "0") as taken:
        source.allow(1)
        first = taken.take()
        assert (first.number, first.image[0, 0].tolist()) == (0, [0, 0, 1])  # RGB
        source.allow(5)
        wait_for(lambda: taken._newest is not None and taken._newest.number == 5)
        assert taken.take().number == 5
        assert first.image[0, 0, 2] == 1  # a frame in hand is not written over
        source.allow(1)
        assert taken.take().number == 6
        source.allow(1)
        assert taken.take() is None
    assert source.released


def test_a_camera_that_fails_or_falls_silent_is_said(monkeypatch):
    source = Scripted(0, OSError("unplugged"))
    source.allow(1)
    with pytest.raises(OSError, match="unplugged"), LatestFrame(source, "0") as taken:
        taken.take()
    monkeypatch.setattr(camera, "PATIENCE", 0.05)
    silent = Scripted(1)
    with pytest.raises(TimeoutError, match=r"camera 3 gave no frame"), LatestFrame(silent, "3") as taken:
        try:
            taken.take()
        finally:
            silent.allow(2)


def test_a_file_stands_in_for_a_camera_at_its_own_pace(tmp_path):
    path = write_clip(tmp_path / "walk.mp4", shots(9), [3000 * number for number in range(9)])
    numbers, whens = [], []
    with open_camera(str(path)) as taken:
        while (shot := taken.take()) is not None:
            numbers.append(shot.number)
            whens.append(shot.when)
            assert shot.image.shape == (*SIZE, 3)
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 8
    # Never before it is due; as late as a busy machine makes it.
    assert whens[-1] - whens[0] > (numbers[-1] - numbers[0] - 1) / 30


def test_what_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"--camera .*none\.mp4.*device's number"):
        open_camera(str(tmp_path / "none.mp4"))
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(ValueError, match=r"text\.mp4 cannot be opened.*another number"):
        open_camera(str(tmp_path / "text.mp4"))


def test_a_device_is_asked_for_a_size_and_a_short_buffer(monkeypatch):
    asked = {}

    class Device:
        def __init__(self, name):
            asked["name"] = name

        def isOpened(self):
            return True

        def set(self, what, value):
            asked[what] = value

        def read(self):
            return False, None

        def release(self):
            asked["released"] = True

    monkeypatch.setattr(cv2, "VideoCapture", Device)
    with open_camera("2", (640, 360)) as taken:
        assert taken.take() is None
    assert asked == {
        "name": 2,
        cv2.CAP_PROP_FRAME_WIDTH: 640,
        cv2.CAP_PROP_FRAME_HEIGHT: 360,
        cv2.CAP_PROP_BUFFERSIZE: 1,
        "released": True,
    }
