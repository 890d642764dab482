"""A plate out of the clip itself, where nobody captured one: what the person uncovers sooner or later."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.evaluation.captured import Box, grown

Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

LOOKS = 3
"""Frames that must show a place free of people before it counts as uncovered: one may be a detector's miss."""
MARGIN = 0.15
"""By how much of its sides a box grows each way before what is outside counts as free."""
ROWS = 64
"""Rows sorted at once: the frames of a clip take enough memory as it is."""
AGREES = 16
"""8-bit difference up to which a frame shows what the plate has."""
_COVERED = np.int16(1000)


class Recovered(NamedTuple):
    """A plate that nobody shot."""

    plate: Bytes
    """(H, W, 3) RGB uint8."""
    uncovered: Mask
    """(H, W): where at least ``LOOKS`` frames showed the place without a person, and most of those agree: detectors
    miss people. Elsewhere the plate is a guess."""

    @property
    def share(self) -> float:
        """Share of the frame that was uncovered, 0 to 1."""
        return float(self.uncovered.mean())


def recover(frames: Sequence[Bytes], boxes: Sequence[Sequence[Box]]) -> Recovered:
    """The median of what frames of a camera that stands still show behind people.

    ``frames``: (H, W, 3) RGB uint8, spread over the clip. ``boxes``: of each frame the people's boxes (x, y, w, h as
    shares of the frame). A place that fewer than ``LOOKS`` frames show free gets the median of all of them: whoever
    stands there for half of the clip is in the plate.
    Raises ValueError for no frames, or other boxes than frames.
    """
    if not frames or len(frames) != len(boxes):
        raise ValueError(
            f"{len(frames)} frames and {len(boxes)} lists of boxes; give at least one frame, boxes of each"
        )
    height, width = frames[0].shape[:2]
    covered = np.stack([_covered((height, width), found) for found in boxes])
    free = (~covered).sum(axis=0)
    covered[:, free < LOOKS] = False
    plate = np.empty((height, width, 3), np.uint8)
    agreed = np.empty((height, width), bool)
    for top in range(0, height, ROWS):
        part = slice(top, min(top + ROWS, height))
        values = np.stack([frame[part] for frame in frames]).astype(np.int16)
        values[covered[:, part]] = _COVERED
        values.sort(axis=0)
        count = (~covered[:, part]).sum(axis=0)
        middle = ((count - 1) // 2)[None, :, :, None]
        plate[part] = np.take_along_axis(values, np.broadcast_to(middle, (1, *values.shape[1:])), axis=0)[0]
        near = (np.abs(values - plate[part]) <= AGREES).sum(axis=0).min(axis=2)
        agreed[part] = 2 * near >= count
    return Recovered(plate, (free >= LOOKS) & agreed)


def _covered(shape: tuple[int, int], boxes: Sequence[Box]) -> Mask:
    height, width = shape
    mask = np.zeros(shape, bool)
    for box in boxes:
        x, y, w, h = grown(box, MARGIN)
        mask[int(y * height) : int(np.ceil((y + h) * height)), int(x * width) : int(np.ceil((x + w) * width))] = True
    return mask
