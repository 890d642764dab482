"""Levels of alpha: from a video's luma plane to 0-255, and specks cleaned away."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Alpha = NDArray[np.uint8]
"""An alpha matte: (H, W) uint8, 0 transparent to 255 opaque."""


def luma_to_alpha(luma: NDArray[np.unsignedinteger[Any]], bits: int = 8, full_range: bool = False) -> Alpha:
    """Turn the luma plane of a ``pha`` clip, (H, W), into alpha.

    Limited range holds black at 16 and white at 235 (64 and 940 with 10 bits: ITU-R BT.601 and BT.709); what lies
    beyond them is clipped. Full range is only brought to 8 bits. ``bits`` is the depth of the samples, 8 to 16.
    """
    values = np.arange(1 << bits, dtype=np.float64)
    if full_range:
        scaled = values * (255 / (len(values) - 1))
    else:
        step = 1 << (bits - 8)
        scaled = (values - 16 * step) * (255 / (219 * step))
    table: Alpha = np.clip(np.rint(scaled), 0, 255).astype(np.uint8)
    return np.take(table, luma)


def clean_levels(alpha: Alpha, black: float, white: float) -> Alpha:
    """Set alpha at or below ``black`` to 0 and at or above ``white`` to 1 (both 0 to 1); between them nothing changes.

    Clamped, not stretched: the values between are measurements, and a stretch would move every one of them to mend
    specks that lie at the ends. The step left at the ends is the threshold itself, 5 of 255 at 0.02.
    """
    values = np.arange(256) / 255
    table: Alpha = np.where(values <= black, 0, np.where(values >= white, 255, np.arange(256))).astype(np.uint8)
    return np.take(table, alpha)
