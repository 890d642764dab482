"""Furniture as lists of shapes. Every piece stands on the floor at (x, z), its front towards -z before ``yaw``."""

from collections.abc import Sequence

import numpy as np

from pipelines.sample.scenery import materials, textures
from pipelines.sample.scenery.materials import Colour
from pipelines.sample.scenery.shapes import Box, Cone, Ellipsoid, Material, Shape

Place = tuple[float, float, float]
"""x, z and yaw."""


def at(place: Place, shapes: Sequence[Shape], level: float = 0.0) -> list[Shape]:
    """Move a piece that was built around the origin to its place, turned by yaw, ``level`` metres up."""
    x, z, yaw = place
    return [shape.moved(x, level, z, yaw) for shape in shapes]


def box(low: Sequence[float], high: Sequence[float], material: Material, bevel: float = 0.0) -> Box:
    """A box between two corners; small ones cast no shadow of their own."""
    size = sorted(abs(b - a) for a, b in zip(low, high, strict=True))
    return Box.between(low, high, material, bevel, casts=size[1] > 0.12)


def sofa(place: Place, random: np.random.Generator, seats: int = 3) -> list[Shape]:
    """A sofa of ``seats`` cushions with pillows."""
    colour = pick(random, SOFT)
    cloth = materials.covered(textures.cloth(int(random.integers(4))), colour)
    wide, arm = 0.62 * seats, 0.17
    half = wide / 2
    parts: list[Shape] = [
        box((-half - arm, 0.10, -0.42), (half + arm, 0.30, 0.45), cloth, 0.03),
        box((-half - arm, 0.28, 0.20), (half + arm, 0.84, 0.45), cloth, 0.08),
    ]
    for side in (-1, 1):
        parts.append(box((side * half, 0.10, -0.44), (side * (half + arm), 0.62, 0.45), cloth, 0.07))
        for depth in (-0.36, 0.38):
            leg = Cone((side * (half + arm - 0.06), 0, depth), 0.11, 0.018, 0.026, materials.wood(2), casts=False)
            parts.append(leg)
    for k in range(seats):
        left = -half + 0.62 * k
        puff = float(random.uniform(0, 0.015))
        parts.append(box((left + 0.008, 0.29, -0.44), (left + 0.612, 0.46 + puff, 0.24), cloth, 0.07))
        parts.append(
            Box((left + 0.31, 0.68, 0.20), (0.302, 0.21, 0.10), cloth, bevel=0.09, yaw=float(random.normal(0, 0.02)))
        )
    for _ in range(int(random.integers(1, 4))):
        print_ = materials.covered(textures.cloth(int(random.integers(4))), pick(random, VIVID))
        spot = (float(random.uniform(-half + 0.2, half - 0.2)), 0.62, 0.02)
        turn = float(random.normal(0, 0.25))
        parts.append(Box(spot, (0.19, 0.18, 0.075), print_, yaw=turn, bevel=0.07, casts=False))
    return at(place, parts)


def table(
    place: Place, material: Material, size: tuple[float, float, float], leg: float = 0.05, thick: float = 0.035
) -> list[Shape]:
    """A table of (width, height, depth)."""
    w, h, d = size[0] / 2, size[1], size[2] / 2
    parts: list[Shape] = [box((-w, h - thick, -d), (w, h, d), material, 0.006)]
    parts.append(box((-w + leg, h - thick - 0.07, -d + leg), (w - leg, h - thick, d - leg), material))
    for sx in (-1, 1):
        for sz in (-1, 1):
            x, z = sx * (w - leg), sz * (d - leg)
            parts.append(box((x - leg / 2, 0, z - leg / 2), (x + leg / 2, h - thick, z + leg / 2), material))
    return at(place, parts)


def chair(place: Place, seat: Material, frame: Material) -> list[Shape]:
    """A plain chair; its seat faces -z."""
    parts: list[Shape] = [box((-0.22, 0.43, -0.22), (0.22, 0.48, 0.22), seat, 0.02)]
    for sx in (-1, 1):
        parts.append(box((sx * 0.19 - 0.018, 0, -0.20), (sx * 0.19 + 0.018, 0.43, -0.165), frame))
        parts.append(box((sx * 0.19 - 0.018, 0, 0.18), (sx * 0.19 + 0.018, 0.92, 0.215), frame))
    for low in (0.58, 0.72, 0.85):
        parts.append(box((-0.18, low, 0.185), (0.18, low + 0.055, 0.21), frame, 0.008))
    return at(place, parts)


