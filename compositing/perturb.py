"""Colour, exposure, defocus and shadow: one function each; and how far everything may be perturbed.

All act on linear light, float32 with 1 for white (see ``compositing.light``).
Every function is pure; what was drawn comes in as arguments, so a plan row alone makes the picture again.
The order of all steps is that of ``compositing.render``.
"""

from typing import Annotated

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from compositing.light import LUMA, MID_GREY, Float, power
from curation.config import Section


def _ordered(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"a range must go up, but {value[0]} is above {value[1]}")
    return value


Range = Annotated[tuple[float, float], AfterValidator(_ordered)]
Share = Annotated[float, Field(ge=0, le=1)]
Quality = Annotated[int, Field(ge=1, le=100)]
RateFactor = Annotated[int, Field(ge=0, le=51)]


class CaptureParams(Section):
    """How far the captured background may differ from the scene in the source, and what the camera adds to both.

    Ranges are drawn uniformly; what has a probability is off otherwise. Pixels are at 512 on the long side.
    """

    shift: Range
    """Length of the shift, pixels at 512 on the long side; the direction is uniform."""
    rotate: Range
    """Degrees."""
    scale: Range
    """Factor."""
    perspective: Range
    """How far a corner moves where the camera was tilted, pixels; the direction is uniform."""
    perspective_probability: Share
    """How often it was, 0 to 1."""
    parallax: Range
    """How far the nearest parts move against middling ones where the camera was displaced, pixels."""
    parallax_probability: Share
    """How often it was, 0 to 1."""
    breathing: Range
    """Sigma of the captured background's defocus where its focus had not settled, pixels; it changes the scale too."""
    breathing_probability: Share
    """How often it had not, 0 to 1."""
    gain: Range
    """Exposure drift, stops."""
    white_balance: Range
    """Red and blue gain against green, stops, each drawn on its own."""
    gamma: Range
    """Exponent of the tone curve."""
    focus: Range
    """Change of the scene's focus in the source alone, sigma in pixels; below 0 it is crisper there."""
    focus_probability: Share
    """How often there is one, 0 to 1."""
    change: Share
    """Probability that one thing in the scene was moved, lit or darkened since the plate was taken, 0 to 1."""
    change_size: Range
    """Its sides, shares of the frame's."""
    change_gain: Range
    """How much brighter a screen or lamp became, stops."""
    wrong_plate: Share
    """How often the captured background shows another photograph altogether, 0 to 1; alpha stays true."""
    shadow: Share
    """Probability of a cast shadow on the source's background, 0 to 1."""
    shadow_strength: Range
    """Largest darkening, 0 to 1."""
    lone_shadow: Share
    """How often a cast shadow falls where nobody is in the picture, as of somebody beside the camera, 0 to 1."""
    contact: Share
    """Probability of a contact shadow under a subject that stands in the picture, 0 to 1."""
    contact_strength: Range
    """Largest darkening, 0 to 1."""
    shading: Range
    """Light that became uneven over the frame, stops from corner to corner; source and foreground."""
    shading_probability: Share
    """How often it did, 0 to 1."""
    metering: Share
    """Probability that exposure and white balance are automatic, 0 to 1."""
    coupling: Range
    """How much of the change that the subject makes is taken back then, 0 to 1, exposure and colour each."""
    shake: Range
    """Length of the camera's movement during the exposure of the source, pixels."""
    shake_probability: Share
    """How often it moved, 0 to 1."""
    tone: Range
    """Strength of the camera's S-curve, 0 to 1, alike in all pictures of a composite."""
    noise: Range
    """Sigma of the noise of source and captured background (each drawn on its own) at mid grey, 0 to 1."""
    read: Range
    """Share of the noise's variance at mid grey that does not grow with light, 0 to 1."""
    correlation: Range
    """Correlation of the noise of neighbouring pixels, 0 to 0.6; each picture's own."""
    sharpen: Range
    """Amount of the camera's sharpening, each picture's own."""
    quality: Annotated[tuple[Quality, Quality], AfterValidator(_ordered)]
    """JPEG quality of source and captured background."""
    video: Annotated[tuple[RateFactor, RateFactor], AfterValidator(_ordered)]
    """Constant rate factor of H.264 where both went through a video codec first, 0 (fine) to 51."""
    video_probability: Share
    """How often they did, 0 to 1. The JPEG that follows is then of a quality that adds nearly nothing."""


def warmth_gains(warmth: float) -> NDArray[np.float64]:
    """Return the gains, (3,), that raise red and lower blue of light by half of ``warmth`` each."""
    return np.array([1 + warmth / 2, 1.0, 1 - warmth / 2])


def contrast(linear: Float, factor: float) -> Float:
    """Stretch the logarithm of light around mid grey by a factor: display values gain that slope there."""
    if factor == 1:
        return linear
    # Also what display values would do, but for one power in place of two tone curves.
    return power(np.maximum(linear, 0), factor) * np.float32(MID_GREY ** (1 - factor))


def saturation_matrix(factor: float) -> NDArray[np.float64]:
    """Return the matrix, (3, 3), that moves light away from its own luminance (``factor`` > 1) or towards it (< 1)."""
    return np.asarray(factor * np.eye(3) + (1 - factor) * np.tile(LUMA, (3, 1)))


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
