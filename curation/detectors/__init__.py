"""Person detectors, one file a family, behind one small protocol."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from curation.images import Rgb

Device = Literal["cpu", "cuda"]


class Detections(NamedTuple):
    """People found in one image, best first."""

    boxes: npt.NDArray[np.float32]
    """(N, 4): x, y, width, height as shares of the image, inside it."""
    scores: npt.NDArray[np.float32]
    """(N,): 0 to 1, falling."""


class Detector(Protocol):
    """What is asked of any detector."""

    name: str
    """What looked: with a hash of the weights, so that two files never pass for one."""

    def detect(self, images: Sequence[Rgb]) -> list[Detections]:
        """Find people in images (H, W, 3) uint8, each on its own: the result does not hang on its neighbours."""


NOBODY = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))


def arrange(boxes: npt.NDArray[np.floating], scores: npt.NDArray[np.floating]) -> Detections:
    """Cut boxes (N, 4; shares) to the image, drop the empty ones and sort, best first; ties by place."""
    corner = np.clip(boxes[:, :2], 0, 1)
    size = np.clip(boxes[:, :2] + boxes[:, 2:], 0, 1) - corner
    whole = np.concatenate([corner, size], axis=1).astype(np.float32)
    keep = (whole[:, 2] > 0) & (whole[:, 3] > 0)
    whole, scores = whole[keep], np.clip(scores[keep], 0, 1).astype(np.float32)
    order = np.lexsort((whole[:, 3], whole[:, 2], whole[:, 1], whole[:, 0], -scores))
    return Detections(whole[order], scores[order])


def suppress(found: Detections, iou: float, inside: float = 1.1) -> Detections:
    """Greedy non-maximum suppression.

    A box goes when it overlaps a better one by more than ``iou`` (intersection over union), or when more than
    ``inside`` of the smaller of the two lies in the other: half a person seen by a tile beside the whole one.
    """
    keep: list[int] = []
    x, y, w, h = found.boxes.astype(np.float64).T
    for candidate in range(len(found.scores)):
        against = np.array(keep, dtype=np.intp)
        wide = np.minimum(x[candidate] + w[candidate], x[against] + w[against]) - np.maximum(x[candidate], x[against])
        high = np.minimum(y[candidate] + h[candidate], y[against] + h[against]) - np.maximum(y[candidate], y[against])
        common = np.clip(wide, 0, None) * np.clip(high, 0, None)
        area, areas = w[candidate] * h[candidate], w[against] * h[against]
        if not np.any((common > iou * (area + areas - common)) | (common > inside * np.minimum(area, areas))):
            keep.append(candidate)
    return Detections(found.boxes[keep], found.scores[keep])
