"""The numbers of one composite: everything about a plan row that is drawn."""

import math
from typing import Any, NamedTuple

import numpy as np
from pydantic import field_validator

from compositing.perturb import CaptureParams, Range, Share
from compositing.placement import MAX_ENLARGE, Subject, place
from curation.config import Section

Row = dict[str, Any]


class LookParams(Section):
    """How subject and scene are varied, alike in source and captured background."""

    rotate: Range
    """Degrees, subject."""
    shear: Range
    """Degrees, subject."""
    flip: Share
    """Probability of mirroring, drawn for subject and scene each."""
    fgr_exposure: Range
    """Stops, subject alone."""
    fgr_contrast: Range
    """Factor, subject alone."""
    fgr_saturation: Range
    """Factor, subject alone."""
    fgr_warmth: Range
    """Red gain minus blue gain, subject alone."""
    bgr_exposure: Range
    """Stops, scene."""
    bgr_contrast: Range
    """Factor, scene."""
    bgr_saturation: Range
    """Factor, scene."""
    bgr_zoom: Range
    """How much smaller the crop is than the largest that fits, factor >= 1."""
    blur: Range
    """Sigma of the subject's defocus, pixels."""
    blur_probability: Share
    """How often the subject is defocused, 0 to 1."""

    @field_validator("bgr_zoom")
    @classmethod
    def _fits_the_image(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] < 1:
            raise ValueError("a zoom below 1 would be a crop larger than the image")
        return value


class Canvas(NamedTuple):
    """What a composite is drawn on."""

    width: int
    """Pixels."""
    height: int
    """Pixels."""
    margin: int
    """Pixels of scene rendered around it."""
    scale: Range
    """Height of the subject's box over the height of the composite."""


def margin_of(capture: CaptureParams, width: int, height: int) -> int:
    """Return how far beyond the window a moved camera may look, pixels, the reach of cubic resampling included."""
    reach = math.hypot(width, height) / 2
    shift = capture.shift[1] * max(width, height) / 512
    turn = math.radians(max(abs(angle) for angle in capture.rotate)) * reach
    grow = max(abs(factor - 1) for factor in capture.scale) * reach
    return math.ceil(shift + turn + grow) + 3


def largest_grain(width: Any, height: Any, canvas: Canvas) -> Any:
    """Return image pixels per composite pixel where the crop, margin included, is the largest that fits.

    ``width``, ``height``: of an image, or arrays of many.
    """
    across = width / (canvas.width + 2 * canvas.margin)
    return np.minimum(across, height / (canvas.height + 2 * canvas.margin))


def draw_look(generator: np.random.Generator, look: LookParams, canvas: Canvas, image: Row, matte: Row) -> Row:
    """Draw what source and captured background share: crop, placement, colour of scene and subject.

    ``image``: a VERDICTS row; ``matte``: a FRAMES row. Returns plan columns.
    """

    def uniform(limits: tuple[float, float]) -> float:
        return float(generator.uniform(*limits))

    bgr_flip, fgr_flip = (bool(draw < look.flip) for draw in generator.random(2))
    subject = Subject(matte["box_w"], matte["box_h"], matte["touches"] or "")
    placed = place(
        subject.mirrored() if fgr_flip else subject,
        canvas.width,
        canvas.height,
        uniform(canvas.scale),
        uniform(look.rotate),
        uniform(look.shear),
        generator,
    )
    blurred = generator.random() < look.blur_probability
    blur = uniform(look.blur)
    return {
        **{name: image[name] for name in ("dataset", "locator", "image_id", "scene", "indoor")},
        **{name: matte[name] for name in ("frame_id", "clip", "frame", "box_x", "box_y", "box_w", "box_h")},
        **_draw_crop(generator, canvas, image, uniform(look.bgr_zoom)),
        "bgr_flip": bgr_flip,
        "fgr_flip": fgr_flip,
        "fgr_scale": placed.scale,
        "fgr_x": placed.x,
        "fgr_y": placed.y,
        "fgr_rotate": placed.rotate,
        "fgr_shear": placed.shear,
        "fgr_exposure": uniform(look.fgr_exposure),
        "fgr_contrast": uniform(look.fgr_contrast),
        "fgr_saturation": uniform(look.fgr_saturation),
        "fgr_warmth": uniform(look.fgr_warmth),
        "bgr_exposure": uniform(look.bgr_exposure),
        "bgr_contrast": uniform(look.bgr_contrast),
        "bgr_saturation": uniform(look.bgr_saturation),
        "blur": blur if blurred else 0.0,
        "licence": _joined(image["licence"], matte["licence"]),
        "source": _joined(image["source"], matte["source"]),
    }