def bookcase(place: Place, random: np.random.Generator, size: tuple[float, float, float], wood: int) -> list[Shape]:
    """Shelves of (width, height, depth), mostly full of books."""
    w, h, d = size[0] / 2, size[1], size[2] / 2
    body = materials.wood(wood, gloss=0.12)
    upright = materials.wood(wood, turn=True, gloss=0.12)
    parts: list[Shape] = [
        box((-w, 0, d - 0.02), (w, h, d), materials.covered(textures.wood(wood), (0.6, 0.6, 0.6))),
        box((-w, 0, -d), (-w + 0.025, h, d), upright),
        box((w - 0.025, 0, -d), (w, h, d), upright),
    ]
    boards = max(3, round(h / 0.36))
    for k in range(boards + 1):
        level = 0.06 + (h - 0.085) * k / boards
        board = box((-w + 0.02, level, -d + 0.005), (w - 0.02, level + 0.025, d), body)
        board.casts = k == boards  # the sides, the back and the top are enough for a shadow
        parts.append(board)
        if k < boards and random.random() < 0.9:
            tall = (h - 0.085) / boards
            reach = float(random.uniform(0.55, 1.0)) * 2 * (w - 0.03)
            left = -w + 0.03 if random.random() < 0.6 else w - 0.03 - reach
            row = materials.fitted(materials.books(int(random.integers(24))), 0.1)
            front = -d + float(random.uniform(0.02, 0.06))
            backs = box((left, level + 0.025, front), (left + reach, level + 0.025 + tall * 0.88, d - 0.03), row)
            backs.casts = False
            parts.append(backs)
            if reach < 1.3 * w and random.random() < 0.7:
                spot = left + reach + 0.15 if left < 0 else left - 0.15
                if abs(spot) < w - 0.12:
                    parts += vase((spot, 0.0), level + 0.025, random, 0.5)
    return at(place, parts)


def cupboard(
    place: Place, size: tuple[float, float, float], doors: int, front: Material, body: Material
) -> list[Shape]:
    """A cupboard of (width, height, depth) with doors or drawers and their knobs."""
    w, h, d = size[0] / 2, size[1], size[2] / 2
    parts: list[Shape] = [box((-w, 0.06, -d + 0.02), (w, h, d), body)]
    parts.append(box((-w + 0.03, 0, -d + 0.06), (w - 0.03, 0.06, d), materials.solid((0.12, 0.11, 0.10))))
    wide = 2 * w / doors
    metal = materials.solid((0.62, 0.60, 0.56), 0.4)
    for k in range(doors):
        left = -w + k * wide
        parts.append(box((left + 0.004, 0.07, -d), (left + wide - 0.004, h - 0.008, -d + 0.02), front, 0.004))
        knob = left + wide - 0.06 if k % 2 == 0 else left + 0.06
        parts.append(box((knob - 0.006, h * 0.62, -d - 0.025), (knob + 0.006, h * 0.62 + 0.12, -d - 0.01), metal))
    return at(place, parts)


def bed(place: Place, random: np.random.Generator, wide: float = 1.6) -> list[Shape]:
    """A bed, head at +z, with a cover and pillows."""
    w = wide / 2
    variant = int(random.integers(4))
    frame = materials.wood(variant)
    linen = materials.covered(textures.cloth(1), pick(random, PALE))
    cover = materials.covered(textures.cloth(int(random.integers(4))), pick(random, SOFT))
    parts: list[Shape] = [
        box((-w - 0.04, 0.10, -1.02), (w + 0.04, 0.30, 1.04), frame, 0.01),
        box((-w - 0.05, 0.0, 1.0), (w + 0.05, 1.08, 1.06), frame, 0.02),
        box((-w, 0.30, -1.0), (w, 0.50, 1.0), linen, 0.06),
        box((-w - 0.03, 0.20, -1.05), (w + 0.03, 0.555, 0.35), cover, 0.06),
        box((-w - 0.025, 0.40, 0.25), (w + 0.025, 0.575, 0.52), linen, 0.05),
    ]
    for side in (-1, 1):
        parts.append(Ellipsoid((side * w * 0.5, 0.60, 0.76), (w * 0.42, 0.11, 0.20), linen))
        parts.append(Ellipsoid((side * w * 0.48, 0.68, 0.86), (w * 0.40, 0.20, 0.10), linen, casts=False))
    if random.random() < 0.7:
        throw = materials.covered(textures.cloth(2), pick(random, VIVID))
        parts.append(box((-w - 0.045, 0.22, -0.98), (w + 0.045, 0.572, -0.45), throw, 0.05))
    return at(place, parts)


