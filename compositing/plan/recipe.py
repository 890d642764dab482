"""The numbers of composites: everything about plan rows that is drawn, a column at a time."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import field_validator

from compositing.perturb import CaptureParams, Range, Share
from compositing.plan.drawing import SubjectParams, draw_camera, draw_subject, view_margin
from compositing.plan.draws import Draws, Limit
from compositing.plan.placement import MAX_ENLARGE, Flags, Subjects, place

STORED_QUALITY = 97
"""JPEG quality of pictures that a video codec has already had: see docs/realism.md for what it adds."""
Columns = dict[str, NDArray[Any]]
"""Plan columns of the rows that are drawn together: (N,) each."""


class LookParams(SubjectParams):
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
    empty: Share
    """How often nobody is there (alpha 0 everywhere), 0 to 1; in base and refine only, and in the hard cases of valid
    and test."""
    second: Share
    """How often somebody else stands beside the subject, 0 to 1; in base and refine only, and only where the matte
    that was drawn comes from another clip and is cut off at the bottom as the first one is."""
    object: Share
    """How often the subject is an object in place of a person, 0 to 1; in base and refine only, and only where the
    split has clips of objects (``mattes.objects``) that fit. A second subject is a person all the same."""

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
    long_side = max(width, height)
    shift = (capture.shift[1] + view_margin(capture, reach * 512 / long_side)) * long_side / 512
    turn = math.radians(max(abs(angle) for angle in capture.rotate)) * reach
    grow = max(abs(factor - 1) for factor in capture.scale) * reach
    return math.ceil(shift + turn + grow) + 3


def largest_grain(width: Any, height: Any, canvas: Canvas) -> Any:
    """Return image pixels per composite pixel where the crop, margin included, is the largest that fits.

    ``width``, ``height``: of an image, or arrays of many.
    """
    across = width / (canvas.width + 2 * canvas.margin)
    return np.minimum(across, height / (canvas.height + 2 * canvas.margin))


def draw_look(
    draws: Draws,
    look: LookParams,
    canvas: Canvas,
    subjects: Subjects,
    width: NDArray[np.int64],
    height: NDArray[np.int64],
    empty: Limit = 0.0,
    camouflage: Limit = 0.0,
) -> Columns:
    """Draw what source and captured background share: crop, placement, colour of scene and subject.

    ``subjects``: of the mattes, as filmed; ``width``, ``height``: of the photographs, pixels; (N,) each, as long as
    ``draws``. ``empty``: probability that nobody is there, ``camouflage``: that the subject wears the scene's colours,
    numbers or (N,). Returns plan columns.
    """
    fgr_flip = draws.chance("fgr_flip", look.flip)
    placed = place(
        subjects.mirrored(fgr_flip),
        canvas.width,
        canvas.height,
        draws.uniform("fgr_share", *canvas.scale),
        draws.uniform("fgr_rotate", *look.rotate),
        draws.uniform("fgr_shear", *look.shear),
        along=draws.uniform("fgr_along"),
        aside=draws.uniform("fgr_aside"),
    )
    blurred = draws.chance("blurred", look.blur_probability)
    return {
        **draw_crop(draws, look, canvas, width, height),
        "bgr_flip": draws.chance("bgr_flip", look.flip),
        "fgr_flip": fgr_flip,
        "fgr_scale": placed.scale,
        "fgr_x": placed.x,
        "fgr_y": placed.y,
        "fgr_rotate": placed.rotate,
        "fgr_shear": placed.shear,
        "fgr_exposure": draws.uniform("fgr_exposure", *look.fgr_exposure),
        "fgr_contrast": draws.uniform("fgr_contrast", *look.fgr_contrast),
        "fgr_saturation": draws.uniform("fgr_saturation", *look.fgr_saturation),
        "fgr_warmth": draws.uniform("fgr_warmth", *look.fgr_warmth),
        "bgr_exposure": draws.uniform("bgr_exposure", *look.bgr_exposure),
        "bgr_contrast": draws.uniform("bgr_contrast", *look.bgr_contrast),
        "bgr_saturation": draws.uniform("bgr_saturation", *look.bgr_saturation),
        "blur": np.where(blurred, draws.uniform("blur", *look.blur), 0.0),
        "empty": draws.chance("empty", empty),
        "camouflage": np.where(
            draws.chance("camouflage_happens", camouflage), draws.uniform("camouflage", *look.camouflage), 0.0
        ),
        **draw_subject(draws, look, max(canvas.width, canvas.height)),
    }


def draw_second(draws: Draws, look: LookParams, canvas: Canvas, subjects: Subjects) -> Columns:
    """Draw where a second subject stands: on the first one's ground and about as large, but on the other side.

    ``subjects``: of the second mattes, as filmed, (N,), as long as ``draws``. Returns plan columns.
    """
    flip = draws.chance("second_flip", look.flip)
    beside = draws.uniform("second_aside", 0.0, 0.4)
    placed = place(
        subjects.mirrored(flip),
        canvas.width,
        canvas.height,
        # What draw_look drew: a name gives the same numbers again.
        draws.uniform("fgr_share", *canvas.scale) * draws.uniform("second_share", 0.85, 1.1),
        draws.uniform("second_rotate", *look.rotate),
        draws.uniform("second_shear", *look.shear),
        along=draws.uniform("fgr_along"),
        aside=np.where(draws.uniform("fgr_aside") < 0.5, 1 - beside, beside),
    )
    return {"second_flip": flip, **{f"second_{name}": column for name, column in placed._asdict().items()}}


def draw_crop(
    draws: Draws,
    look: LookParams,
    canvas: Canvas,
    width: NDArray[np.int64],
    height: NDArray[np.int64],
    stream: str = "",
) -> Columns:
    """Crop whole pixels, margin included; the columns give the window inside the margin.

    ``width``, ``height``: of the photographs, (N,), as long as ``draws``; ``stream`` begins the names of the draws.
    """
    margin, grain = canvas.margin, largest_grain(width, height, canvas)
    zoom = draws.uniform(f"{stream}bgr_zoom", *look.bgr_zoom)
    grain = np.maximum(grain / zoom, np.minimum(grain, 1 / MAX_ENLARGE))
    wide, high = canvas.width + 2 * margin, canvas.height + 2 * margin
    w, h = np.minimum(np.rint(wide * grain), width), np.minimum(np.rint(high * grain), height)
    x, y = draws.integers(f"{stream}crop_x", 0, width - w), draws.integers(f"{stream}crop_y", 0, height - h)
    return {
        "crop_x": x + margin * w / wide,
        "crop_y": y + margin * h / high,
        "crop_w": canvas.width * w / wide,
        "crop_h": canvas.height * h / high,
    }


def draw_capture(draws: Draws, capture: CaptureParams, canvas: Canvas, cut: Flags, empty: Flags) -> Columns:
    """Draw how the captured background differs from the scene, and the shadow, noise and compression.

    ``cut``: whether the matte is cut off at the bottom; ``empty``: whether nobody is there; (N,) each, as long as
    ``draws``. Returns plan columns.
    """
    length = draws.uniform("shift_length", *capture.shift) * max(canvas.width, canvas.height) / 512
    direction = draws.uniform("shift_direction", 0.0, 2 * math.pi)
    return {
        "shift_x": length * np.cos(direction),
        "shift_y": length * np.sin(direction),
        "shift_rotate": draws.uniform("shift_rotate", *capture.rotate),
        "shift_scale": draws.uniform("shift_scale", *capture.scale),
        "gain": draws.uniform("gain", *capture.gain),
        "gain_red": draws.uniform("gain_red", *capture.white_balance),
        "gain_blue": draws.uniform("gain_blue", *capture.white_balance),
        "gamma": draws.uniform("gamma", *capture.gamma),
        "src_noise": draws.uniform("src_noise", *capture.noise),
        "bgr_noise": draws.uniform("bgr_noise", *capture.noise),
        **_draw_codec(draws, capture),
        "noise_key": draws.bits("noise_key"),
        **_draw_shadow(draws, capture, cut, empty),
        **draw_camera(draws, capture, max(canvas.width, canvas.height), cut, empty),
    }


def _draw_codec(draws: Draws, capture: CaptureParams) -> Columns:
    """Draw compression: JPEG, or video and a JPEG that only stores what is left."""
    filmed = draws.chance("video_happens", capture.video_probability)
    factor = np.where(filmed, np.maximum(draws.integers("video", *capture.video), 1), 0)
    qualities = {f"{layer}_quality": draws.integers(f"{layer}_quality", *capture.quality) for layer in ("src", "bgr")}
    least = np.where(filmed, STORED_QUALITY, 0)
    return {"video": factor, **{name: np.maximum(quality, least) for name, quality in qualities.items()}}


def _draw_shadow(draws: Draws, capture: CaptureParams, cut: Flags, empty: Flags) -> Columns:
    """Draw the cast shadow: on the ground for whole figures, on a wall behind for those cut off at the bottom."""
    alone = draws.chance("lone_shadow", capture.lone_shadow) & empty
    falls = (draws.chance("shadow_falls", capture.shadow) & ~empty) | alone
    side = np.where(draws.chance("shadow_side", 0.5), 1.0, -1.0)
    far, near, soft = (draws.uniform(f"shadow_{name}") for name in ("far", "near", "soft"))
    # Light from the front throws the shadow back and up in the picture, light from behind towards the camera.
    towards = np.where(near > 0.7, -1.0, 1.0)
    return {
        "shadow_strength": np.where(falls, draws.uniform("shadow_strength", *capture.shadow_strength), 0.0),
        "shadow_x": np.where(cut, side * (0.05 + 0.13 * far), 0.0),
        "shadow_y": np.where(cut, 0.05 * near, 0.0),
        "shadow_lean": np.where(cut, 0.0, side * (0.08 + 0.27 * far)),
        "shadow_scale": np.where(cut, 1.0 + 0.06 * near, towards * (0.2 + 0.4 * near)),
        "shadow_blur": np.where(cut, 0.012 + 0.035 * soft, 0.005 + 0.02 * soft),
    }
