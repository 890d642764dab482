"""The camera that photographs a drawing: exposure, glow, defocus, tone curve, noise."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.sample.scenery.noise import Floats


@dataclass(frozen=True)
class Lens:
    """How the picture is taken."""

    width: int
    height: int
    key: float = 0.20
    """Linear level that the middle of the picture is exposed for."""
    white_balance: tuple[float, float, float] = (1.0, 1.0, 1.0)
    bloom: float = 0.06
    vignette: float = 0.18
    focus: float = 3.0
    """Distance in focus, metres."""
    aperture: float = 0.0
    """Blur far beyond the focus, pixels of the final picture."""
    noise: float = 0.008
    """Deviation of the noise at mid grey, of 1."""
    contrast: float = 1.0
    saturation: float = 1.0


def develop(light: Floats, depth: Floats, lens: Lens, random: np.random.Generator) -> NDArray[np.uint8]:
    """Turn linear light (H, W, 3) into a photograph (lens.height, lens.width, 3), RGB uint8."""
    size = (lens.width, lens.height)
    near = cv2.resize(np.minimum(depth, 1e4), size, interpolation=cv2.INTER_NEAREST)
    # Bounded before the reduction, or a lamp's edge would stay jagged.
    level = _exposure(light, lens.key)
    image = cv2.resize(np.minimum(light * level, 6.0), size, interpolation=cv2.INTER_AREA)
    image = _defocus(image, near, lens)
    over = np.maximum(image - 0.8, 0)
    short = min(size)
    glow = cv2.GaussianBlur(over, (0, 0), short / 130) * 0.55 + _wide_blur(over, short / 22) * 0.45
    image = image + lens.bloom * glow
    y, x = np.mgrid[-1 : 1 : lens.height * 1j, -1 : 1 : lens.width * 1j].astype(np.float32)
    image *= (1 - lens.vignette * (0.6 * x**2 + 0.4 * y**2))[..., None]
    image *= np.asarray(lens.white_balance, np.float32)
    curve = _tone(np.maximum(image, 0))
    grey = curve @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    curve = grey[..., None] + (curve - grey[..., None]) * lens.saturation
    curve = 0.46 + (curve - 0.46) * lens.contrast
    fine = random.standard_normal(curve.shape, dtype=np.float32)
    coarse = cv2.GaussianBlur(np.roll(fine, (97, 61), (0, 1)), (0, 0), 1.1) * 2.4
    amount = lens.noise * (0.55 + 0.9 * np.sqrt(np.clip(grey, 0, 1)) * (1.2 - np.clip(grey, 0, 1)))[..., None]
    curve = curve + amount * (0.75 * fine[..., :1] + 0.35 * fine + 0.5 * coarse)
    return np.asarray(np.clip(curve * 255 + 0.5, 0, 255), np.uint8)


def _exposure(light: Floats, key: float) -> float:
    luma = light[::4, ::4] @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    middle = float(np.exp(np.mean(np.log(np.clip(luma, 1e-3, 50)))))
    high = float(np.percentile(luma, 85))
    return key / (0.65 * middle + 0.35 * 0.4 * high)


def _wide_blur(image: Floats, sigma: float) -> Floats:
    small = cv2.resize(image, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), max(sigma / 4, 0.5))
    return np.asarray(cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _defocus(image: Floats, depth: Floats, lens: Lens) -> Floats:
    if lens.aperture <= 0.05:
        return image
    blur: Floats = lens.aperture * np.abs(1 - lens.focus / np.maximum(depth, 0.2))
    blur = np.asarray(cv2.GaussianBlur(np.minimum(blur, 2.5 * lens.aperture), (0, 0), 1.5))
    result: Floats = image
    # Between a few blurred copies: the steps are small enough not to show.
    for step in (0.8, 1.6, 3.2):
        copy = cv2.GaussianBlur(image, (0, 0), step)
        share = np.clip((blur - step / 2) / (step / 2), 0, 1)
        result = result + (copy - result) * share[..., None]
    return np.asarray(result, np.float32)


def _tone(x: Floats) -> Floats:
    """A film-like curve from linear light to display values: a soft toe and shoulder around sRGB's gamma."""
    shoulder = x * (1 + x / 9.0) / (1 + x)
    display = np.where(shoulder <= 0.0031308, 12.92 * shoulder, 1.055 * np.maximum(shoulder, 1e-6) ** (1 / 2.4) - 0.055)
    lifted = display * 1.13
    return np.asarray(lifted + 0.06 * np.sin(2 * np.pi * (np.clip(lifted, 0, 1) - 0.5)) * 0.5, np.float32)
