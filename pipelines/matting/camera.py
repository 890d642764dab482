"""A camera of which only the newest frame counts: whoever is slow misses frames, and never falls behind."""

import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

PATIENCE = 10.0
"""Seconds without a frame after which a camera counts as gone; some take five to wake up."""
RATE = 30.0
"""Frames a second of a source that does not say."""


class Shot(NamedTuple):
    """One frame of a camera."""

    image: Bytes
    """(H, W, 3) RGB uint8."""
    number: int
    """Which of the camera's frames it is, from 0; numbers in between were missed."""
    when: float
    """``time.monotonic`` when it had been read."""


class Camera(Protocol):
    """Where the loop's frames come from."""

    def take(self) -> Shot | None:
        """The newest frame, each at most once; waits for it. None at the end."""


class Source(Protocol):
    """The part of ``cv2.VideoCapture`` that is used."""

    def read(self) -> tuple[bool, Any]:
        """Whether there was a frame, and the frame, (H, W, 3) BGR uint8."""

    def release(self) -> None:
        """Give the device back."""


class LatestFrame:
    """Reads a source in a thread of its own and keeps its newest frame. Use it in a ``with``."""

    def __init__(self, source: Source, name: str, rate: float | None = None) -> None:
        """``rate``: frames a second at which a file is read; None: as they come, which a device does by itself."""
        self._source, self._name, self._rate = source, name, rate
        self._there = threading.Condition()
        self._newest: Shot | None = None
        self._ended = self._left = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    def _run(self) -> None:
        start, number = time.monotonic(), 0
        try:
            while not self._left:
                if self._rate is not None:
                    time.sleep(max(0.0, start + number / self._rate - time.monotonic()))
                good, frame = self._source.read()
                if not good:
                    break
                image = np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)
                with self._there:
                    self._newest = Shot(image, number, time.monotonic())
                    self._there.notify()
                number += 1
        except BaseException as error:
            self._error = error
        with self._there:
            self._ended = True
            self._there.notify()

    def take(self) -> Shot | None:
        """The newest frame, each at most once; waits for it. None at the end.

        Raises TimeoutError where none comes, and what reading raised.
        """
        with self._there:
            if not self._there.wait_for(lambda: self._newest is not None or self._ended, PATIENCE):
                raise TimeoutError(
                    f"the camera {self._name} gave no frame for {PATIENCE:g} s; is it plugged in, and used by no other "
                    "program?"
                )
            found, self._newest = self._newest, None
        if found is None and self._error is not None:
            raise self._error
        return found

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left = True
        self._thread.join(2.0)
        if not self._thread.is_alive():  # a device that hangs in a read would hang here, too
            self._source.release()


def open_camera(name: str, size: tuple[int, int] | None = None) -> LatestFrame:
    """A camera by its number, or a file (at its own pace) or stream that stands in for one.

    ``size``: width and height to ask a device for; it may give another one. Raises FileNotFoundError or ValueError
    where it cannot be opened.
    """
    file = not name.isdigit() and "://" not in name
    if file and not Path(name).exists():
        raise FileNotFoundError(f"--camera {name}: no such file; give a device's number (0, 1), a file or a URL")
    capture = cv2.VideoCapture(int(name) if name.isdigit() else name)
    if not capture.isOpened():
        capture.release()
        raise ValueError(
            f"--camera {name} cannot be opened; close the program that uses it, allow this one to, or give another "
            "number, a file or a URL"
        )
    if size is not None:
        capture.set(cv2.CAP_PROP_FRAME_WIDTH, size[0])
        capture.set(cv2.CAP_PROP_FRAME_HEIGHT, size[1])
    if not file or name.startswith("/dev/"):
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        return LatestFrame(capture, name)
    return LatestFrame(capture, name, capture.get(cv2.CAP_PROP_FPS) or RATE)
