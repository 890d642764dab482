"""The error of alpha in colours."""

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

ERROR_RANGE = 0.5
"""Errors of alpha from here on, either way, have the full colour."""
MISSING, TOO_MUCH = (33, 102, 172), (178, 24, 43)
"""RGB of a negative and a positive error; none is white. Told apart by the colour-blind too."""


def error_map(predicted: Bytes, truth: Bytes) -> Bytes:
    """Colour the error of alpha: blue where it is missing, red where there is too much, white where it is right.

    Both (H, W) uint8; returns (H, W, 3) RGB uint8, full colour from +-ERROR_RANGE on.
    """
    error = (predicted.astype(np.float32) - truth.astype(np.float32)) / 255
    strength = np.clip(np.abs(error) / ERROR_RANGE, 0, 1)[..., None]
    colour = np.where((error < 0)[..., None], np.array(MISSING, np.float32), np.array(TOO_MUCH, np.float32))
    return np.rint(255 * (1 - strength) + colour * strength).astype(np.uint8)


def error_words() -> str:
    """The legend of :func:`error_map`, short enough for a caption."""
    return f"error of alpha, blue -{ERROR_RANGE:g} to red +{ERROR_RANGE:g}"
