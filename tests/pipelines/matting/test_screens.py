import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from pipelines.matting.screens import CvWindow, open_file, open_virtual, open_window
from tests.pipelines.matting.conftest import decoded

PICTURE = np.dstack([np.full((24, 32), level, np.uint8) for level in (10, 90, 200)])


def test_an_opencv_without_windows_says_what_to_install(monkeypatch):
    def none(*unused):
        raise cv2.error("The function is not implemented")

    monkeypatch.setenv("DISPLAY", ":7")
    monkeypatch.setattr(cv2, "namedWindow", none)
    with pytest.raises(ValueError, match=r"pip uninstall.*opencv-python==\d.*--no-window"):
        CvWindow()


def test_a_machine_without_a_screen_is_told_so(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match=r"DISPLAY is not set.*--no-window"), open_window():
        pass


def test_a_window_shows_and_takes_keys(monkeypatch):
    seen, keys, visible = [], [ord("B"), -1, 27, ord("x")], [1, 1, 0]
    monkeypatch.setenv("DISPLAY", ":7")
    for name, act in {
        "namedWindow": lambda *unused: None,
        "imshow": lambda title, image: seen.append(image[0, 0].tolist()),
        "waitKey": lambda wait: keys.pop(0),
        "getWindowProperty": lambda *unused: visible.pop(0),
        "destroyWindow": lambda title: seen.append(title),
    }.items():
        monkeypatch.setattr(cv2, name, act)
    with open_window() as window:
        assert [window.show(PICTURE) for _ in range(4)] == ["b", None, "q", "q"]
    assert seen == [[200, 90, 10]] * 4 + ["Cleanplate"]  # BGR, then closed


def test_a_virtual_camera_gets_results_and_what_stands_in(monkeypatch):
    sent, made = [], {}

    class Camera:
        device = "/dev/video9"

        def __init__(self, **asked):
            made.update(asked)

        def __enter__(self):
            return self

        def __exit__(self, *unused):
            sent.append("closed")

        def send(self, image):
            sent.append(int(image[0, 0, 0]))

    monkeypatch.setitem(sys.modules, "pyvirtualcam", SimpleNamespace(Camera=Camera))
    with open_virtual(24, 32) as (camera, name):
        camera.cover(np.zeros_like(PICTURE))
        camera.send(PICTURE, 0.0)
    assert (name, made) == ("/dev/video9", {"width": 32, "height": 24, "fps": 30.0})
    assert sent == [0, 10, "closed"]


def test_a_missing_virtual_camera_names_the_next_step(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(ImportError, match=r"pip install 'cleanplate\[webcam\]'"), open_virtual(24, 32):
        pass

    def none(**unused):
        raise RuntimeError("no device")

    monkeypatch.setitem(sys.modules, "pyvirtualcam", SimpleNamespace(Camera=none))
    with pytest.raises(ValueError, match=r"no device\. On Linux.*v4l2loopback.*OBS"), open_virtual(24, 32):
        pass


def test_a_file_holds_results_only_at_their_own_times(tmp_path):
    with open_file(tmp_path / "out.mp4") as out:
        out.cover(PICTURE)
        for seconds in (0.0, 0.1, 0.1, 0.25):  # two at one time: the second right after
            out.send(PICTURE, seconds)
    found, times = decoded(tmp_path / "out.mp4")
    assert times == pytest.approx([0, 0.1, 0.1 + 1 / 90_000, 0.25], abs=1e-6)
    assert np.abs(found[3].astype(int) - PICTURE).max() <= 6
