"""What stands before the camera: the scene, the subjects in its light, their shadows on it."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from compositing.chain.camouflage import camouflaged
from compositing.chain.look import Look
from compositing.chain.match import matched, tones
from compositing.chain.shadow import cast_shadow, contact_shadow
from compositing.chain.subject import alpha_of, blurred, straight_colour, warp_subject
from compositing.codec import Image
from compositing.composite import joined
from compositing.inputs import Matte
from compositing.light import MID_GREY, Float
from compositing.perturb import warmth_gains


class Stage(NamedTuple):
    """Linear light of one size."""

    fill: Float
    """(H, W, 3) straight colour of the subjects, before its look."""
    alpha: Float
    """(H, W), 0 to 1."""
    behind: Float
    """(H, W, 3) the scene."""
    shade: Float
    """(H, W): the share of its light that the subjects' shadows leave, or (0, 0) where none falls."""
    look: Look
    """The gains, contrast and saturation still to be given to ``fill``."""


_AS_IT_IS = Look(np.ones(3))
_NO_SHADE = np.empty((0, 0), np.float32)


def empty_stage(row: dict[str, Any], absent: Matte, behind: Float) -> Stage:
    """Nobody before a scene, (H, W, 3): alpha is 0, and the colour a mid grey that stands for none.

    Where the row says so the shadow of who is ``absent`` falls all the same, as of somebody beside the camera.
    """
    shade = None
    if row["shadow_strength"] > 0:
        fgr, pha = absent
        shade = cast_shadow(row, warp_subject(fgr, pha, row), (pha.shape[0], pha.shape[1]))
    grey, alpha = np.full_like(behind, MID_GREY), np.zeros(behind.shape[:2], np.float32)
    return Stage(grey, alpha, behind, _NO_SHADE if shade is None else shade, _AS_IT_IS)


def set_stage(row: dict[str, Any], first: Matte, second: Matte | None, behind: Float) -> Stage:
    """Bring the subjects to their places and into the scene's light, and let their shadows fall.

    ``row``: a PLAN row; ``first``, ``second``: mattes, the second where the row names one; ``behind``: (H, W, 3).
    Raises ValueError for an empty matte or a second one that is missing.
    """
    front = _fitted_in(row, *first, behind, _NO_SHADE)
    if row["second_frame_id"] is None:
        return front
    if second is None:
        raise ValueError(f"composite {row['composite_id']} shows two subjects: give render the second matte, too")
    back = _fitted_in(row | _as_first(row), *second, behind, front.shade)
    fill, alpha = joined(front.look(front.fill), front.alpha, back.look(back.fill), back.alpha)
    return Stage(fill, alpha, behind, back.shade, _AS_IT_IS)


def _as_first(row: dict[str, Any]) -> dict[str, Any]:
    """Return what places the second subject under the names of the first; light, lens and shadow are theirs alike."""
    matte = {name: row[f"second_{name}"] for name in ("clip", "frame", "box_x", "box_y", "box_w", "box_h")}
    return matte | {f"fgr_{name}": row[f"second_{name}"] for name in ("flip", "scale", "x", "y", "rotate", "shear")}


def _fitted_in(row: dict[str, Any], fgr: Image, pha: Image, behind: Float, shade: Float) -> Stage:
    subject = warp_subject(fgr, pha, row)
    layer, window = blurred(subject, row["blur"], row["motion"], row["motion_angle"])
    alpha = alpha_of(layer, window)
    fill = straight_colour(layer, window, row["despill"])
    gains, contrast = _fitted(row, fill, alpha, behind)
    shadow = cast_shadow(row, subject, (pha.shape[0], pha.shape[1]))
    if shadow is not None:
        shade = shadow if not len(shade) else shade * shadow
    contact = contact_shadow(row, alpha)
    if contact is not None:
        left, beside = contact
        shade = shade.copy() if len(shade) else np.ones_like(alpha)
        shade[beside] *= left
    look = Look(gains, contrast, row["fgr_saturation"])
    if row["camouflage"] > 0:  # fitted to the scene as it is seen: nothing may follow it
        return Stage(camouflaged(look(fill), alpha, behind, row["camouflage"]), alpha, behind, shade, _AS_IT_IS)
    return Stage(fill, alpha, behind, shade, look)


def _fitted(row: dict[str, Any], colour: Float, alpha: Float, scene: Float) -> tuple[NDArray[np.float64], float]:
    """Return the subject's gains and contrast: what was drawn, times what brings it to its scene."""
    gains, factor = warmth_gains(row["fgr_warmth"]) * 2.0 ** row["fgr_exposure"], float(row["fgr_contrast"])
    if row["match"] > 0:
        own, around = tones(colour, alpha), tones(scene)
        if own is not None and around is not None:
            more, stretch = matched(own, around, row["match"])
            gains, factor = gains * more, factor * stretch
    return gains, factor
