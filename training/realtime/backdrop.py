"""What stands behind the person instead."""

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

BLUR = 0.02
"""Standard deviation of the blurred backdrop, share of the long side."""
NAMES = {"white": (255, 255, 255), "black": (0, 0, 0), "green": (0, 177, 64), "blue": (0, 71, 187), "grey": (118,) * 3}


def colour(words: str) -> tuple[int, int, int] | None:
    """A name of ``NAMES`` or ``#rrggbb`` as RGB; None where it is neither."""
    if words in NAMES:
        return NAMES[words]
    digits = words.removeprefix("#")
    if len(digits) != 6 or digits == words:
        return None
    try:
        return (int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16))
    except ValueError:
        return None


def flat(rgb: tuple[int, int, int], height: int, width: int) -> Bytes:
    """A picture (height, width, 3) of one colour."""
    return np.full((height, width, 3), rgb, np.uint8)


def blurred(plate: Bytes) -> Bytes:
    """The plate (H, W, 3) out of focus. Not the frame: it would leave a halo of the person around them."""
    return np.asarray(cv2.GaussianBlur(plate, (0, 0), BLUR * max(plate.shape[:2])), np.uint8)


def cover(image: Bytes, height: int, width: int) -> Bytes:
    """A picture (h, w, 3) scaled until it fills (height, width), what sticks out cut off evenly."""
    scale = max(height / image.shape[0], width / image.shape[1])
    size = (max(width, round(image.shape[1] * scale)), max(height, round(image.shape[0] * scale)))
    if size != image.shape[1::-1]:
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC))
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return np.ascontiguousarray(image[top : top + height, left : left + width])
