"""Pictures side by side with a word above each, for a person to look at."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from compositing.codec import Image
from compositing.light import Float

TITLE = 18
"""Height of the words above a picture, pixels."""
GAP = 4
_WHITE, _INK = (255, 255, 255), (40, 40, 40)


def shown(alpha: Float) -> Image:
    """Alpha, (H, W) 0 to 1, as a picture, (H, W, 3) uint8."""
    return np.repeat(np.rint(alpha * 255).astype(np.uint8)[:, :, None], 3, axis=2)


def strip(pictures: Mapping[str, Image], width: int) -> Image:
    """Lay pictures of one shape, (H, W, 3) RGB uint8, side by side, each ``width`` pixels wide below its words."""
    return np.hstack([_tile(words, picture, width) for words, picture in pictures.items()])


def _tile(words: str, picture: Image, width: int) -> Image:
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    small = cv2.copyMakeBorder(small, TITLE, GAP, 0, GAP, cv2.BORDER_CONSTANT, value=_WHITE)
    cv2.putText(small, words, (2, TITLE - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.42, _INK, 1, cv2.LINE_AA)
    return np.asarray(small, np.uint8)


def write_stacked(strips: Sequence[Image], path: Path, quality: int = 86) -> Path:
    """Write strips under each other as a JPEG; narrower ones end in white. Raises OSError where that fails."""
    width = max(each.shape[1] for each in strips)
    wide = [cv2.copyMakeBorder(s, 0, 0, 0, width - s.shape[1], cv2.BORDER_CONSTANT, value=_WHITE) for s in strips]
    sheet = cv2.cvtColor(np.vstack(wide), cv2.COLOR_RGB2BGR)
    if not cv2.imwrite(str(path), sheet, [cv2.IMWRITE_JPEG_QUALITY, quality]):
        raise OSError(f"{path} could not be written; is there space left?")
    return path
