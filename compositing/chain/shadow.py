"""The shadows a subject casts on the scene: its own outline thrown aside, and the dark where it touches the ground."""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.chain.subject import Box, Warped, placing_matrix
from compositing.light import Float, power
from compositing.perturb import shadow_factor

_FINE = 1.5
"""Sigma in pixels below which a blurred shadow would show the grid it was drawn on."""
_TOUCH = 0.06
"""How far above the lowest point a subject still touches the ground, share of its height: one foot stands behind."""


def cast_shadow(row: dict[str, Any], subject: Warped, frame: tuple[int, int]) -> Float | None:
    """Return the share of light that the shadow leaves on the scene, (H, W) 0 to 1, or None where none falls.

    The outline is anchored at the subject's foot (the middle of the box's lower edge), scaled in height about it by
    ``shadow_scale``, leant sideways by ``shadow_lean`` and shifted by ``shadow_x`` and ``shadow_y``. ``frame`` is
    the matte's (height, width): where the subject is cut off by it, the outline goes on outside.
    """
    if row["shadow_strength"] <= 0:
        return None
    width, height = int(row["width"]), int(row["height"])
    sigma = row["shadow_blur"] * height
    grain = _grain(sigma)
    coverage, span = _caster(subject, frame, grain)
    matrix = _throw(row, subject)
    warp = placing_matrix(coverage.shape, span, subject.box, matrix[:, :2], (matrix[0, 2], matrix[1, 2]), grain)
    size = (math.ceil(width / grain), math.ceil(height / grain))
    outline = cv2.warpAffine(coverage, warp, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    factor = shadow_factor(np.asarray(outline, np.float32), row["shadow_strength"], sigma / grain)
    if grain > 1:
        # Enlarged to whole grains first: the last one may reach beyond the frame.
        whole = (size[0] * grain, size[1] * grain)
        factor = np.asarray(cv2.resize(factor, whole, interpolation=cv2.INTER_LINEAR), np.float32)
    return np.ascontiguousarray(factor[:height, :width])


def _grain(sigma: float) -> int:
    """Return how many pixels a pixel of a shadow may span: a soft one is drawn small and enlarged."""
    return max(1, min(8, int(sigma / _FINE)))


def _caster(subject: Warped, frame: tuple[int, int], grain: int) -> tuple[Float, Box]:
    """Reduce the outline and give it an empty border, but for the sides where the frame cut the subject off.

    Returns it with the part of the matte that it spans, border included.
    """
    coverage, span = subject.coverage, subject.span
    if grain > 1:
        small = (max(1, coverage.shape[1] // grain), max(1, coverage.shape[0] // grain))
        coverage = np.asarray(cv2.resize(coverage, small, interpolation=cv2.INTER_AREA), np.float32)
    # All four sides, so that the box's centre stays the centre; a cut side repeats its last line.
    grow_x, grow_y = span.w / coverage.shape[1], span.h / coverage.shape[0]
    # A side that is cut off repeats its last line for ever.
    coverage = np.pad(coverage, 1, mode="edge")
    for free, line in (
        (span.y > 0, coverage[0]),
        (span.y + span.h < frame[0], coverage[-1]),
        (span.x > 0, coverage[:, 0]),
        (span.x + span.w < frame[1], coverage[:, -1]),
    ):
        if free:
            line[...] = 0
    return coverage, Box(span.x - grow_x, span.y - grow_y, span.w + 2 * grow_x, span.h + 2 * grow_y)


def _throw(row: dict[str, Any], subject: Warped) -> NDArray[np.float64]:
    """Return (2, 3): the matrix on offsets from the box's centre and where that centre lands, composite pixels."""
    width, height = int(row["width"]), int(row["height"])
    centre = np.array([row["fgr_x"], row["fgr_y"]], dtype=np.float64)
    foot = subject.matrix @ np.array([0.0, subject.box.h / 2])
    tall = subject.box.h * row["fgr_scale"]
    # Acts on offsets from the foot; up is negative, so a lean to the right takes away.
    throw = np.array([[1.0, -row["shadow_lean"] * width / tall], [0.0, row["shadow_scale"]]])
    shift = np.array([row["shadow_x"] * width, row["shadow_y"] * height])
    landed = centre + foot - throw @ foot + shift
    return np.hstack([throw @ subject.matrix, landed[:, None]])


def contact_shadow(row: dict[str, Any], pha: Float) -> tuple[Float, tuple[slice, slice]] | None:
    """Return the share of light left where the subject touches the ground, and the window of the frame it covers.

    ``pha``: (H, W), 0 to 1, in the composite. Feet and whatever else is within ``_TOUCH`` of the lowest point keep
    the light of the sky from the ground beside them: their outline, spread sideways more than down. None where
    ``contact_strength`` is 0 or nothing of the subject's foot is in sight.
    """
    if row["contact_strength"] <= 0:
        return None
    height, width = pha.shape
    tall = row["box_h"] * row["fgr_scale"]
    rows = np.flatnonzero(cv2.reduce(pha, 1, cv2.REDUCE_MAX).ravel() > 0.5)
    if not len(rows):
        return None
    foot = int(rows[-1]) + 1
    top, wide, down = max(0, round(foot - _TOUCH * tall)), 0.035 * tall, max(0.5, 0.012 * tall)
    if foot >= height:  # it stands below the frame
        return None
    first, last = max(0, top - math.ceil(3 * down)), min(height, foot + math.ceil(4 * down))
    # Drawn small where it is soft, in whole grains: the last one may reach beyond the frame.
    grain = _grain(down)
    rows_whole, columns_whole = (-(-size // grain) * grain for size in (last - first, width))
    band = np.zeros((rows_whole, columns_whole), np.float32)
    # Lowered a little: the ground is touched by the sole, which is seen from above.
    lowered = round(down)
    span = pha[top:foot][: max(0, last - top - lowered)]
    under = band[top - first + lowered : top - first + lowered + len(span)]
    under[:, :width], under[:, width:] = span, span[:, -1:]
    band[last - first :] = band[last - first - 1]
    if grain > 1:
        small = (columns_whole // grain, rows_whole // grain)
        band = np.asarray(cv2.resize(band, small, interpolation=cv2.INTER_AREA), np.float32)
    wide, down = wide / grain, down / grain
    band = np.asarray(cv2.GaussianBlur(band, (0, 0), wide, sigmaY=down, borderType=cv2.BORDER_REPLICATE), np.float32)
    peak = float(band.max())
    if peak <= 0:
        return None
    left = power(np.float32(1) - np.float32(row["contact_strength"] / peak) * band, 2.2)
    if grain > 1:
        whole = (columns_whole, rows_whole)
        left = np.asarray(cv2.resize(left, whole, interpolation=cv2.INTER_LINEAR), np.float32)
    return np.ascontiguousarray(left[: last - first, :width]), (slice(first, last), slice(0, width))
