"""Painted fronts of houses: walls with rows of windows, shops, glass towers, roads."""

from functools import lru_cache

import cv2
import numpy as np

from curation.identity import rng
from pipelines.sample.scenery import textures
from pipelines.sample.scenery.noise import Floats, Texture, relief, spectrum, tint

WALLS = (
    (0.78, 0.68, 0.53),
    (0.74, 0.72, 0.69),
    (0.62, 0.42, 0.35),
    (0.84, 0.80, 0.72),
    (0.56, 0.57, 0.58),
    (0.80, 0.62, 0.48),
    (0.68, 0.73, 0.72),
)
BAY = 2.6
"""Width of a window with its share of the wall, metres."""
FLOOR = 3.2
"""Height of a storey, metres."""


def _glass(random: np.random.Generator, height: int, width: int) -> Floats:
    """A pane: dark, with the sky mirrored at the top, and a curtain or a blind in some."""
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    x = np.linspace(0, 1, width, dtype=np.float32)[None, :, None]
    slant = np.clip(1.2 - 1.4 * y + float(random.uniform(-0.5, 0.5)) * (x - 0.5), 0, 1)
    pane = tint((0.13, 0.15, 0.17)) + tint((0.62, 0.70, 0.78)) * slant * float(random.uniform(0.08, 0.55))
    kind = random.random()
    if kind < 0.35:  # curtains to both sides
        cloth = tint((0.85, 0.83, 0.78)) * (0.55 + 0.25 * np.cos(x * 90))
        edge = float(random.uniform(0.15, 0.42))
        pane = np.where((x < edge) | (x > 1 - edge), 0.55 * cloth + 0.3 * pane, pane)
    elif kind < 0.55:  # a blind, drawn some way
        blind = tint((0.83, 0.80, 0.73)) * (0.8 + 0.1 * np.cos(y * 120))
        pane = np.where(y < float(random.uniform(0.2, 0.9)), 0.6 * blind, pane)
    return np.broadcast_to(pane, (height, width, 3)).astype(np.float32)


