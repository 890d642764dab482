"""From surfaces and strands to alpha and straight colour: point splatting with a depth buffer, supersampled."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.sample.skeleton import F

I64 = NDArray[np.int64]
_DEPTH_STEPS = 1 << 16
_INDEX_BITS = 32
LAYERS = 6
"""Depth layers of the hair, composited back to front."""


@dataclass(frozen=True)
class Camera:
    """A lens at ``distance`` metres that shows one metre at the figure as ``scale`` pixels."""

    width: int
    height: int
    scale: float
    centre: tuple[float, float]
    """World x and y in the middle of the picture, metres."""
    distance: float = 4.0
    origin: tuple[int, int] = (0, 0)
    """Pixel that counts as the top left corner: what lies left of it or above is cut off."""

    def project(self, points: F) -> F:
        """Map world points (..., 3) to (x, y, depth), pixels from the top left corner; larger depth is nearer."""
        near = self.scale / (1 - points[..., 2] / self.distance)
        x = self.width / 2 - self.origin[0] + (points[..., 0] - self.centre[0]) * near
        y = self.height / 2 - self.origin[1] - (points[..., 1] - self.centre[1]) * near
        return np.stack([x, y, points[..., 2]], -1).astype(np.float32)


class Depth:
    """The nearest point of every sample of one moment."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._keys = np.zeros(width * height, np.int64)

    def add(self, points: F, index: I64, whole: bool) -> None:
        """Offer points (k, 3), x and y in samples and depth in metres, each with the index of its colour.

        ``whole`` tells that all of them are inside the picture.
        """
        if not whole:
            x, y = points[:, 0], points[:, 1]
            inside = np.flatnonzero((x >= 0) & (y >= 0) & (x < self.width) & (y < self.height))
            points, index = points.take(inside, axis=0), index.take(inside)
        # Truncated coordinates of a picture are exact in float32: it has far fewer than 2**24 samples.
        at = (np.trunc(points[:, 1]) * np.float32(self.width) + np.trunc(points[:, 0])).astype(np.int64)
        keys = ((points[:, 2] + np.float32(2)) * np.float32(_DEPTH_STEPS / 4)).astype(np.int64)
        keys <<= _INDEX_BITS
        keys += index
        keys += 1
        np.maximum.at(self._keys, at, keys)

    def close(self) -> None:
        """Fill single samples that all points missed: a gap takes the farther of two opposite neighbours."""
        keys = self._keys.reshape(self.height, self.width)
        beside = np.minimum(keys[1:-1, :-2], keys[1:-1, 2:])
        above = np.minimum(keys[:-2, 1:-1], keys[2:, 1:-1])
        np.maximum(beside, above, out=beside)
        np.maximum(keys[1:-1, 1:-1], beside, out=keys[1:-1, 1:-1])

    @property
    def index(self) -> I64:
        """(height, width) index of the nearest point, -1 where there is none."""
        return ((self._keys & ((1 << _INDEX_BITS) - 1)) - 1).reshape(self.height, self.width)

    @property
    def nearest(self) -> F:
        """(height, width) depth in metres, -2 where there is none."""
        return ((self._keys >> _INDEX_BITS).astype(np.float32) * (4 / _DEPTH_STEPS) - 2).reshape(
            self.height, self.width
        )


def occlusion(nearest: F, covered: NDArray[np.bool_], pixels_a_metre: float) -> F:
    """Return (h, w) factors that darken what lies in the corner behind something nearer (unsharp-masked depth)."""
    small = (nearest.shape[1] // 4, nearest.shape[0] // 4)
    mask = cv2.resize(covered.astype(np.float32), small, interpolation=cv2.INTER_AREA)
    depth = cv2.resize(np.where(covered, nearest, 0).astype(np.float32), small, interpolation=cv2.INTER_AREA)
    depth = depth / np.maximum(mask, 1e-3)
    dark = np.zeros(depth.shape, np.float32)
    for radius, strength in ((0.018, 5.0), (0.06, 2.0)):
        sigma = radius * pixels_a_metre / 4
        weight = cv2.GaussianBlur(mask, (0, 0), sigma)
        mean = cv2.GaussianBlur(depth * mask, (0, 0), sigma) / np.maximum(weight, 1e-3)
        dark += np.clip(strength * (mean - depth - 0.003), 0, 0.3)
    factor = 1 - np.clip(dark, 0, 0.5) * (mask > 0.02)
    whole = (nearest.shape[1], nearest.shape[0])
    return np.asarray(cv2.resize(factor, whole, interpolation=cv2.INTER_LINEAR), np.float32)


def shrink(values: F, width: int, height: int) -> F:
    """Average samples (H, W, c) to pixels, through the small blur that a lens has."""
    soft = cv2.GaussianBlur(values, (3, 3), 0.6, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_AREA), np.float32)


