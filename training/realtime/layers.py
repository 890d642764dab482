"""Alpha and foreground put together for other programs: straight or premultiplied, display values or linear light."""

import numpy as np
from numpy.typing import NDArray

from compositing.light import Float, bytes_to_linear

Bytes = NDArray[np.uint8]


def premultiply(foreground: Bytes, alpha: Bytes) -> Bytes:
    """A foreground (H, W, 3) uint8 times alpha (H, W) uint8, display values, rounded."""
    product = foreground.astype(np.uint16) * alpha[..., None]
    return np.asarray((product + 127) // 255, np.uint8)


def rgba(foreground: Bytes, alpha: Bytes, premultiplied: bool = False) -> Bytes:
    """One picture (H, W, 4) uint8 of a foreground (H, W, 3) and alpha (H, W), display values."""
    colours = premultiply(foreground, alpha) if premultiplied else foreground
    return np.dstack([colours, alpha])


def linear_rgba(foreground: Bytes, alpha: Bytes, premultiplied: bool = True) -> Float:
    """One picture (H, W, 4) float32 in linear light; premultiplied, as OpenEXR asks for, unless told otherwise."""
    colours = bytes_to_linear(foreground)
    share = alpha.astype(np.float32) / np.float32(255)
    return np.dstack([colours * share[..., None] if premultiplied else colours, share])
