"""Painted materials: each function returns a tileable texture of linear colour, with its relief shaded in.

The fourth channel is gloss, 0 (matt) to 1 (mirror). Textures of one variant are painted once a process.
"""

from functools import lru_cache

import cv2
import numpy as np

from curation.identity import rng
from pipelines.sample.photographs import read_grey
from pipelines.sample.scenery.noise import TILE, Floats, Texture, cells, relief, spectrum, tint

VARIANTS = 4
WOODS = (
    ((0.62, 0.44, 0.28), (0.46, 0.30, 0.17)),
    ((0.74, 0.60, 0.43), (0.60, 0.46, 0.31)),
    ((0.40, 0.26, 0.17), (0.26, 0.16, 0.10)),
    ((0.66, 0.58, 0.48), (0.52, 0.44, 0.35)),
)


def _paint(colour: Floats, gloss: float | Floats, metres: float) -> Texture:
    size = colour.shape[:2]
    layer = np.broadcast_to(np.asarray(gloss, np.float32), size)
    return Texture(np.dstack([np.clip(colour, 0.002, 1.0), layer]).astype(np.float32), metres)


def _grain(seed: int, name: str, height: int, width: int, stretch: int) -> Floats:
    """Wood fibres along x: (height, width) around 0."""
    fine = spectrum(seed, name + "fine", 0.7, TILE)
    rings = spectrum(seed, name + "rings", 1.5, TILE)
    fibre = cv2.resize(fine[:, : TILE // stretch], (width, height), interpolation=cv2.INTER_LINEAR)
    slow = cv2.resize(rings[:, : TILE // stretch], (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(0.5 * fibre + 0.5 * np.sin(slow * 5.0), np.float32)


def _wood_colour(variant: int, fibre: Floats, spread: Floats | float = 0.0) -> Floats:
    light, dark = (tint(c) for c in WOODS[variant % len(WOODS)])
    mix = np.clip(0.5 + 0.22 * fibre + spread, 0, 1)[..., None]
    return np.asarray(dark * (1 - mix) + light * mix, np.float32)


@lru_cache(maxsize=8)
def wood(variant: int) -> Texture:
    """Veneer of furniture, fibres along u, 1.2 m a tile."""
    fibre = _grain(variant, "veneer", TILE, TILE, 8)
    return _paint(_wood_colour(variant, fibre * 0.7), 0.25, 1.2)


@lru_cache(maxsize=8)
def planks(variant: int) -> Texture:
    """A floor of boards along v, 3.2 m a tile."""
    size, across = 1024, 16 if variant % 2 else 24
    random = rng(variant, "planks")
    fibre = _grain(variant, "boards", size, size, 6)
    colour = np.zeros((size, size, 3), np.float32)
    height = np.ones((size, size), np.float32)
    edges = np.linspace(0, size, across + 1).astype(int)
    for lane in range(across):
        top, bottom = edges[lane], edges[lane + 1]
        cuts = np.sort(random.integers(0, size, 3)) if variant < 3 else np.array([lane * size // 2 % size])
        bounds = [0, *cuts.tolist(), size]
        tones = random.normal(0, 0.28, len(bounds))
        tones[-2] = tones[0]  # the board that runs over the seam
        for board in range(len(bounds) - 1):
            left, right = bounds[board], bounds[board + 1]
            strip = np.roll(fibre, (int(random.integers(size)), int(random.integers(size))), (0, 1))
            colour[top:bottom, left:right] = _wood_colour(variant, strip[top:bottom, left:right], tones[board])
        height[top, :] = 0.0
        for cut in cuts:
            height[top:bottom, cut] = 0.0
    soft = cv2.GaussianBlur(height, (0, 0), 0.9, borderType=cv2.BORDER_DEFAULT)
    colour *= (0.35 + 0.65 * soft)[..., None]
    wear = spectrum(variant, "wear", 1.6, TILE)
    wear = cv2.resize(np.pad(wear, (0, 0)), (size, size), interpolation=cv2.INTER_LINEAR)
    colour *= (1 + 0.06 * wear)[..., None]
    return _paint(np.rot90(colour).copy(), 0.30 + 0.05 * np.rot90(wear), 3.2)


TILE_COLOURS = (
    ((0.80, 0.77, 0.71), (0.58, 0.55, 0.50)),
    ((0.55, 0.54, 0.53), (0.36, 0.35, 0.34)),
    ((0.72, 0.50, 0.38), (0.50, 0.40, 0.33)),
    ((0.86, 0.87, 0.87), (0.62, 0.62, 0.60)),
)


@lru_cache(maxsize=8)
def tiles(variant: int) -> Texture:
    """Stone or ceramic tiles, 2.4 m a tile of texture."""
    size, count = 768, (4, 4, 8, 6)[variant % 4]
    face, joint = (tint(c) for c in TILE_COLOURS[variant % 4])
    step = size // count
    y, x = np.mgrid[0:size, 0:size]
    gap = np.minimum(np.minimum(x % step, step - 1 - x % step), np.minimum(y % step, step - 1 - y % step))
    flat = np.clip((gap.astype(np.float32) - 1.0) / 1.5, 0, 1)
    tone = rng(variant, "tiles").normal(0, 0.05, (count, count)).astype(np.float32)
    tone = np.kron(tone, np.ones((step, step), np.float32))
    veins = cv2.resize(spectrum(variant, "veins", 1.2), (size, size))
    marble = np.exp(-np.abs(cv2.resize(spectrum(variant, "marble", 1.7), (size, size))) * 9) * (variant % 4 in (0, 3))
    colour = face * (1 + tone + 0.06 * veins - 0.18 * marble)[..., None]
    speck = joint * (1 + 0.15 * veins)[..., None]
    colour = speck + (colour - speck) * flat[..., None]
    return _paint(colour * relief(flat, 0.25)[..., None], 0.12 + 0.4 * flat, 2.4)


@lru_cache(maxsize=8)
def plaster(variant: int) -> Texture:
    """Painted wall, near white so that it can be tinted; roller marks and stains, 2 m a tile."""
    rough = spectrum(variant, "rough", 0.35 + 0.15 * (variant % 3), low=30)
    stain = spectrum(variant, "stain", 1.8)
    colour = np.ones((TILE, TILE, 3), np.float32) * 0.86
    return _paint(colour * (relief(rough, 0.035) * (1 + 0.022 * stain))[..., None], 0.04, 2.0)


@lru_cache(maxsize=8)
def wallpaper(variant: int) -> Texture:
    """Printed paper, near white so that it can be tinted: stripes, damask or leaves, 1.06 m a tile."""
    y, x = (np.mgrid[0:TILE, 0:TILE] / TILE).astype(np.float32)
    if variant % 3 == 0:
        wave = np.sin(2 * np.pi * 8 * x) + 0.5 * np.sin(2 * np.pi * 24 * x)
        print_ = np.clip(wave * 3, -1, 1)
    elif variant % 3 == 1:
        petal = np.cos(2 * np.pi * 4 * x) * np.cos(2 * np.pi * 4 * y) + 0.6 * np.cos(2 * np.pi * (8 * x + 4 * y))
        petal = petal + 0.6 * np.cos(2 * np.pi * (8 * x - 4 * y)) + 0.35 * np.cos(2 * np.pi * 16 * y)
        print_ = np.clip(petal * 4, -1, 1)
    else:
        print_ = np.zeros((TILE, TILE), np.float32)
        random = rng(variant, "leaves")
        for _ in range(90):
            cx, cy = random.integers(0, TILE, 2)
            axes = (int(random.integers(14, 30)), int(random.integers(4, 9)))
            angle, tone = float(random.uniform(0, 360)), float(random.choice([-1.0, 0.6, 1.0]))
            for ox in (-TILE, 0, TILE):
                for oy in (-TILE, 0, TILE):
                    cv2.ellipse(print_, (int(cx + ox), int(cy + oy)), axes, angle, 0, 360, tone, -1, cv2.LINE_AA)
    paper = spectrum(variant, "paper", 0.2, low=60)
    colour = np.ones((TILE, TILE, 3), np.float32) * 0.78
    second = tint((0.84, 0.80, 0.70))
    mix = (0.5 + 0.5 * print_)[..., None] * (0.35 if variant % 2 else 0.6)
    colour = colour * (1 - mix) + second * mix
    return _paint(colour * relief(paper, 0.03)[..., None], 0.05, 1.06)


@lru_cache(maxsize=8)
def bricks(variant: int) -> Texture:
    """A brick wall in running bond, 1.92 m a tile."""
    size, courses, across = 768, 24, 8
    random = rng(variant, "bricks")
    base = tint(((0.60, 0.30, 0.22), (0.70, 0.52, 0.40), (0.52, 0.36, 0.32), (0.84, 0.82, 0.79))[variant % 4])
    mortar = tint((0.66, 0.63, 0.59) if variant % 4 != 3 else (0.76, 0.75, 0.73))
    y, x = np.mgrid[0:size, 0:size]
    high, wide = size // courses, size // across
    row = y // high
    shifted = (x + (row % 2) * (wide // 2)) % size
    column = shifted // wide
    gap = np.minimum(
        np.minimum(shifted % wide, wide - 1 - shifted % wide), np.minimum(y % high, high - 1 - y % high)
    ).astype(np.float32)
    rough = cv2.resize(spectrum(variant, "brickrough", 0.6), (size, size))
    face = np.clip((gap - 1.2 + 0.7 * rough) / 2.0, 0, 1)
    tone = random.normal(0, 0.17, (courses, across)).astype(np.float32)[row, column]
    hue = random.normal(0, 0.06 if variant % 4 < 3 else 0.015, (courses, across, 3)).astype(np.float32)[row, column]
    colour = base * (1 + tone[..., None] + hue + 0.10 * rough[..., None])
    joint = mortar * (1 + 0.10 * rough[..., None])
    colour = joint + (colour - joint) * face[..., None]
    return _paint(colour * relief(face + 0.12 * rough, 0.35)[..., None], 0.03, 1.92)


@lru_cache(maxsize=8)
def cloth(variant: int) -> Texture:
    """Woven upholstery, near white so that it can be tinted, 0.4 m a tile."""
    y, x = np.mgrid[0:TILE, 0:TILE].astype(np.float32) * (2 * np.pi / TILE)
    threads = 48 if variant % 2 else 72
    weave = np.sin(threads * x) * np.sin(threads * y)
    if variant % 3 == 2:
        weave = 0.5 * weave + 0.9 * np.sin(24 * (x + y))  # twill
    slub = spectrum(variant, "slub", 0.5)
    fold = spectrum(variant, "fold", 1.9, high=12)
    colour = np.ones((TILE, TILE, 3), np.float32) * 0.72
    factor = relief(weave, 0.16) * (1 + 0.10 * slub + 0.05 * fold)
    return _paint(colour * factor[..., None], 0.02, 0.4)


@lru_cache(maxsize=8)
def rug(variant: int) -> Texture:
    """A knotted rug with a border; mapped once over the whole rug."""
    size = TILE
    random = rng(variant, "rug")
    palettes = (
        ((0.50, 0.14, 0.13), (0.75, 0.66, 0.50), (0.16, 0.18, 0.30)),
        ((0.74, 0.72, 0.67), (0.42, 0.43, 0.44), (0.60, 0.58, 0.54)),
        ((0.20, 0.33, 0.38), (0.78, 0.72, 0.60), (0.62, 0.33, 0.22)),
        ((0.56, 0.47, 0.36), (0.30, 0.25, 0.21), (0.76, 0.69, 0.57)),
    )
    ground, light, dark = (tint(c) for c in palettes[variant % 4])
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size * 2 - 1
    edge = np.maximum(np.abs(x), np.abs(y))
    pattern = np.zeros_like(x)
    for _ in range(7):
        fx, fy = random.integers(2, 14, 2)
        pattern += np.cos(np.pi * fx * np.abs(x)) * np.cos(np.pi * fy * np.abs(y)) * random.uniform(0.4, 1)
    colour = np.where((pattern > 0.9)[..., None], light, ground)
    colour = np.where((pattern < -1.1)[..., None], dark, colour)
    teeth = np.abs(((x + y) * 14) % 1 - 0.5) < 0.25
    colour = np.where(((edge > 0.8) & (edge < 0.93))[..., None], np.where(teeth[..., None], light, dark), colour)
    colour = np.where((edge > 0.965)[..., None], light, colour)
    pile = spectrum(variant, "pile", 0.15, low=60)
    wear = spectrum(variant, "rugwear", 1.5)
    soft = cv2.GaussianBlur(colour.astype(np.float32), (0, 0), 1.0)
    return _paint(soft * (relief(pile, 0.10) * (1 + 0.07 * wear))[..., None], 0.0, 1.0)


@lru_cache(maxsize=2)
def carpet() -> Texture:
    """Wall-to-wall carpet, near white so that it can be tinted, 1 m a tile."""
    pile = spectrum(0, "carpet", 0.25, low=40)
    tread = spectrum(0, "tread", 1.6)
    colour = np.ones((TILE, TILE, 3), np.float32) * 0.7
    return _paint(colour * (relief(pile, 0.12) * (1 + 0.07 * tread))[..., None], 0.0, 1.0)


@lru_cache(maxsize=2)
def concrete() -> Texture:
    """Concrete or painted render with stains and pores, near white so that it can be tinted, 3 m a tile."""
    rough = spectrum(1, "pores", 0.5, low=12)
    stain = spectrum(1, "streak", 1.5)
    streak = cv2.GaussianBlur(np.tile(spectrum(2, "runs", 0.9), (3, 1)), (0, 0), sigmaX=1.0, sigmaY=40)[TILE : 2 * TILE]
    factor = relief(rough, 0.08) * (1 + 0.09 * stain + 0.25 * streak)
    return _paint(np.ones((TILE, TILE, 3), np.float32) * 0.62 * factor[..., None], 0.05, 3.0)


@lru_cache(maxsize=2)
def ground(name: str) -> Texture:
    """``gravel`` or ``grass`` as photographed, grey around 1.0, 1.5 m a tile; mirrored so that it has no seam."""
    grey = read_grey(name)
    flat = grey / cv2.GaussianBlur(grey, (0, 0), 60)
    whole = np.vstack([flat, flat[::-1]])
    whole = np.hstack([whole, whole[:, ::-1]])
    return Texture(np.clip(whole, 0.05, 2.5), 3.0)


@lru_cache(maxsize=2)
def cobbles() -> Texture:
    """Paving of irregular setts, grey, 3 m a tile."""
    wall, owner, tone = cells(3, "setts", 420)
    dome = np.clip(wall / 7.0, 0, 1) ** 0.6
    rough = spectrum(3, "sett", 0.6)
    colour = tint((0.56, 0.54, 0.51)) * (0.75 + 0.5 * tone[owner] + 0.08 * rough)[..., None]
    colour *= (0.25 + 0.75 * np.clip(wall / 3.0, 0, 1))[..., None]
    return _paint(colour * relief(dome + 0.05 * rough, 0.8)[..., None], 0.08, 3.0)
