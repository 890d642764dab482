"""Where the captured background comes from, and whether it is of this place."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.matting.reading import is_video, read_picture, spread
from training.evaluation.captured import Box
from training.realtime.plate import Fit, fit
from training.realtime.recover import recover

Bytes = NDArray[np.uint8]
Boxes = Callable[[Bytes], tuple[Box, ...]]
"""Tells where people are in a picture."""
LOOKS = 5
"""Frames of a clip that its background is held against before the work begins."""
FRAMES = 48
"""Frames of a clip that a plate is made of, at most."""
EMPTY = 5
"""So many frames without people make a better plate than all: a person's shadow reaches out of every box."""
EMPTY_FRAMES = 16
"""Frames of a clip of the empty scene that make its plate, at most: the median has less noise than one."""
SHAPE = 0.02
"""By how much the sides' ratio of a plate may differ from the frame's before it cannot be of the same camera."""


class Plate(NamedTuple):
    """A captured background, and where it is from in words."""

    image: Bytes
    """(H, W, 3) RGB uint8."""
    words: str


def captured(path: Path, height: int, width: int) -> Plate:
    """Read a background, a picture or a clip of the empty scene, at the size of the frames.

    Raises ValueError where its shape is another one's.
    """
    if is_video(path):
        frames = spread(path, EMPTY_FRAMES)
        image, words = np.asarray(np.median(np.stack(frames), axis=0), np.uint8), f"median of {len(frames)} frames"
    else:
        image, words = read_picture(path), "one picture"
    rows, columns = image.shape[:2]
    if (rows, columns) == (height, width):
        return Plate(image, f"{path.name}, {words}")
    if abs(columns * height / (rows * width) - 1) > SHAPE:
        raise ValueError(
            f"the background {path} is {columns}x{rows}, the frames are {width}x{height}: "
            "another shape, so another camera or crop; give one of the same framing"
        )
    interpolation = cv2.INTER_AREA if columns > width else cv2.INTER_CUBIC
    image = np.asarray(cv2.resize(image, (width, height), interpolation=interpolation), np.uint8)
    return Plate(image, f"{path.name}, {words}, resized from {columns}x{rows}")


def recovered(frames: Sequence[Bytes], boxes: Boxes) -> tuple[Plate, float]:
    """Make a plate of frames of the clip itself; with the share of the frame that people uncovered.

    Of the frames without people, where there are ``EMPTY`` or more; else of all.
    """
    found = [boxes(frame) for frame in frames]
    empty = [frame for frame, there in zip(frames, found, strict=True) if not there]
    if len(empty) >= EMPTY:
        made = recover(empty, [()] * len(empty))
        return Plate(made.plate, f"recovered from {len(empty)} empty frames"), made.share
    made = recover(frames, found)
    people = sum(map(bool, found))
    return Plate(made.plate, f"recovered from {len(frames)} frames, {people} of them with people"), made.share


def held_against(frames: Sequence[Bytes], plate: Bytes) -> list[tuple[Fit, Bytes]]:
    """The fits of a plate to frames of the clip, best first, each with its frame."""
    fits = [(fit(frame, plate), frame) for frame in frames]
    return sorted(fits, key=lambda pair: pair[0].explained if pair[0].edges is None else pair[0].edges, reverse=True)