@lru_cache(maxsize=12)
def front(variant: int) -> Texture:
    """Four bays by three storeys of a house front."""
    random = rng(variant, "front")
    bays, floors, px = 4, 3, 88  # pixels a metre
    wide, high = round(BAY * px), round(FLOOR * px)
    size = (floors * high, bays * wide)
    tone = tint(WALLS[variant % len(WALLS)])
    if variant % 3 == 2:
        brick = textures.bricks(variant // 3 % 4).levels[0][..., :3]
        scale = px * 1.92 / brick.shape[1]
        small = cv2.resize(brick, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        repeats = (size[0] // small.shape[0] + 1, size[1] // small.shape[1] + 1, 1)
        wall = np.tile(small, repeats)[: size[0], : size[1]].copy()
    else:
        rough = cv2.resize(spectrum(variant, "render", 0.6), size[::-1])
        stain = cv2.resize(spectrum(variant, "weather", 1.6), size[::-1])
        wall = tone * (relief(rough, 0.05) * (1 + 0.07 * stain))[..., None]
        if variant % 3 == 1:  # courses of ashlar
            rows = np.arange(size[0]) % round(0.45 * px) < 2
            wall[rows] *= 0.72
    image = np.dstack([wall, np.full(size, 0.03, np.float32)]).astype(np.float32)
    w, h = round(float(random.uniform(1.0, 1.5)) * px), round(float(random.uniform(1.5, 2.1)) * px)
    trim = tint((0.86, 0.84, 0.79)) * float(random.uniform(0.5, 1.0))
    frame = tint([(0.90, 0.89, 0.87), (0.28, 0.22, 0.18), (0.25, 0.30, 0.28)][variant % 3])
    shutters = tint([(0.30, 0.40, 0.34), (0.42, 0.30, 0.22), (0.36, 0.42, 0.50)][variant // 2 % 3])
    for row in range(floors):
        for bay in range(bays):
            left, top = bay * wide + (wide - w) // 2, row * high + round(0.55 * px)
            border = round(0.13 * px)
            image[top - border : top + h + border, left - border : left + w + border, :3] = trim
            image[top : top + h, left : left + w, :3] = _glass(random, h, w)
            image[top : top + h, left : left + w, 3] = 0.55
            shade = np.linspace(0.25, 1, round(0.22 * px), dtype=np.float32)[:, None, None]
            image[top : top + len(shade), left : left + w, :3] *= shade  # the lintel's shadow
            bar = max(3, round(0.06 * px))
            for x in (left, left + w // 2 - bar // 2, left + w - bar):
                image[top : top + h, x : x + bar] = (*frame, 0.1)
            for y in (top, top + round(h * 0.35), top + h - bar):
                image[y : y + bar, left : left + w] = (*frame, 0.1)
            sill = top + h + border
            image[sill : sill + 5, left - border - 6 : left + w + border + 6] = (*(trim * 1.1), 0.05)
            image[sill + 5 : sill + 12, left - border - 6 : left + w + border + 6, :3] *= 0.45
            if variant % 4 == 1:
                for x in (left - border - w // 2 + 4, left + w + border):
                    if x >= 0:
                        leaf = image[top - 4 : top + h + 4, x : x + w // 2 - 4]
                        slats = 0.75 + 0.25 * (np.arange(leaf.shape[0]) % 7 < 5)
                        leaf[..., :3] = shutters * slats[:, None, None]
        ledge = row * high
        image[ledge : ledge + 10] = (*(trim * 0.95), 0.03)
        image[ledge + 10 : ledge + 20, :, :3] *= 0.6
    return Texture(image, bays * BAY)


@lru_cache(maxsize=6)
def tower(variant: int) -> Texture:
    """A curtain wall of glass and metal: eight bays by six storeys."""
    random = rng(variant, "tower")
    bays, floors, w, h = 8, 6, 72, 144
    image = np.zeros((floors * h, bays * w, 4), np.float32)
    tone = tint([(0.30, 0.38, 0.45), (0.22, 0.30, 0.32), (0.40, 0.42, 0.44), (0.34, 0.30, 0.26)][variant % 4])
    metal = tint([(0.55, 0.57, 0.58), (0.25, 0.26, 0.27), (0.80, 0.80, 0.78)][variant % 3])
    for row in range(floors):
        for bay in range(bays):
            pane = tone * float(random.uniform(0.55, 1.3)) + 0.18 * _glass(random, h, w)
            if random.random() < 0.06:
                pane = pane + tint((0.95, 0.85, 0.62)) * 0.35
            image[row * h : (row + 1) * h, bay * w : (bay + 1) * w] = np.dstack(
                [pane, np.full((h, w), 0.75, np.float32)]
            )
            image[row * h : (row + 1) * h, bay * w : bay * w + 5] = (*metal, 0.2)
        band = (*(metal * 0.8), 0.15) if variant % 2 else (*(tone * 0.6), 0.4)
        image[row * h : row * h + round(h * 0.22)] = band
        image[row * h : row * h + 4] = (*metal, 0.2)
    noise = cv2.resize(spectrum(variant, "panes", 1.0), image.shape[1::-1])
    image[..., :3] *= (1 + 0.06 * noise)[..., None]
    return Texture(image, bays * 1.5)


@lru_cache(maxsize=8)
def shop(variant: int) -> Texture:
    """A shop front of about 5 by 3.4 m, to be fitted: glass with goods behind, a door, a sign."""
    random = rng(variant, "shop")
    high, wide = 340, 500
    paint = tint(
        [(0.20, 0.28, 0.24), (0.45, 0.16, 0.14), (0.16, 0.20, 0.30), (0.70, 0.66, 0.58), (0.14, 0.13, 0.12)][
            variant % 5
        ]
    )
    image = np.empty((high, wide, 4), np.float32)
    image[..., :3], image[..., 3] = paint, 0.2
    blob = cv2.resize(spectrum(variant, "goods", 1.0)[:160, :240], (wide, high))
    goods = tint((0.30, 0.27, 0.23)) * (1 + 0.5 * blob)[..., None]
    for _ in range(40):
        x, y = int(random.integers(10, wide - 40)), int(random.integers(150, 290))
        tone = tint(random.uniform(0.2, 0.9, 3).tolist())
        goods[y : y + int(random.integers(8, 60)), x : x + int(random.integers(6, 36))] = tone * 0.6
    for left, right in ((20, 300), (330, 410), (430, 480)):
        top, bottom = 80, 330 if left == 330 else 290
        pane = 0.55 * goods[top:bottom, left:right] + 0.35 * _glass(random, bottom - top, right - left)
        image[top:bottom, left:right, :3], image[top:bottom, left:right, 3] = pane, 0.7
        image[top : top + 26, left:right, :3] *= np.linspace(0.3, 1, 26, dtype=np.float32)[:, None, None]
    image[14:62, 16:484, :3] = paint * 0.6 if variant % 2 else tint((0.88, 0.85, 0.78))
    ink = tint((0.93, 0.88, 0.70)) if variant % 2 else paint
    x = 150
    while x < 340:  # strokes that read as lettering from afar
        step = int(random.integers(8, 20))
        image[26:50, x : x + 4, :3] = ink
        image[int(random.integers(26, 46)) :, x : x + step - 3, :3][:4] = ink
        x += step + (10 if random.random() < 0.2 else 0)
    image[62:72, :, :3] *= 0.4
    return Texture(image, 1.0)


@lru_cache(maxsize=2)
def asphalt(variant: int) -> Texture:
    """A road surface with patches and tyre marks, 6 m a tile."""
    size = 1024
    photo = textures.ground("gravel").levels[1]
    fine = cv2.resize(np.tile(photo, (2, 2)), (size, size), interpolation=cv2.INTER_AREA)
    wide = cv2.resize(spectrum(variant, "road", 1.3), (size, size))
    crack = np.exp(-np.abs(cv2.resize(spectrum(variant, "crack", 1.5), (size, size))) * 40)
    shade = (0.55 + 0.45 * fine) * (1 + 0.08 * wide) * (1 - 0.35 * crack * (wide > 0.3))
    colour = tint((0.42, 0.42, 0.43) if variant == 0 else (0.62, 0.60, 0.57)) * shade[..., None]
    return Texture(np.dstack([colour, np.full((size, size), 0.1, np.float32)]).astype(np.float32), 6.0)


@lru_cache(maxsize=2)
def pavement() -> Texture:
    """Slabs of a footway, 2 m a tile."""
    size, count = 512, 4
    step = size // count
    y, x = np.mgrid[0:size, 0:size]
    gap = np.minimum(np.minimum(x % step, step - 1 - x % step), np.minimum(y % step, step - 1 - y % step))
    flat = np.clip((gap - 1.0) / 2.0, 0, 1).astype(np.float32)
    tone = rng(0, "slabs").normal(0, 0.07, (count, count)).astype(np.float32)
    rough, stain = spectrum(5, "slab", 0.4), spectrum(5, "gum", 1.4)
    shade = (1 + np.kron(tone, np.ones((step, step), np.float32)) + 0.06 * stain) * relief(rough, 0.06)
    colour = tint((0.63, 0.61, 0.58)) * (shade * (0.4 + 0.6 * flat))[..., None]
    return Texture(np.dstack([colour, np.full((size, size), 0.06, np.float32)]).astype(np.float32), 2.0)
