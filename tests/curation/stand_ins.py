"""Stand-ins for detectors that tests share."""

from collections.abc import Sequence

import cv2
import numpy as np

from curation.detectors import Detections, arrange
from curation.images import Rgb


class RedDetector:
    """Takes each red area of what it is shown for a person."""

    name = "red"

    def detect(self, images: Sequence[Rgb]) -> list[Detections]:
        """One detection an area; the larger, the surer."""
        return [self._look(image) for image in images]

    def _look(self, image: Rgb) -> Detections:
        red = (image[..., 0] > 200) & (image[..., 1] < 50)
        _, _, stats, _ = cv2.connectedComponentsWithStats(red.astype(np.uint8))
        height, width = red.shape
        boxes = stats[1:, :4] / [width, height, width, height]
        return arrange(boxes, np.minimum(0.5 + stats[1:, 4] / 10_000, 0.95))