def floor_lamp(place: Place, on: bool, random: np.random.Generator) -> list[Shape]:
    """A standard lamp with a cloth shade."""
    metal = materials.solid(pick(random, ((0.16, 0.15, 0.14), (0.66, 0.57, 0.38), (0.72, 0.72, 0.72))), 0.4)
    shade = materials.glowing((2.6, 2.0, 1.25) if on else (0.06, 0.055, 0.05))
    parts: list[Shape] = [
        Cone((0, 0, 0), 0.03, 0.15, 0.14, metal),
        Cone((0, 0.03, 0), 1.42, 0.012, 0.012, metal, casts=False),
        Cone((0, 1.40, 0), 0.30, 0.23, 0.16, shade),
    ]
    return at(place, parts)


def vase(place: tuple[float, float], level: float, random: np.random.Generator, scale: float = 1.0) -> list[Shape]:
    """A vase, bowl or pot that stands at height ``level``."""
    x, z = place
    glaze = materials.solid(pick(random, VIVID + PALE), 0.45, 0.06, 0.2)
    r = float(random.uniform(0.06, 0.12)) * scale
    tall = r * float(random.uniform(1.2, 3.0))
    parts: list[Shape] = [
        Ellipsoid((x, level + tall * 0.45, z), (r, tall * 0.47, r), glaze, casts=False),
        Cone((x, level + tall * 0.75, z), tall * 0.3, r * 0.5, r * 0.62, glaze, casts=False),
    ]
    return parts


def pot(place: Place, radius: float, tall: float, random: np.random.Generator) -> list[Shape]:
    """A planter; its leaves are a sprite."""
    clay = materials.solid(pick(random, ((0.66, 0.37, 0.26), (0.85, 0.84, 0.82), (0.25, 0.27, 0.29))), 0.15, 0.08)
    soil = materials.solid((0.16, 0.11, 0.08), 0.0, 0.35, 0.1)
    return at(
        place,
        [
            Cone((0, 0, 0), tall, radius * 0.75, radius, clay),
            Cone((0, tall - 0.03, 0), 0.035, radius * 0.9, radius * 0.9, soil),
        ],
    )


def screen(place: Place, level: float, wide: float = 0.56) -> list[Shape]:
    """A monitor on its foot."""
    dark, glass = materials.solid((0.10, 0.10, 0.11), 0.3), materials.solid((0.05, 0.06, 0.07), 0.8, 0.02)
    high = wide * 0.6
    return at(
        place,
        [
            box((-0.12, level, -0.09), (0.12, level + 0.012, 0.09), dark),
            box((-0.025, level, 0.0), (0.025, level + 0.2, 0.03), dark),
            box((-wide / 2, level + 0.12, -0.02), (wide / 2, level + 0.12 + high, 0.015), dark, 0.005),
            box((-wide / 2 + 0.012, level + 0.135, -0.024), (wide / 2 - 0.012, level + 0.105 + high, -0.018), glass),
        ],
    )


def pick(random: np.random.Generator, colours: Sequence[Colour]) -> Colour:
    """One of some colours, a little moved."""
    base = np.asarray(colours[int(random.integers(len(colours)))])
    moved = np.clip(base + random.normal(0, 0.03) + random.normal(0, 0.015, 3), 0.03, 0.97)
    return tuple(float(c) for c in moved)


SOFT: tuple[Colour, ...] = (
    (0.62, 0.60, 0.57),
    (0.30, 0.33, 0.38),
    (0.72, 0.66, 0.56),
    (0.44, 0.30, 0.22),
    (0.36, 0.44, 0.40),
    (0.55, 0.22, 0.20),
    (0.22, 0.22, 0.23),
    (0.84, 0.81, 0.76),
    (0.24, 0.34, 0.48),
)
"""Upholstery."""

VIVID: tuple[Colour, ...] = (
    (0.75, 0.32, 0.18),
    (0.83, 0.65, 0.22),
    (0.18, 0.40, 0.48),
    (0.60, 0.14, 0.18),
    (0.38, 0.46, 0.24),
    (0.80, 0.76, 0.70),
)
"""Pillows, pots and throws."""

PALE: tuple[Colour, ...] = ((0.92, 0.91, 0.89), (0.86, 0.85, 0.82), (0.80, 0.84, 0.88), (0.90, 0.86, 0.78))
"""Linen and porcelain."""