class Strands:
    """Collects hair as coverage: every point adds its strand's width, so a strand may be far thinner than a pixel."""

    def __init__(self, width: int, height: int, box: tuple[int, int, int, int]) -> None:
        self.width, self.height = width, height
        self._left, self._top, right, bottom = box
        self._wide, self._high = right - self._left, bottom - self._top
        self._sums = np.zeros((4, LAYERS, self._high + 1, self._wide + 1), np.float32)

    def add(self, x: F, y: F, layer: I64, area: F, colour: F) -> None:
        """Spread points (k,) of ``area`` square pixels and ``colour`` (k, 3) over the four pixels around each."""
        x, y = x - np.float32(self._left + 0.5), y - np.float32(self._top + 0.5)
        inside = np.flatnonzero((x >= 0) & (y >= 0) & (x < self._wide - 1) & (y < self._high - 1))
        x, y, layer, area, colour = x[inside], y[inside], layer[inside], area[inside], colour[inside]
        column, row = np.trunc(x), np.trunc(y)
        stride = self._wide + 1
        at = layer * (stride * (self._high + 1)) + (row * np.float32(stride) + column).astype(np.int64)
        right = area * (x - column)
        left = area - right
        low_right, low_left = right * (y - row), left * (y - row)
        corners = {0: left - low_left, 1: right - low_right, stride: low_left, stride + 1: low_right}
        # np.add.at adds in order, so that the sums are the same in every run, and is 5 times faster than bincount here.
        for channel in range(4):
            total = self._sums[channel].ravel()
            tint = np.ascontiguousarray(colour[:, channel]) if channel < 3 else np.float32(1)
            for offset, weight in corners.items():
                np.add.at(total, at + offset, weight * tint)

    def _box(self, values: F) -> F:
        """Return the view of a picture (h, w, ...) where the strands are."""
        return values[self._top : self._top + self._high, self._left : self._left + self._wide]

    def contact(self, reach: float) -> F:
        """Return (h, w) factors that darken the surface just below hair, ``reach`` pixels soft."""
        hidden = np.zeros((self.height, self.width), np.float32)
        self._box(hidden)[:] = 1 - np.exp(-self._sums[3].sum(0)[:-1, :-1])
        down = np.array([[1, 0, 0], [0, 1, reach * 0.8]], np.float32)
        moved = cv2.warpAffine(hidden, down, (self.width, self.height), borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(1 - 0.38 * cv2.GaussianBlur(moved, (0, 0), max(0.3, reach)), np.float32)

    def over(self, colour: F, alpha: F) -> tuple[F, F]:
        """Composite the layers over premultiplied ``colour`` (h, w, 3) and ``alpha`` (h, w).

        Strands in a layer overlap at random, so coverage D hides 1 - exp(-D) (Beer's law).
        """
        colour, alpha = colour.copy(), alpha.copy()
        below, cover = self._box(colour), self._box(alpha)
        clear = 1 - cover
        sums = self._sums[:, :, :-1, :-1]
        for layer in range(LAYERS):
            density = sums[3, layer]
            hidden = 1 - np.exp(-1.15 * density)
            share = hidden / np.maximum(density, 1e-6)
            for channel in range(3):
                below[..., channel] += share * sums[channel, layer] - hidden * below[..., channel]
            cover += hidden * (1 - cover)
        # At the outline of a body the hair behind it was seen in the clear part of the pixel only, so that is what it
        # fills: else a pale seam would run between them.
        filled = 1 - clear * np.exp(-1.15 * sums[3].sum(0) / np.maximum(clear, 0.1))
        below *= (filled / np.maximum(cover, 1e-6))[..., None]
        cover[:] = filled
        return colour, alpha


def straighten(colour: F, alpha: F) -> F:
    """Divide premultiplied colour by alpha and let it flow outward: (h, w, 3) colours that are valid everywhere.

    Outside the subject each pixel takes the blurred colour of the nearest edge (pull-push over a pyramid).
    """
    levels = [(colour, alpha)]
    while min(levels[-1][1].shape) > 2:
        c, a = levels[-1]
        size = (max(1, (a.shape[1] + 1) // 2), max(1, (a.shape[0] + 1) // 2))
        c, a = (np.asarray(cv2.resize(x, size, interpolation=cv2.INTER_AREA), np.float32) for x in (c, a))
        full = np.minimum(1, 4 * a) / np.maximum(a, 1e-6)
        levels.append((c * full[..., None], a * full))
    c, a = levels[-1]
    filled = c / np.maximum(a, 1e-4)[..., None]
    for c, a in reversed(levels[:-1]):
        filled = np.asarray(cv2.resize(filled, (a.shape[1], a.shape[0]), interpolation=cv2.INTER_LINEAR), np.float32)
        trust = np.clip(a * 12, 0, 1)[..., None]
        filled = trust * (c / np.maximum(a, 1e-4)[..., None]) + (1 - trust) * filled
    return np.clip(filled, 0, 1)
