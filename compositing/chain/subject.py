"""The subject's layer: a matte brought to its place in the composite, with straight colour everywhere."""

from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.chain.camera import streak
from compositing.kernels.pushpull import Layer, Window, carried_outward
from compositing.kernels.resample import area_taps, premultiplied
from compositing.light import Float
from compositing.perturb import defocus
from compositing.plan.placement import subject_matrix


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

    layer: Layer
    upright: Float
    """(h, w, 4): the same at the composite's scale, not turned, ``span`` alone."""
    span: Box
    """The part of the matte that holds any alpha at all."""
    box: Box
    """The subject's box, which the plan row places."""
    matrix: NDArray[np.float64]
    """(2, 2): from offsets to the box's centre, matte pixels, to composite pixels."""

    @property
    def coverage(self) -> Float:
        """Alpha of ``upright``, (h, w): what casts the shadow."""
        return np.asarray(cv2.extractChannel(self.upright, 3), np.float32)


def warp_subject(fgr: NDArray[np.uint8], pha: NDArray[np.uint8], row: dict[str, Any]) -> Warped:
    """Scale, turn, mirror and move a matte as its plan row says.

    ``fgr``: (h, w, 3) RGB; ``pha``: (h, w). Colour is premultiplied by alpha in linear light first and both are
    resampled together, so that colour from outside the subject never leaks in. Reduced by area averaging
    (antialiased), turned bilinearly. Raises ValueError where alpha is empty.
    """
    x, y, w, h = cv2.boundingRect(pha)
    if not w:
        raise ValueError(f"the matte of {row['clip']} frame {row['frame']} is empty")
    scale, width, height = float(row["fgr_scale"]), int(row["width"]), int(row["height"])
    shrink = min(scale, 1.0)
    across, down = area_taps(w, max(1, round(w * shrink))), area_taps(h, max(1, round(h * shrink)))
    layer = premultiplied(fgr, pha, (x, y), across, down)
    span, box = Box(x, y, w, h), Box(*(row[name] for name in ("box_x", "box_y", "box_w", "box_h")))
    matrix = subject_matrix(scale, row["fgr_rotate"], row["fgr_shear"], row["fgr_flip"])
    warp = placing_matrix(layer.shape, span, box, matrix, (row["fgr_x"], row["fgr_y"]))
    placed = _placed(layer, warp, width, height)
    return Warped(placed, layer, span, box, matrix)


def _placed(layer: Float, warp: NDArray[np.float64], width: int, height: int) -> Layer:
    """Warp a layer into an empty frame; only the part of the frame that it can reach is worked on."""
    h, w = layer.shape[:2]
    corners = warp[:, :2] @ np.array([[-1, w, -1, w], [-1, -1, h, h]], dtype=np.float64) + warp[:, 2:]
    x0, y0 = (int(value) for value in np.clip(np.floor(corners.min(axis=1)) - 1, 0, (width, height)))
    x1, y1 = (int(value) for value in np.clip(np.ceil(corners.max(axis=1)) + 2, 0, (width, height)))
    if x1 <= x0 or y1 <= y0:
        return Layer(np.empty((0, 0, 4), np.float32), Window(0, 0, 0, 0), height, width)
    moved = warp - np.array([[0, 0, x0], [0, 0, y0]], dtype=np.float64)
    part = cv2.warpAffine(layer, moved, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    return Layer(np.asarray(part, np.float32), Window(y0, y1, x0, x1), height, width)


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


def blurred(layer: Layer, sigma: float, length: float, angle: float) -> Layer:
    """Return a subject's layer out of focus by ``sigma`` pixels, and moved along ``length`` pixels at ``angle`` degrees
    while exposed.
    """
    if (sigma <= 0 and length <= 0) or not layer.part.size:
        return layer
    # As far as a Gaussian of cv2 reaches, and a line's half with what interpolation adds.
    wide = layer.grown(4 * max(sigma, 0) + 1 + max(length, 0) / 2 + 2)
    return wide._replace(part=streak(defocus(wide.part, sigma), length, angle))


def alpha_of(layer: Layer) -> Float:
    """Return a layer's alpha, (H, W) 0 to 1."""
    alpha: Float = np.zeros((layer.height, layer.width), np.float32)
    if layer.part.size:
        part = cv2.extractChannel(layer.part, 3)
        np.clip(part, np.float32(0), np.float32(1), out=alpha[layer.window.rows, layer.window.columns])
    return alpha


def straight_colour(layer: Layer, spill: float = 0.0) -> Float:
    """Divide colour by alpha where there is a subject, and carry it outward over the rest of the frame.

    ``spill``: the share of the green above the larger of red and blue, left over from the studio, that is taken away.
    Returns (H, W, 3) straight colour, before that everywhere between the colours that are there. By push-pull, see
    :func:`compositing.kernels.pushpull.carried_outward`.
    """
    return carried_outward(layer, spill)
