"""The pictured predictions for ``dvc plots``: one picture a sample, under a name that two experiments share."""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.evaluation.strips import strip, write_stacked

Bytes = NDArray[np.uint8]

SIDE = 192
"""Panels are shrunk to this height, pixels: the pictures of two experiments then fit beside each other on a page."""
COLUMNS = 3
QUALITY = 90


def tiles_name(strength: str, which: str) -> str:
    """Name a picture by what it shows, the worst of ``hard``: another model has another worst sample."""
    return f"pictures/{strength}-{re.sub(r'[^a-z0-9]+', '-', which.lower()).strip('-')}.jpg"


def write_tiles(panels: Mapping[str, Bytes], path: Path) -> Path:
    """Lay panels, (H, W) or (H, W, 3) RGB uint8 of one shape, in rows of three, each under its name.

    Raises OSError naming the file.
    """
    pictures = [(words.split(",")[0], _in_colour(image)) for words, image in panels.items()]
    height, width = pictures[0][1].shape[:2]
    wide = max(1, round(width * SIDE / height))
    rows = [strip(dict(pictures[at : at + COLUMNS]), wide) for at in range(0, len(pictures), COLUMNS)]
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_stacked(rows, path, QUALITY)


def _in_colour(image: Bytes) -> Bytes:
    return image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)
