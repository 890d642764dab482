"""What changed in the scene between the empty shot and the source: focus, and a thing that moved or lit up."""

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.kernels.compiled import compiled
from compositing.light import Float

_CRISP = np.float32(0.6)
"""Amount of the unsharp mask for a source in better focus than the plate."""
_MORE, _BLACK = np.float32(1 + _CRISP), np.float32(0)


def refocus(scene: Float, sigma: float) -> Float:
    """Change the focus of a scene, linear light (H, W, 3): blurred by ``sigma`` pixels, or crisper where negative."""
    if sigma == 0:
        return scene
    soft = np.asarray(cv2.GaussianBlur(scene, (0, 0), abs(sigma), borderType=cv2.BORDER_REPLICATE), np.float32)
    if sigma < 0:
        _crisp(scene, soft)
    return soft


@compiled
def _crisp(scene: Float, soft: Float) -> None:
    """Turn the soft picture into one as much crisper than the scene, in place: in one pass over memory."""
    for y in range(scene.shape[0]):
        sharp, blurred = scene[y], soft[y]
        for x in range(scene.shape[1]):
            for c in range(3):
                blurred[x, c] = max(_MORE * sharp[x, c] - _CRISP * blurred[x, c], _BLACK)


def change_thing(row: dict[str, Any], scene: Float) -> Float:
    """Change one thing in a scene, linear light (H, W, 3): a soft-edged, tilted quadrilateral.

    It shows another part of the same scene, ``change_from_x`` and ``change_from_y`` away (shares of width and height),
    as if something had been moved there, at ``change_gain`` stops; from no distance it is a screen or lamp that
    changed. Its place, size and tilt are ``change_x``, ``change_y``, ``change_w``, ``change_h`` (shares) and
    ``change_turn`` (degrees). No size, no change; a part from beyond the border shows the border's mirror image.
    """
    if row["change_w"] <= 0 or row["change_h"] <= 0:
        return scene
    height, width = scene.shape[:2]
    centre = np.array([row["change_x"] * width, row["change_y"] * height])
    w, h = row["change_w"] * width, row["change_h"] * height
    turn = math.radians(row["change_turn"])
    axes = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    corners = centre + np.array([(-w, -h), (w, -h), (w, h), (-w, h)]) / 2 @ axes
    feather = max(0.8, 0.03 * min(w, h))
    reach = math.ceil(3 * feather)
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int) - reach, 0)
    right, low = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + reach, (width, height))
    if left >= right or top >= low:
        return scene
    mask = np.zeros((low - top, right - left), np.float32)
    points = np.round((corners - (left, top)) * 16).astype(np.int32)
    cv2.fillConvexPoly(mask, points, 1.0, cv2.LINE_8, shift=4)
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), feather), np.float32)
    x = _mirrored(np.arange(left, right) + round(row["change_from_x"] * width), width)
    y = _mirrored(np.arange(top, low) + round(row["change_from_y"] * height), height)
    other = scene[np.ix_(y, x)] * np.float32(2.0 ** row["change_gain"])
    changed = scene.copy()
    window = changed[top:low, left:right]
    window += mask[:, :, None] * (other - window)
    return changed


def _mirrored(index: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    around = np.mod(index, 2 * size)
    return np.asarray(np.where(around < size, around, 2 * size - 1 - around), np.int64)
