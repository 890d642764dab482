"""The subject's layer: a matte brought to its place in the composite, with straight colour everywhere."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.blocks import by_rows, row_blocks
from compositing.light import Float, bytes_to_linear
from compositing.placement import subject_matrix

_TRUST = np.float32(1 / 510)
"""Coverage at which a pixel's own colour and its surroundings' count the same: half a step of 8-bit alpha."""

_SHARE = np.arange(256, dtype=np.float32) / np.float32(255)
"""8-bit alpha as a share."""


class Box(NamedTuple):
    """A box in the matte, pixels."""

    x: float
    y: float
    w: float
    h: float

    @property
    def centre(self) -> NDArray[np.float64]:
        """Where its middle is: x, y."""
        return np.array([self.x + self.w / 2, self.y + self.h / 2])


class Warped(NamedTuple):
    """A matte in the composite's frame."""

    layer: Float
    """(H, W, 4): premultiplied linear RGB and alpha."""
    coverage: Float
    """(h, w): alpha at the composite's scale, not turned, ``span`` alone; what casts the shadow."""
    span: Box
    """The part of the matte that holds any alpha at all."""
    box: Box
    """The subject's box, which the plan row places."""
    matrix: NDArray[np.float64]
    """(2, 2): from offsets to the box's centre, matte pixels, to composite pixels."""


def warp_subject(fgr: NDArray[np.uint8], pha: NDArray[np.uint8], row: dict[str, Any]) -> Warped:
    """Scale, turn, mirror and move a matte as its plan row says.

    ``fgr``: (h, w, 3) RGB; ``pha``: (h, w). Colour is premultiplied by alpha in linear light first and both are
    resampled together, so that colour from outside the subject never leaks in. Reduced by area averaging
    (antialiased), turned bilinearly. Raises ValueError where alpha is empty.
    """
    x, y, w, h = cv2.boundingRect(pha)
    if not w:
        raise ValueError(f"the matte of {row['clip']} frame {row['frame']} is empty")
    inside = np.s_[y : y + h, x : x + w]
    layer: Float = by_rows(_premultiplied, np.ascontiguousarray(fgr[inside]), np.ascontiguousarray(pha[inside]))
    scale, width, height = float(row["fgr_scale"]), int(row["width"]), int(row["height"])
    if scale < 1:
        small = (max(1, round(w * scale)), max(1, round(h * scale)))
        layer = np.asarray(cv2.resize(layer, small, interpolation=cv2.INTER_AREA), dtype=np.float32)
    span, box = Box(x, y, w, h), Box(*(row[name] for name in ("box_x", "box_y", "box_w", "box_h")))
    matrix = subject_matrix(scale, row["fgr_rotate"], row["fgr_shear"], row["fgr_flip"])
    warp = placing_matrix(layer.shape, span, box, matrix, (row["fgr_x"], row["fgr_y"]))
    placed = _placed(layer, warp, width, height)
    return Warped(placed, np.ascontiguousarray(layer[:, :, 3]), span, box, matrix)


def _premultiplied(fgr: NDArray[np.uint8], pha: NDArray[np.uint8]) -> Float:
    alpha = cv2.LUT(pha, _SHARE)
    colour = cv2.multiply(bytes_to_linear(fgr), cv2.cvtColor(alpha, cv2.COLOR_GRAY2RGB))
    return np.asarray(cv2.merge([colour, alpha]), dtype=np.float32)


def _placed(layer: Float, warp: NDArray[np.float64], width: int, height: int) -> Float:
    """Warp a layer into an empty frame; only the part of the frame that it can reach is worked on."""
    h, w = layer.shape[:2]
    corners = warp[:, :2] @ np.array([[-1, w, -1, w], [-1, -1, h, h]], dtype=np.float64) + warp[:, 2:]
    x0, y0 = (int(value) for value in np.clip(np.floor(corners.min(axis=1)) - 1, 0, (width, height)))
    x1, y1 = (int(value) for value in np.clip(np.ceil(corners.max(axis=1)) + 2, 0, (width, height)))
    frame: Float = np.zeros((height, width, 4), np.float32)
    if x1 > x0 and y1 > y0:
        moved = warp - np.array([[0, 0, x0], [0, 0, y0]], dtype=np.float64)
        frame[y0:y1, x0:x1] = cv2.warpAffine(
            layer, moved, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT
        )
    return frame


def placing_matrix(
    shape: tuple[int, ...],
    span: Box,
    box: Box,
    matrix: NDArray[np.float64],
    centre: tuple[float, float],
    grain: float = 1.0,
) -> NDArray[np.float64]:
    """Return the (2, 3) matrix, between pixel centres, from a picture of ``shape`` (h, w) to the composite.

    The picture shows the part ``span`` of the matte; ``matrix`` turns offsets from the centre of ``box``, matte pixels,
    and ``centre`` is where that centre lands; ``grain`` is how many composite pixels a pixel of the target spans.
    """
    linear = matrix @ np.diag([span.w / shape[1], span.h / shape[0]])
    offset = linear @ np.array([0.5, 0.5]) + matrix @ (np.array([span.x, span.y]) - box.centre) + np.asarray(centre)
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
        filled = np.asarray(cv2.resize(filled, (w, h), interpolation=cv2.INTER_LINEAR), dtype=np.float32)
        for rows in row_blocks(level.shape):
            filled[rows] = _trusting(level[rows], filled[rows])
    return filled


def _trusting(level: Float, coarse: Float) -> Float:
    """Mix a level's own colour, (H, W, 4) premultiplied, with what came from below, (H, W, 3), by its coverage."""
    alpha = cv2.extractChannel(level, 3)
    if not alpha.any():
        return coarse
    share = cv2.cvtColor(np.reciprocal(alpha + _TRUST), cv2.COLOR_GRAY2RGB)
    colour = cv2.scaleAdd(coarse, float(_TRUST), cv2.cvtColor(level, cv2.COLOR_RGBA2RGB))
    return np.asarray(cv2.multiply(colour, share), dtype=np.float32)