def _joined(image: str | None, matte: str | None) -> str:
    return f"background: {image or 'unknown'}; matte: {matte or 'unknown'}"


def _draw_crop(generator: np.random.Generator, canvas: Canvas, image: Row, zoom: float) -> Row:
    """Crop whole pixels, margin included; the columns give the window inside the margin."""
    margin, grain = canvas.margin, float(largest_grain(image["width"], image["height"], canvas))
    grain = max(grain / zoom, min(grain, 1 / MAX_ENLARGE))
    wide, high = canvas.width + 2 * margin, canvas.height + 2 * margin
    w, h = min(round(wide * grain), image["width"]), min(round(high * grain), image["height"])
    x, y = (int(generator.integers(0, spare, endpoint=True)) for spare in (image["width"] - w, image["height"] - h))
    return {
        "crop_x": x + margin * w / wide,
        "crop_y": y + margin * h / high,
        "crop_w": canvas.width * w / wide,
        "crop_h": canvas.height * h / high,
    }


def draw_capture(generator: np.random.Generator, capture: CaptureParams, canvas: Canvas, matte: Row) -> Row:
    """Draw how the captured background differs from the scene, and the shadow, noise and compression.

    ``matte``: a FRAMES row. Returns plan columns.
    """

    def uniform(limits: tuple[float, float]) -> float:
        return float(generator.uniform(*limits))

    length = uniform(capture.shift) * max(canvas.width, canvas.height) / 512
    direction = uniform((0.0, 2 * math.pi))
    low, high = capture.quality
    return {
        "shift_x": length * math.cos(direction),
        "shift_y": length * math.sin(direction),
        "shift_rotate": uniform(capture.rotate),
        "shift_scale": uniform(capture.scale),
        "gain": uniform(capture.gain),
        "gain_red": uniform(capture.white_balance),
        "gain_blue": uniform(capture.white_balance),
        "gamma": uniform(capture.gamma),
        "src_noise": uniform(capture.noise),
        "bgr_noise": uniform(capture.noise),
        "src_quality": int(generator.integers(low, high, endpoint=True)),
        "bgr_quality": int(generator.integers(low, high, endpoint=True)),
        "noise_key": int(generator.integers(0, 2**64, dtype=np.uint64)),
        **_draw_shadow(generator, capture, "b" in (matte["touches"] or "")),
    }


def _draw_shadow(generator: np.random.Generator, capture: CaptureParams, cut: bool) -> Row:
    """Draw the cast shadow: on the ground for whole figures, on a wall behind for those cut off at the bottom."""
    falls = generator.random() < capture.shadow
    strength = float(generator.uniform(*capture.shadow_strength))
    side = 1.0 if generator.random() < 0.5 else -1.0
    far, near, soft = (float(draw) for draw in generator.random(3))
    shadow = {"shadow_strength": strength if falls else 0.0, "shadow_x": 0.0, "shadow_y": 0.0, "shadow_lean": 0.0}
    if cut:
        shadow |= {"shadow_x": side * (0.05 + 0.13 * far), "shadow_y": 0.05 * near}
        return shadow | {"shadow_scale": 1.0 + 0.06 * near, "shadow_blur": 0.012 + 0.035 * soft}
    shadow |= {"shadow_lean": side * (0.08 + 0.27 * far)}
    # Light from the front throws the shadow back and up in the picture, light from behind towards the camera.
    towards = -1.0 if near > 0.7 else 1.0
    return shadow | {"shadow_scale": towards * (0.2 + 0.4 * near), "shadow_blur": 0.005 + 0.02 * soft}
