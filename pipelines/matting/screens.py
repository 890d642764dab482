"""Where live results go: a window that takes keys, a virtual camera, a file."""

import importlib
import importlib.metadata
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
from av.audio.stream import AudioStream
from numpy.typing import NDArray

from pipelines.matting.overlap import Behind
from pipelines.matting.writing import Writer, open_writer

Bytes = NDArray[np.uint8]

TITLE = "Cleanplate"
ESCAPE = 27
TICKS = 90_000
"""A second in a live file's time base."""
INSTEAD = "or leave the window out: --no-window, with a file to write or --virtual"


class Window(Protocol):
    """What the user sees and presses."""

    def show(self, image: Bytes) -> str | None:
        """Show a picture (H, W, 3) RGB uint8; the key pressed since the one before, ``q`` where the window is gone."""


class Output(Protocol):
    """Where results go besides the window."""

    def send(self, image: Bytes, seconds: float) -> None:
        """Take a result (H, W, 3) RGB uint8, ``seconds`` after the first one's frame."""

    def cover(self, image: Bytes) -> None:
        """Take a picture that stands in as long as there are no results."""


class NoWindow:
    """Nothing to see and to press."""

    def show(self, image: Bytes) -> str | None:
        """No key."""
        return None


class CvWindow:
    """A window of OpenCV's."""

    def __init__(self) -> None:
        if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            # Asked for one all the same, Qt would end the process.
            raise ValueError(f"there is no screen here (DISPLAY is not set); log in to a desktop, {INSTEAD}")
        try:
            cv2.namedWindow(TITLE, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)
        except cv2.error as error:
            raise ValueError(
                "the installed OpenCV cannot open windows (opencv-python-headless has none); run: "
                "pip uninstall -y opencv-python-headless && "
                f"pip install --no-deps opencv-python=={_opencv()}, {INSTEAD}"
            ) from error

    def show(self, image: Bytes) -> str | None:
        """Show a picture and take the key pressed meanwhile; Escape and a closed window are ``q``."""
        cv2.imshow(TITLE, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        key = cv2.waitKey(1)
        if key == ESCAPE or cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
            return "q"
        return None if key < 0 else chr(key & 0xFF).lower()


def _opencv() -> str:
    try:
        return importlib.metadata.version("opencv-python-headless")
    except importlib.metadata.PackageNotFoundError:
        return f"{cv2.__version__}.*"


@contextmanager
def open_window() -> Iterator[Window]:
    """A window that is closed in the end. Raises ValueError where there can be none, with what helps."""
    window = CvWindow()
    try:
        yield window
    finally:
        cv2.destroyWindow(TITLE)


class VirtualCamera:
    """A camera that other programs can choose."""

    def __init__(self, camera: Any) -> None:
        self._camera = camera

    def send(self, image: Bytes, seconds: float) -> None:
        """Show a result to whoever looks."""
        self._camera.send(image)

    def cover(self, image: Bytes) -> None:
        """Show what stands in."""
        self._camera.send(image)


@contextmanager
def open_virtual(height: int, width: int, rate: float = 30.0) -> Iterator[tuple[VirtualCamera, str]]:
    """A virtual camera and its name. Raises ImportError or ValueError where there is none, with what helps."""
    try:
        library = importlib.import_module("pyvirtualcam")
    except ImportError as error:
        raise ImportError("pyvirtualcam is not installed; run: pip install 'cleanplate[webcam]'") from error
    try:
        camera = library.Camera(width=width, height=height, fps=rate)
    except RuntimeError as error:
        raise ValueError(
            f"no virtual camera: {str(error).strip(' .')}. On Linux run: sudo modprobe v4l2loopback exclusive_caps=1; "
            "on macOS and Windows install OBS and start its virtual camera once"
        ) from error
    with camera:
        yield VirtualCamera(camera), str(camera.device)


@dataclass
class Live:
    """The times of what has no file: see :class:`pipelines.matting.writing.Timing`."""

    rate: Fraction = Fraction(30)
    time_base: Fraction = Fraction(1, TICKS)
    aspect: Fraction | None = None
    audio: tuple[AudioStream, ...] = ()

    def seconds(self, pts: int) -> float:
        """A frame's time in seconds."""
        return float(pts * self.time_base)


class LiveFile:
    """A file of every result at its own time; :func:`open_file` makes and closes it."""

    def __init__(self, writer: Writer, behind: Behind) -> None:
        self._writer, self._behind, self._last = writer, behind, -1

    def send(self, image: Bytes, seconds: float) -> None:
        """Hand a result to the encoder. Raises what an earlier one met."""
        self._last = max(self._last + 1, round(seconds * TICKS))
        self._behind.do(partial(self._writer.picture, image, self._last, 0))

    def cover(self, image: Bytes) -> None:
        """Only results are written."""


@contextmanager
def open_file(path: Path) -> Iterator[LiveFile]:
    """A video, or a folder of pictures where the name has no ending. Raises ValueError for another ending."""
    with open_writer(path, ".png", Live(), alpha=False) as writer, Behind() as behind:
        yield LiveFile(writer, behind)
