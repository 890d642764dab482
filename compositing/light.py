"""Display values and linear light: the sRGB transfer curve (IEC 61966-2-1), both ways."""

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

LUMA = (0.2126, 0.7152, 0.0722)
"""Weights of red, green and blue in luminance (ITU-R BT.709)."""

MID_GREY = 0.21404114
"""Linear light of mid grey (0.5 on display)."""

_TOE_DISPLAY = np.float32(0.04045)
_TOE_LINEAR = np.float32(0.0031308)
_ZERO = np.float32(0)
_NO_END = np.float32(np.inf)
"""Clipping between two ends is vectorised, at one end it is not."""
_SLOPE = 12.92


def power(values: Float, exponent: float) -> Float:
    """Raise values >= 0 to a power: cv2's is vectorised for float32 and, unlike a table, does not round."""
    return np.asarray(cv2.pow(values, exponent), dtype=np.float32).reshape(values.shape)


def to_linear(display: Float) -> Float:
    """Turn display values (0 to 1, more is let through) into linear light. Negative values become 0.

    Fastest on blocks of rows, see :func:`compositing.kernels.blocks.row_blocks`.
    """
    curve = _scaled(np.clip(display, _TOE_DISPLAY, _NO_END), 1 / 1.055, 0.055 / 1.055)
    return _with_toe(power(curve, 2.4), 1.0, np.clip(display, _ZERO, _TOE_DISPLAY), float(1 / _SLOPE), 0.0)


def to_display(linear: Float) -> Float:
    """Turn linear light (0 to 1, more is let through) into display values. Negative light becomes 0.

    Fastest on blocks of rows, see :func:`compositing.kernels.blocks.row_blocks`.
    """
    curve = power(np.clip(linear, _TOE_LINEAR, _NO_END), 1 / 2.4)
    return _with_toe(curve, 1.055, np.clip(linear, _ZERO, _TOE_LINEAR), _SLOPE, -0.055)


# Above the toe the straight part is held at its end, and on the toe the curve: their sum, less what is held, is the
# whole curve without a choice for each pixel, which would take as long as the power.


def _with_toe(curve: Float, factor: float, toe: Float, slope: float, offset: float) -> Float:
    held = slope * float(_TOE_LINEAR if slope == _SLOPE else _TOE_DISPLAY)
    whole = np.asarray(cv2.addWeighted(curve, factor, toe, slope, offset - held), dtype=np.float32)
    # Black may come out a rounding below 0, which no power could take.
    return np.clip(whole, _ZERO, _NO_END, out=whole).reshape(curve.shape)


def _scaled(values: Float, factor: float, offset: float) -> Float:
    return np.asarray(cv2.addWeighted(values, factor, values, 0.0, offset), dtype=np.float32).reshape(values.shape)


_TABLE = to_linear(np.arange(256, dtype=np.float32) / np.float32(255))


def bytes_to_linear(image: NDArray[np.uint8]) -> Float:
    """Turn 8-bit display values of any shape into linear light, 0 to 1 float32."""
    return np.asarray(cv2.LUT(image, _TABLE), dtype=np.float32)


def to_bytes(display: Float) -> NDArray[np.uint8]:
    """Clip display values to 0..1 and round them to 8 bits: the one rounding of a layer's chain."""
    # Rounds half to even, as np.rint does, and saturates, in one pass.
    scaled = cv2.addWeighted(display, 255.0, display, 0.0, 0.0, dtype=cv2.CV_8U)
    return np.asarray(scaled, dtype=np.uint8).reshape(display.shape)
