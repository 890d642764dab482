"""The numbers of light, camera and sensor in the plan's rows, a column at a time."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from compositing.perturb import CaptureParams, Range, Share
from compositing.plan.draws import Draws
from curation.config import Section

Columns = dict[str, NDArray[Any]]

BREATH = 0.004
"""Scale that a lens changes by for each pixel (at 512) of defocus."""


class SubjectParams(Section):
    """How the subject is fitted to the scene. Ranges are drawn uniformly; pixels are at 512 on the long side."""

    space: Literal["linear", "display"]
    """What alpha mixes: light, as a camera does, or display values, as the published code did."""
    match: Range
    """How far the subject's brightness, colour and contrast are brought to the scene's, 0 to 1."""
    match_probability: Share
    """How often they are, 0 to 1."""
    camouflage: Range
    """How far the subject's clothes take on the colour of the scene right behind them, 0 to 1."""
    camouflage_probability: Share
    """How often they do, 0 to 1; in base and refine only, and in the hard cases of valid and test."""
    despill: Range
    """Share of the green beyond red and blue that is taken from the subject, 0 to 1."""
    despill_probability: Share
    """How often it is, 0 to 1."""
    motion: Range
    """Length of the subject's movement during the exposure, pixels; the direction is uniform."""
    motion_probability: Share
    """How often it moves, 0 to 1."""


def draw_subject(draws: Draws, look: SubjectParams, long_side: int) -> Columns:
    """Draw how subjects are fitted to their scenes; ``long_side`` of the composite in pixels. Returns plan columns."""
    return {
        "space": np.full(len(draws), look.space),
        "match": _sometimes(draws, "match", look.match_probability, look.match),
        "despill": _sometimes(draws, "despill", look.despill_probability, look.despill),
        "motion": _sometimes(draws, "motion", look.motion_probability, look.motion) * long_side / 512,
        "motion_angle": draws.uniform("motion_angle", 0.0, 360.0),
    }


def draw_camera(
    draws: Draws, capture: CaptureParams, long_side: int, cut: NDArray[np.bool_], empty: NDArray[np.bool_]
) -> Columns:
    """Draw what changed in the scene, and what light, camera and sensor do.

    ``cut``: whether the subject is cut off at the bottom, ``empty``: whether nobody is there, (N,) each, as long as
    ``draws``; ``long_side`` of the composite in pixels. Returns plan columns.
    """
    scale = long_side / 512
    touches = draws.chance("contact", capture.contact) & ~cut & ~empty
    return {
        "focus": _sometimes(draws, "focus", capture.focus_probability, capture.focus) * scale,
        **_draw_change(draws, capture),
        "contact_strength": np.where(touches, draws.uniform("contact_strength", *capture.contact_strength), 0.0),
        "shading": _sometimes(draws, "shading", capture.shading_probability, capture.shading),
        "shading_angle": draws.uniform("shading_angle", 0.0, 360.0),
        "metering": _sometimes(draws, "metering", capture.metering, capture.coupling),
        "metering_colour": _sometimes(draws, "metering_colour", capture.metering, capture.coupling),
        "shake": _sometimes(draws, "shake", capture.shake_probability, capture.shake) * scale,
        "shake_angle": draws.uniform("shake_angle", 0.0, 360.0),
        **_draw_view(draws, capture, scale),
        "tone": draws.uniform("tone", *capture.tone),
        "read": draws.uniform("read", *capture.read),
        **{
            f"{layer}_{name}": draws.uniform(f"{layer}_{name}", *getattr(capture, name))
            for layer in ("src", "bgr")
            for name in ("correlation", "sharpen")
        },
    }


def view_margin(capture: CaptureParams, reach: float) -> float:
    """Return how many pixels at 512 perspective, parallax and breathing may look beyond the window.

    ``reach``: from the centre to a corner, in the same pixels.
    """
    pairs = (
        (capture.perspective, capture.perspective_probability),
        (capture.parallax, capture.parallax_probability),
        ((0.0, capture.breathing[1] * BREATH * reach), capture.breathing_probability),
    )
    return sum(limits[1] for limits, probability in pairs if probability > 0)


def _sometimes(draws: Draws, name: str, probability: float, limits: tuple[float, float]) -> NDArray[np.float64]:
    return np.where(draws.chance(f"{name}_happens", probability), draws.uniform(name, *limits), 0.0)


def _draw_change(draws: Draws, capture: CaptureParams) -> Columns:
    """Draw one thing that changed: half of them were moved there, half are screens or lamps."""
    happens, moved = draws.chance("change", capture.change), draws.chance("change_moved", 0.5)
    sides = {
        f"change_{side}": np.where(happens, draws.uniform(f"change_{side}", *capture.change_size), 0.0) for side in "wh"
    }
    away = {
        f"change_from_{axis}": np.where(moved, draws.uniform(f"change_from_{axis}", -0.5, 0.5), 0.0) for axis in "xy"
    }
    return {
        "change_x": draws.uniform("change_x", 0.05, 0.95),
        "change_y": draws.uniform("change_y", 0.05, 0.95),
        **sides,
        "change_turn": draws.uniform("change_turn", -15.0, 15.0),
        **away,
        "change_gain": np.where(moved, 0.0, draws.uniform("change_gain", *capture.change_gain)),
    }


def _draw_view(draws: Draws, capture: CaptureParams, scale: float) -> Columns:
    columns: Columns = {}
    for column, limits, probability in (
        ("tilt", capture.perspective, capture.perspective_probability),
        ("parallax", capture.parallax, capture.parallax_probability),
    ):
        length = _sometimes(draws, f"{column}_length", probability, limits) * scale
        if column == "tilt":  # both together move a corner by the sum of their parts
            length = length / np.sqrt(2)
        direction = draws.uniform(f"{column}_direction", 0.0, 2 * np.pi)
        columns |= {f"{column}_x": length * np.cos(direction), f"{column}_y": length * np.sin(direction)}
    blur = _sometimes(draws, "breathing", capture.breathing_probability, capture.breathing)
    side = np.where(draws.chance("breathing_side", 0.5), 1.0, -1.0)
    return columns | {"breathing": 1 + side * BREATH * blur, "bgr_blur": blur * scale}
