"""How hard a picture was compressed: from its file's tables, else from its pixels."""

import io

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import JpegImagePlugin, UnidentifiedImageError

from compositing.codec import Image

_STANDARD = np.array([
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99,
])  # fmt: skip
"""The luminance table of ITU-T T.81, annex K, row by row, which libjpeg's qualities scale."""


def jpeg_quality(data: bytes) -> int | None:
    """Estimate the libjpeg quality, 1 to 100, of a JPEG from its luminance table; None for another format.

    The quality whose table is nearest: exact for libjpeg's own, the nearest in strength for a camera's.
    """
    try:
        with PillowImage.open(io.BytesIO(data)) as image:
            if not isinstance(image, JpegImagePlugin.JpegImageFile) or 0 not in image.quantization:
                return None
            table = np.sort(np.array(image.quantization[0], np.int64))
    except (UnidentifiedImageError, PillowImage.DecompressionBombError, OSError):
        return None
    # Sorted, so that the order in which a decoder hands the table out does not matter.
    return min(range(1, 101), key=lambda quality: int(np.abs(np.sort(_table(quality)) - table).sum()))


def _table(quality: int) -> NDArray[np.int64]:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return np.asarray(np.clip((_STANDARD * scale + 50) // 100, 1, 255), np.int64)


def blockiness(image: Image) -> float:
    """Mean step over the borders of 8-pixel blocks against the mean step elsewhere; about 1 for none.

    ``image``: (H, W, 3) uint8. Only where steps are small, so that the scene's own edges do not drown the codec's.
    """
    grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32)
    ratios = []
    for picture in (grey, grey.T):
        steps = np.abs(np.diff(picture, axis=1))
        steps = np.where(steps <= 8, steps, np.nan)
        at = np.arange(steps.shape[1]) % 8 == 7
        border, inside = float(np.nanmean(steps[:, at])), float(np.nanmean(steps[:, ~at]))
        ratios.append(border / inside if inside > 0 else 1.0)
    return float(np.mean(ratios))
