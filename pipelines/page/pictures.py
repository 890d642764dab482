"""Small pictures for a self-contained page."""

import base64
from collections.abc import Iterable

import cv2
import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Box = tuple[float, float, float, float]
QUALITY = 85


def fit(image: Image, side: int) -> Image:
    """Reduce an image so that its long side is at most ``side`` pixels; never enlarges."""
    height, width = image.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def data_uri(image: Image, side: int = 360) -> str:
    """Encode an RGB (H, W, 3) or grey (H, W) uint8 image as a data URI holding a JPEG."""
    small = fit(image, side)
    bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR) if small.ndim == 3 else small
    done, buffer = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not done:
        raise ValueError(f"an image of shape {image.shape} could not be encoded")
    return file_uri(buffer.tobytes(), "image/jpeg")


def file_uri(data: bytes, kind: str) -> str:
    """Wrap the bytes of an encoded picture as a data URI."""
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def blur_boxes(image: Image, boxes: Iterable[Box]) -> Image:
    """Make the people in boxes (x, y, w, h as shares of the image) unrecognisable.

    Each box grows by a quarter, since a detector often finds only a face or half a body.
    """
    out = image.copy()
    height, width = image.shape[:2]
    for x, y, w, h in boxes:
        left, top = max(0, round((x - w / 4) * width)), max(0, round((y - h / 4) * height))
        right, bottom = min(width, round((x + 1.25 * w) * width)), min(height, round((y + 1.25 * h) * height))
        if right <= left or bottom <= top:
            continue
        part = out[top:bottom, left:right]
        blocks = cv2.resize(part, (5, 5), interpolation=cv2.INTER_AREA)
        out[top:bottom, left:right] = cv2.resize(blocks, part.shape[1::-1], interpolation=cv2.INTER_CUBIC)
    return out
