"""What the camera does to the finished scene, source and foreground label alike: uneven light, metering, shake."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.light import LUMA, Float

_NODES = 17
STRIDE = 8
"""Enough for a meter to look at every eighth pixel each way: it averages anyway."""
_DARKEST = 1e-3
"""Light below which a meter sees nothing but its own noise."""
MOST_STOPS = 0.7
"""How far metering may follow a person: cameras weight the whole picture and damp their reaction."""
_WHITE_BALANCE = 0.25
"""The same for each colour against green: a white balance that followed further would no longer be neutral."""


def uneven(width: int, height: int, stops: float, angle: float) -> Float:
    """Return slowly varying light as factors, (height, width): ``stops`` from the darkest to the brightest corner, with
    a mean of 0 stops, brightest towards ``angle`` (degrees, counter-clockwise from the right).
    """
    x, y = np.linspace(-1, 1, _NODES), np.linspace(-1, 1, _NODES)[:, None]
    along, down = math.cos(math.radians(angle)), -math.sin(math.radians(angle))
    slope = (along * x + down * y) / (abs(along) + abs(down))
    # Bent, as light falls off with distance; the ends stay.
    slope = np.sin(slope * np.pi / 2)
    nodes = np.exp2(stops / 2 * slope).astype(np.float32)
    return np.asarray(cv2.resize(nodes, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def metered(scene: Float, seen: Float, coupling: float, colour_coupling: float) -> NDArray[np.float64]:
    """Return the three gains by which automatic exposure and white balance answer what entered the scene.

    Both are linear light, (H, W, 3), or every ``STRIDE``-th pixel of it. Exposure takes back the share ``coupling`` of
    the change of mean log luminance; white balance takes back ``colour_coupling`` of each colour's change against
    green. Bounded by ``MOST_STOPS``.
    """
    if coupling == 0 and colour_coupling == 0:
        return np.ones(3)
    before, after = (_log_means(image) for image in (scene, seen))
    change = before - after
    exposure = float(np.clip(coupling * change[3], -MOST_STOPS, MOST_STOPS))
    colour = np.clip(colour_coupling * (change[:3] - change[1]), -_WHITE_BALANCE, _WHITE_BALANCE)
    return np.asarray(np.exp2(exposure + colour), np.float64)


def _log_means(linear: Float) -> NDArray[np.float64]:
    """Return the mean logarithms, in stops, of red, green, blue and luminance."""
    every = np.concatenate([linear, linear @ np.array(LUMA, np.float32)[:, None]], axis=2)
    return np.asarray(np.log2(np.maximum(every, _DARKEST)).mean(axis=(0, 1)), np.float64)


def streak(image: Float, length: float, angle: float) -> Float:
    """Blur along a line of ``length`` pixels at ``angle`` (degrees, counter-clockwise from the right).

    What an exposure gathers while the camera or the subject moves evenly. ``image``: linear light, or premultiplied
    colour with alpha; any number of channels up to 4. Borders are repeated: what is cut off by the frame goes on.
    """
    if length <= 0:
        return image
    kernel = streak_kernel(length, angle)
    return np.asarray(cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REPLICATE), np.float32)


def streak_kernel(length: float, angle: float) -> Float:
    """Return the kernel of :func:`streak`: a line through the centre with a sum of 1, bilinear in steps of 1/8."""
    dx, dy = math.cos(math.radians(angle)), -math.sin(math.radians(angle))
    half = math.ceil(length / 2)
    kernel = np.zeros((2 * half + 3, 2 * half + 3), np.float64)
    count = max(2, math.ceil(length * 8))
    along = ((np.arange(count) + 0.5) / count - 0.5) * length
    x, y = along * dx + half + 1, along * dy + half + 1
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    right, low = x - left, y - top
    for i, across in ((0, 1 - right), (1, right)):
        for j, down in ((0, 1 - low), (1, low)):
            np.add.at(kernel, (top + j, left + i), across * down)
    return np.asarray(kernel / kernel.sum(), np.float32)
