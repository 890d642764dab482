"""What the user wants behind the person: a colour, the blurred scene, a picture or another clip."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.matting.reading import Clip, Frame, is_video, read_picture
from training.realtime.backdrop import NAMES, blurred, colour, cover, flat

Bytes = NDArray[np.uint8]


Backdrop = Callable[[float], Bytes]
"""Gives the picture (H, W, 3) behind the person at a time, seconds from the start."""


def choose(over: str, plate: Callable[[], Bytes], height: int, width: int) -> Backdrop:
    """What ``--over`` names: ``blur``, a colour, or a file. Raises ValueError where it is none of these."""
    if over == "blur":
        return _still(blurred(plate()))
    rgb = colour(over)
    if rgb is not None:
        return _still(flat(rgb, height, width))
    path = Path(over)
    if not path.is_file():
        raise ValueError(f"--over {over}: no such file; give blur, #rrggbb, {', '.join(NAMES)}, a picture or a clip")
    if is_video(path):
        return _Moving(path, height, width)
    return _still(cover(read_picture(path), height, width))


def _still(image: Bytes) -> Backdrop:
    return lambda seconds: image


class _Moving:
    """A clip behind the person, in its own time; it begins again when it ends."""

    def __init__(self, path: Path, height: int, width: int) -> None:
        self._path, self._size = path, (height, width)
        self._frames = self._endless()
        self._shown, self._next = next(self._frames), next(self._frames)

    def __call__(self, seconds: float) -> Bytes:
        while self._next[0] <= seconds:
            self._shown, self._next = self._next, next(self._frames)
        return cover(self._shown[1], *self._size)

    def _endless(self) -> Iterator[tuple[float, Bytes]]:
        start = 0.0
        while True:
            first, end = None, start
            with Clip(self._path) as clip:
                for frame in clip.read():
                    assert isinstance(frame, Frame)
                    when = clip.seconds(frame.pts)
                    first = when if first is None else first
                    end = start + when - first + 1 / float(clip.rate)
                    yield start + when - first, frame.image
            if end == start:
                raise ValueError(f"{self._path} holds no frames")
            start = end
