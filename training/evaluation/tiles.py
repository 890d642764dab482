"""The pictured predictions for ``dvc plots``: one picture a sample, under a name that two experiments share."""

import re
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

SIDE = 192
"""Panels are shrunk to this height, pixels: the pictures of two experiments then fit beside each other on a page."""
COLUMNS = 3
GAP = 4
HEADER = 20
"""Height of the words over a panel, pixels."""


def tiles_name(strength: str, which: str) -> str:
    """Name a picture by what it shows, the worst of ``hard``: another model has another worst sample."""
    return f"pictures/{strength}-{re.sub(r'[^a-z0-9]+', '-', which.lower()).strip('-')}.jpg"


def write_tiles(panels: Mapping[str, Bytes], path: Path) -> Path:
    """Lay panels, (H, W) or (H, W, 3) RGB uint8 of one shape, in rows of three, each under its name.

    Raises OSError naming the file.
    """
    shrunk = []
    for words, image in panels.items():
        rgb = image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)
        width = max(1, round(rgb.shape[1] * SIDE / rgb.shape[0]))
        small = cv2.resize(rgb, (width, SIDE), interpolation=cv2.INTER_AREA)
        tile = cv2.copyMakeBorder(small, HEADER, GAP, 0, GAP, cv2.BORDER_CONSTANT, value=(255, 255, 255))
        place, font = (2, HEADER - 6), cv2.FONT_HERSHEY_SIMPLEX
        shrunk.append(cv2.putText(tile, words.split(",")[0], place, font, 0.45, (0, 0, 0), 1, cv2.LINE_AA))
    shrunk += [np.full_like(shrunk[0], 255)] * (-len(shrunk) % COLUMNS)
    rows = [np.hstack(shrunk[at : at + COLUMNS]) for at in range(0, len(shrunk), COLUMNS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 90]):
        raise OSError(f"{path} could not be written; is there space left?")
    return path
