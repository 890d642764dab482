"""The subject's layer: a matte brought to its place in the composite, with straight colour everywhere."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.light import Float, bytes_to_linear
from compositing.placement import subject_matrix

_TRUST = np.float32(1 / 510)
"""Coverage at which a pixel's own colour and its surroundings' count the same: half a step of 8-bit alpha."""


class Box(NamedTuple):
    """The box around alpha > 0, matte pixels."""

    x: int
    y: int
    w: int
    h: int


class Warped(NamedTuple):
    """A matte in the composite's frame."""

    layer: Float
    """(H, W, 4): premultiplied linear RGB and alpha."""
    coverage: Float
    """(h, w): alpha of the box alone at the composite's scale; what casts the shadow."""
    matrix: NDArray[np.float64]
    """(2, 2): from offsets to the box's centre, matte pixels, to composite pixels."""
    box: Box


def subject_box(pha: NDArray[np.uint8]) -> Box:
    """Return the box around alpha > 0. Raises ValueError where alpha is empty."""
    box = Box(*cv2.boundingRect(pha))
    if not box.w:
        raise ValueError("the matte is empty")
    return box


def warp_subject(fgr: NDArray[np.uint8], pha: NDArray[np.uint8], row: dict[str, Any]) -> Warped:
    """Scale, turn, mirror and move a matte as its plan row says.

    ``fgr``: (h, w, 3) RGB; ``pha``: (h, w). Colour is premultiplied by alpha in linear light first and both are
    resampled together, so that colour from outside the subject never leaks in. Reduced by area averaging
    (antialiased), turned bilinearly.
    """
    box = subject_box(pha)
    inside = np.s_[box.y : box.y + box.h, box.x : box.x + box.w]
    alpha = pha[inside].astype(np.float32) / np.float32(255)
    colour = bytes_to_linear(np.ascontiguousarray(fgr[inside])) * cv2.merge([alpha, alpha, alpha])
    layer: Float = np.asarray(cv2.merge([colour, alpha]), dtype=np.float32)
    scale, width, height = float(row["fgr_scale"]), int(row["width"]), int(row["height"])
    if scale < 1:
        small = (max(1, round(box.w * scale)), max(1, round(box.h * scale)))
        layer = np.asarray(cv2.resize(layer, small, interpolation=cv2.INTER_AREA), dtype=np.float32)
    matrix = subject_matrix(scale, row["fgr_rotate"], row["fgr_shear"], row["fgr_flip"])
    warp = placing_matrix(layer.shape, (box.w, box.h), matrix, (row["fgr_x"], row["fgr_y"]))
    placed = cv2.warpAffine(layer, warp, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return Warped(np.asarray(placed, np.float32), np.ascontiguousarray(layer[:, :, 3]), matrix, box)


def placing_matrix(
    shape: tuple[int, ...],
    span: tuple[float, float],
    matrix: NDArray[np.float64],
    centre: tuple[float, float],
    grain: float = 1.0,
) -> NDArray[np.float64]:
    """Return the (2, 3) matrix, between pixel centres, from a picture of ``shape`` (h, w) to the composite.

    The picture spans (width, height) = ``span`` matte pixels; ``matrix`` turns offsets from its centre in matte pixels,
    and ``centre`` is where that lands; ``grain`` is how many composite pixels a pixel of the target spans.
    """
    linear = matrix @ np.diag([span[0] / shape[1], span[1] / shape[0]])
    offset = linear @ np.array([0.5, 0.5]) - matrix @ (np.array(span) / 2) + np.asarray(centre)
    both = np.hstack([linear, offset[:, None]]) / grain
    both[:, 2] -= 0.5
    return np.asarray(both, dtype=np.float64)


def straight_colour(layer: Float) -> Float:
    """Divide colour by alpha where there is a subject, and carry it outward over the rest of the frame.

    ``layer``: (H, W, 4) premultiplied. Returns (H, W, 3) straight colour, everywhere between the colours that are
    there. A pyramid is averaged down to one pixel and filled in again on the way up, each pixel trusting its own colour
    by its coverage (push-pull: Gortler et al., *The Lumigraph*, 1996, section 3.4).
    """
    levels = [layer]
    while max(levels[-1].shape[:2]) > 1:
        h, w = levels[-1].shape[:2]
        half = ((w + 1) // 2, (h + 1) // 2)
        levels.append(np.asarray(cv2.resize(levels[-1], half, interpolation=cv2.INTER_AREA), dtype=np.float32))
    top = levels.pop()
    filled: Float = np.asarray(top[:, :, :3] / np.maximum(top[:, :, 3:], 1e-12), dtype=np.float32)
    for level in reversed(levels):
        h, w = level.shape[:2]
        coarse = cv2.resize(filled, (w, h), interpolation=cv2.INTER_LINEAR)
        filled = np.asarray((level[:, :, :3] + _TRUST * coarse) / (level[:, :, 3:] + _TRUST), dtype=np.float32)
    return filled
