"""Shift, colour, exposure, shadow, noise, blur: one function each.

*Linear* is linear light, *display* is what a file holds, both float32 with 1 for white (see ``compositing.light``).
Every function is pure; what was drawn comes in as arguments, so a plan row alone makes the picture again.
Compression, the last perturbation, is in ``compositing.codec``.
"""

import math
from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from compositing.light import LUMA, Float, power, to_display, to_linear
from curation.config import Section


def _ordered(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"a range must go up, but {value[0]} is above {value[1]}")
    return value


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
Share = Annotated[float, Field(ge=0, le=1)]
Quality = Annotated[int, Field(ge=1, le=100)]


class CaptureParams(Section):
    """How far the captured background may differ from the scene in the source. Ranges are drawn uniformly."""

    shift: Range
    """Length of the shift, pixels at 512 on the long side; the direction is uniform."""
    rotate: Range
    """Degrees."""
    scale: Range
    """Factor."""
    gain: Range
    """Exposure drift, stops."""
    white_balance: Range
    """Red and blue gain against green, stops, each drawn on its own."""
    gamma: Range
    """Exponent of the tone curve."""
    noise: Range
    """Sigma of the noise of source and captured background (each drawn on its own), 0 to 1."""
    quality: Annotated[tuple[Quality, Quality], AfterValidator(_ordered)]
    """JPEG quality of source and captured background."""
    shadow: Share
    """Probability of a cast shadow on the source's background, 0 to 1."""
    shadow_strength: Range
    """Largest darkening, 0 to 1."""


def expose(linear: Float, stops: float) -> Float:
    """Change the exposure of linear light by stops: each stop doubles it."""
    return linear * np.float32(2.0**stops)


def warm(linear: Float, warmth: float) -> Float:
    """Raise red and lower blue of linear RGB light by half of ``warmth`` each, as factors around 1."""
    return _gains(linear, 1 + warmth / 2, 1.0, 1 - warmth / 2)


def _gains(linear: Float, red: float, green: float, blue: float) -> Float:
    return _mix(linear, np.diag([red, green, blue]))


def _mix(image: Float, matrix: NDArray[np.float64]) -> Float:
    # A third of the time that numpy takes to broadcast over three channels.
    return np.asarray(cv2.transform(image, matrix), dtype=np.float32)


def contrast(display: Float, factor: float) -> Float:
    """Stretch display values around mid grey (0.5)."""
    return (display - np.float32(0.5)) * np.float32(factor) + np.float32(0.5)


def saturate(display: Float, factor: float) -> Float:
    """Move display RGB away from its own luma (``factor`` > 1) or towards it (< 1)."""
    return _mix(display, factor * np.eye(3) + (1 - factor) * np.tile(LUMA, (3, 1)))


def look(linear: Float, exposure: float, factor: float, saturation: float, warmth: float = 0.0) -> Float:
    """Exposure and warmth on light, then contrast and saturation on display values: linear in, display out."""
    display = to_display(warm(expose(linear, exposure), warmth))
    return saturate(contrast(display, factor), saturation)


def defocus(premultiplied: Float, sigma: float) -> Float:
    """Blur a layer of premultiplied linear colour and alpha, (H, W, 4), by a Gaussian of ``sigma`` pixels.

    Alpha and colour spread alike, so that straight colour stays right at the edge.
    """
    if sigma <= 0:
        return premultiplied
    # Replicated borders: a subject cut off by the frame goes on outside it.
    return np.asarray(cv2.GaussianBlur(premultiplied, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.float32)


def shadow_factor(pha: Float, strength: float, sigma: float) -> Float:
    """Turn a shadow caster's coverage, (H, W) 0 to 1, into the share of linear light left there, (H, W).

    The outline is blurred by ``sigma`` pixels. ``strength`` is what display values lose at the darkest point: blur
    thins out narrow outlines, which is made good up to a factor of 4.
    """
    spread = cv2.GaussianBlur(pha, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE) if sigma > 0 else pha
    spread = np.clip(spread / np.float32(max(float(spread.max()), 0.25)), 0, 1)
    # A display value falls with about the 2.2nd root of light.
    return power(np.float32(1) - np.float32(strength) * spread, 2.2)


def motion_matrix(width: int, height: int, x: float, y: float, rotate: float, scale: float) -> NDArray[np.float64]:
    """Return the (2, 3) matrix that moves a picture's content: rotation (degrees counter-clockwise) and scale about
    its centre, then a shift in pixels. Coordinates are pixel centres from (0, 0).
    """
    cx, cy = (width - 1) / 2, (height - 1) / 2
    cos = scale * math.cos(math.radians(rotate))
    sin = scale * math.sin(math.radians(rotate))
    return np.array([[cos, sin, cx - cos * cx - sin * cy + x], [-sin, cos, cy + sin * cx - cos * cy + y]])


def recapture(
    scene: Float, margin: int, x: float = 0.0, y: float = 0.0, rotate: float = 0.0, scale: float = 1.0
) -> Float:
    """Photograph a scene again with a camera that moved.

    ``scene``: (H + 2 margin, W + 2 margin, 3); returns its (H, W, 3) window after :func:`motion_matrix`. Without
    motion that is the plain window, not resampled. The margin keeps the border of the picture out of sight.
    """
    height, width = scene.shape[0] - 2 * margin, scene.shape[1] - 2 * margin
    if x == 0 and y == 0 and rotate == 0 and scale == 1:
        return scene[margin : margin + height, margin : margin + width]
    matrix = motion_matrix(width, height, x, y, rotate, scale)
    matrix[:, 2] -= matrix[:, :2] @ np.array([margin, margin], dtype=np.float64)
    # Cubic: bilinear would make the plate softer than the source, a difference that no camera makes.
    moved = cv2.warpAffine(scene, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved, np.float32)


def drift(display: Float, gain: float, red: float, blue: float, gamma: float) -> Float:
    """Change exposure and white balance (stops, on light), then the tone curve (exponent, on display values)."""
    if gain or red or blue:
        display = to_display(_gains(to_linear(display), 2.0 ** (gain + red), 2.0**gain, 2.0 ** (gain + blue)))
    if gamma != 1:
        display = power(np.maximum(display, 0), gamma)
    return display


def add_noise(display: Float, sigma: float, key: int, stream: int) -> Float:
    """Add Gaussian noise of ``sigma`` (0 to 1) to display values; each (key, stream) is a field of its own."""
    if sigma <= 0:
        return display
    generator = np.random.Generator(np.random.Philox(key=np.array([key, stream], dtype=np.uint64)))
    return display + np.float32(sigma) * generator.standard_normal(display.shape, dtype=np.float32)
