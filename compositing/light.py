"""Display values and linear light: the sRGB transfer curve (IEC 61966-2-1), both ways."""

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

LUMA = (0.2126, 0.7152, 0.0722)
"""Weights of red, green and blue in luminance (ITU-R BT.709)."""

_TOE_DISPLAY = 0.04045
_TOE_LINEAR = 0.0031308


def power(values: Float, exponent: float) -> Float:
    """Raise values >= 0 to a power: cv2's is vectorised for float32 and, unlike a table, does not round."""
    return np.asarray(cv2.pow(values, exponent), dtype=np.float32).reshape(values.shape)


def to_linear(display: Float) -> Float:
    """Turn display values (0 to 1, more is let through) into linear light. Negative values become 0."""
    display = np.maximum(display, 0, dtype=np.float32)
    linear = power((display + np.float32(0.055)) / np.float32(1.055), 2.4)
    return np.where(display <= _TOE_DISPLAY, display / np.float32(12.92), linear).astype(np.float32, copy=False)


def to_display(linear: Float) -> Float:
    """Turn linear light (0 to 1, more is let through) into display values. Negative light becomes 0."""
    linear = np.maximum(linear, 0, dtype=np.float32)
    display = np.float32(1.055) * power(linear, 1 / 2.4) - np.float32(0.055)
    return np.where(linear <= _TOE_LINEAR, linear * np.float32(12.92), display).astype(np.float32, copy=False)


_TABLE = to_linear(np.arange(256, dtype=np.float32) / np.float32(255))


def bytes_to_linear(image: NDArray[np.uint8]) -> Float:
    """Turn 8-bit display values of any shape into linear light, 0 to 1 float32."""
    return np.asarray(cv2.LUT(image, _TABLE), dtype=np.float32)


def to_bytes(display: Float) -> NDArray[np.uint8]:
    """Clip display values to 0..1 and round them to 8 bits: the one rounding of a layer's chain."""
    scaled = np.clip(display, 0, 1) * np.float32(255)
    return np.asarray(np.rint(scaled), dtype=np.uint8)
