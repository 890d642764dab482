"""Tileable noise and textures that are looked up with mip levels, so that distant texture does not glitter."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from curation.identity import rng

Floats = NDArray[Any]
"""Arrays of float32; their shape is told where they are used."""

TILE = 512
ROW = 1024
"""cv2.remap takes at most 32767 columns: flat lists of points are folded into rows of this length."""


def lookup(image: Floats, x: Floats, y: Floats) -> Floats:
    """Read a tileable image (H, W) or (H, W, C <= 4) at N points, in pixels, wrapped around: (N,) or (N, C)."""
    count = x.size
    rows = -(-count // ROW)
    grid = np.zeros((2, rows * ROW), np.float32)
    height, width = image.shape[:2]
    grid[0, :count] = x - np.floor(x / width) * width
    grid[1, :count] = y - np.floor(y / height) * height
    out = cv2.remap(
        image, grid[0].reshape(rows, ROW), grid[1].reshape(rows, ROW), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP
    )
    return np.asarray(out.reshape(rows * ROW, *image.shape[2:])[:count], np.float32)


class Texture:
    """A tileable image of (H, W, C <= 4) float32 that covers ``metres`` across, with its mip levels."""

    def __init__(self, image: Floats, metres: float) -> None:
        self.metres = metres
        self.levels: list[Floats] = [np.ascontiguousarray(image, np.float32)]
        while min(self.levels[-1].shape[:2]) > 8:
            last = self.levels[-1]
            size = (last.shape[1] // 2, last.shape[0] // 2)
            self.levels.append(cv2.resize(last, size, interpolation=cv2.INTER_AREA))

    def sample(self, u: Floats, v: Floats, footprint: Floats) -> Floats:
        """Read at N points.

        Args:
            u: (N,) position along the width, metres.
            v: (N,) position along the height, metres.
            footprint: (N,) size of a pixel there, metres; picks the mip level.

        Returns:
            (N, C), or (N,) for a texture of two dimensions.
        """
        image = self.levels[0]
        texel = self.metres / image.shape[1]
        level = np.log2(np.maximum(footprint / texel, 1e-6)) + 0.3
        level = np.clip(level, 0, len(self.levels) - 1).astype(np.int8)
        low, high = int(level.min(initial=127)), int(level.max(initial=0))
        if low == high:
            return self._at(low, u, v)
        out = np.empty((u.size, *image.shape[2:]), np.float32)
        if np.all(level[1:] >= level[:-1]):  # sorted by footprint: runs, not lists of points
            ends = np.searchsorted(level, np.arange(low, high + 2))
            for k in range(low, high + 1):
                run = slice(int(ends[k - low]), int(ends[k - low + 1]))
                if run.start < run.stop:
                    out[run] = self._at(k, u[run], v[run])
            return out
        for k in range(low, high + 1):
            index = np.flatnonzero(level == k)
            if index.size:
                out[index] = self._at(k, u[index], v[index])
        return out

    def _at(self, level: int, u: Floats, v: Floats) -> Floats:
        image = self.levels[level]
        scale = np.float32(image.shape[1] / self.metres)
        return lookup(image, u * scale - 0.5, v * scale - 0.5)


def spectrum(seed: int, name: str, beta: float, size: int = TILE, low: int = 1, high: int = TILE) -> Floats:
    """Draw tileable noise whose amplitude falls with frequency as ``f ** -beta``: (size, size), mean 0, deviation 1.

    Waves of fewer than ``low`` or more than ``high`` cycles a tile are left out.
    """
    white = rng(seed, "spectrum", name).standard_normal((size, size), dtype=np.float32)
    fy = np.fft.fftfreq(size)[:, None] * size
    fx = np.fft.rfftfreq(size)[None, :] * size
    cycles = np.hypot(fy, fx)
    gain = np.where((cycles >= low) & (cycles <= high), np.maximum(cycles, 1.0) ** -beta, 0.0)
    field = np.fft.irfft2(np.fft.rfft2(white) * gain, s=(size, size))
    return np.asarray((field - field.mean()) / field.std(), np.float32)


@lru_cache(maxsize=1)
def clouds() -> Texture:
    """Return four fractal fields (beta 1.0, 1.4, 1.8, 1.2) of mean 0 and deviation 1, one tile a metre."""
    fields = [spectrum(0, f"cloud{k}", beta) for k, beta in enumerate((1.0, 1.4, 1.8, 1.2))]
    return Texture(np.dstack(fields), 1.0)


def grain(u: Floats, v: Floats, footprint: Floats, metres: float) -> Floats:
    """Four fractal values at each point: (N, 4). ``metres`` is the size of the largest feature."""
    scale = np.float32(1.0 / metres)
    return clouds().sample(u * scale, v * scale, footprint * scale)


def cells(seed: int, name: str, count: int, size: int = TILE) -> tuple[Floats, NDArray[np.int32], Floats]:
    """Cut a tile into ``count`` random cells, without a seam at the border.

    Returns:
        (size, size) distance to the nearest cell wall in pixels, (size, size) cell number, (count,) a random
        number from 0 to 1 for each cell.
    """
    random = rng(seed, "cells", name)
    points = random.random((count, 2)) * size
    # Neighbours beyond the border are the cells of the other side.
    around = np.concatenate([points + np.array((dx * size, dy * size)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)])
    margin = size // 4
    inside = np.all((around > -margin) & (around < size + margin), axis=1)
    number = np.tile(np.arange(count), 9)[inside]
    canvas = np.full((size + 2 * margin, size + 2 * margin), 255, np.uint8)
    spots = (around[inside] + margin).astype(int)
    keep = np.all((spots >= 0) & (spots < canvas.shape[0]), axis=1)
    spots, number = spots[keep], number[keep]
    canvas[spots[:, 1], spots[:, 0]] = 0
    _, labels = cv2.distanceTransformWithLabels(canvas, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    lut = np.zeros(int(labels.max()) + 1, np.int32)
    lut[labels[spots[:, 1], spots[:, 0]]] = number
    owner = lut[labels]
    edge = (owner != np.roll(owner, 1, 0)) | (owner != np.roll(owner, 1, 1))
    wall = cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, 5)
    crop = slice(margin, margin + size)
    return wall[crop, crop].astype(np.float32), owner[crop, crop], random.random(count).astype(np.float32)


def relief(height: Floats, strength: float, toward: Sequence[float] = (-0.6, -0.8)) -> Floats:
    """Shade a tileable height map (H, W) as lit from ``toward`` (x, y in image axes): a factor around 1."""
    dx = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) * 0.5
    dy = (np.roll(height, -1, 0) - np.roll(height, 1, 0)) * 0.5
    slope = np.asarray(-(dx * toward[0] + dy * toward[1]) * strength, np.float32)
    return np.asarray(np.clip(1.0 - slope, 0.25, 2.0), np.float32)


def tint(colour: Sequence[float] | Floats) -> Floats:
    """Turn an sRGB colour, 0 to 1, into linear light; any array of colours too."""
    c = np.asarray(colour, np.float32)
    return np.asarray(np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4), np.float32)
