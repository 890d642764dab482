"""Drawn places in town: streets, avenues of towers, alleys, courtyards and parks."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from curation.identity import rng
from pipelines.sample.scenery import facades, furniture, leaves, materials, sky, textures
from pipelines.sample.scenery.country import balanced
from pipelines.sample.scenery.facades import BAY, FLOOR
from pipelines.sample.scenery.furniture import box
from pipelines.sample.scenery.lens import Lens, develop
from pipelines.sample.scenery.lights import Lighting, Sun
from pipelines.sample.scenery.noise import Floats
from pipelines.sample.scenery.render import Camera, Scene, render
from pipelines.sample.scenery.shapes import Box, Cone, Ellipsoid, Material, Paint, Shape, Surface

OVERSAMPLE = 1.2
CAR_PAINTS: tuple[materials.Colour, ...] = (
    (0.75, 0.76, 0.77),
    (0.12, 0.12, 0.13),
    (0.45, 0.10, 0.10),
    (0.16, 0.24, 0.42),
    (0.88, 0.88, 0.87),
    (0.35, 0.37, 0.38),
    (0.24, 0.32, 0.26),
)


@dataclass
class Town:
    """A place under construction: the camera stands near z = 0 and looks along z."""

    random: np.random.Generator
    shapes: list[Shape] = field(default_factory=list)
    trees: list[tuple[float, float, float]] = field(default_factory=list)
    eye: tuple[float, float, float] = (0.0, 1.7, 0.0)
    yaw: float = 0.0
    rise: float = 0.0
    focal: float = 0.85

    def between(self, low: float, high: float) -> float:
        """A number from a range."""
        return float(self.random.uniform(low, high))

    def chance(self, probability: float) -> bool:
        """Throw a coin."""
        return bool(self.random.random() < probability)


def _fronted(front: Material, plain: Material) -> Material:
    """The front on upright faces, something plain on roofs."""

    def paint(at: Surface) -> Paint:
        wall = front(at)
        roof = plain(at)
        flat = (at.face == 1)[:, None]
        gloss = np.where(flat[:, 0], np.float32(0), wall.gloss)
        return Paint(np.where(flat, roof.colour, wall.colour), gloss)

    return paint


def house(town: Town, x: float, z: float, side: int, wide: float, floors: int, deep: float, shops: bool) -> None:
    """A house along the street; ``side`` is -1 on the left, 1 on the right; x is the building line."""
    random = town.random
    variant = int(random.integers(12))
    front = materials.covered(facades.front(variant), anchored=True)
    roof = materials.covered(textures.concrete(), (0.6, 0.6, 0.6))
    bottom = 3.6 if shops else 0.0
    top = bottom + floors * FLOOR
    far = x + side * deep
    town.shapes.append(Box.between((x, bottom, z), (far, top, z + wide), _fronted(front, roof)))
    stone = materials.covered(textures.concrete(), furniture.pick(random, facades.WALLS))
    town.shapes.append(Box.between((x - side * 0.35, top, z - 0.1), (far, top + 0.45, z + wide + 0.1), stone))
    if town.chance(0.5):  # a mansard set back from the street
        slate = materials.covered(textures.bricks(2), (0.42, 0.43, 0.47), 0.6)
        town.shapes.append(Box.between((x + side * 0.9, top + 0.45, z), (far, top + 2.8, z + wide), slate))
        for k in range(int(wide / BAY)):
            at = z + (k + 0.5) * wide / int(wide / BAY)
            low, high = (x + side * 0.5, top + 0.5, at - 0.55), (x + side * 2.0, top + 2.2, at + 0.55)
            town.shapes.append(Box.between(low, high, _dormer(), casts=False))
    if shops:
        place, end = z, z + wide
        while place < end - 2.0:
            length = min(town.between(4.0, 6.0), end - place)
            texture = facades.shop(int(random.integers(8)))
            pane = materials.fitted(texture, 0.35)
            low, high = (x - side * 0.02, 0, place + 0.1), (x + side * 1, 3.4, place + length - 0.1)
            town.shapes.append(Box.between(low, high, pane, casts=False))
            if town.chance(0.45):
                cloth = materials.covered(textures.cloth(0), furniture.pick(random, furniture.VIVID))
                low = (x - side * 1.1, 2.55, place + 0.3)
                town.shapes.append(Box.between(low, (x, 2.68, place + length - 0.3), cloth))
            place += length
        town.shapes.append(Box.between((x, 0, z), (far, 3.6, z + wide), stone))
        town.shapes.append(Box.between((x - side * 0.2, 3.4, z), (x, 3.65, z + wide), stone))
    elif town.chance(0.8):
        plinth = materials.covered(textures.concrete(), (0.62, 0.60, 0.58))
        town.shapes.append(Box.between((x - side * 0.06, 0, z), (far, 0.75, z + wide), plinth, casts=False))
    if variant % 2 == 0 and town.chance(0.6):
        iron = materials.solid((0.10, 0.10, 0.11), 0.2)
        for floor in range(1, floors):
            level = bottom + floor * FLOOR - 0.1
            for k in range(int(wide / BAY)):
                if (k + floor) % 2:
                    continue
                at = z + (k + 0.5) * BAY
                town.shapes.append(Box.between((x - side * 0.8, level, at - 0.9), (x, level + 0.12, at + 0.9), stone))
                rail = (x - side * 0.8, level + 0.12, at - 0.9), (x - side * 0.76, level + 1.0, at + 0.9)
                town.shapes.append(Box.between(*rail, _railing(iron), casts=False))


def _dormer() -> Material:
    glass = materials.solid((0.10, 0.12, 0.14), 0.6, 0.02)
    frame = materials.solid((0.80, 0.79, 0.76), 0.1)

    def paint(at: Surface) -> Paint:
        pane = (np.abs(at.s - 0.5) < 0.34) & (np.abs(at.t - 0.5) < 0.36) & (np.abs(at.s - 0.5) > 0.03) & (at.face != 1)
        a, b = glass(at), frame(at)
        return Paint(np.where(pane[:, None], a.colour, b.colour), np.where(pane, 0.5, 0.05).astype(np.float32))

    return paint


def _railing(iron: Material) -> Material:
    def paint(at: Surface) -> Paint:
        bars = (at.u * 9 % 1 < 0.32) | (at.t < 0.06) | (at.t > 0.94)
        seen = iron(at)
        return Paint(np.where(bars[:, None], seen.colour, np.float32(0.22) + 0.1 * seen.colour), 0.1)

    return paint


def car(town: Town, x: float, z: float, yaw: float) -> None:
    """A parked car."""
    random = town.random
    paint = materials.solid(furniture.pick(random, CAR_PAINTS), 0.6, 0.02)
    glass, rubber = materials.solid((0.06, 0.07, 0.08), 0.8, 0.02), materials.solid((0.05, 0.05, 0.05), 0.1)
    lamp, rear = materials.solid((0.85, 0.85, 0.82), 0.5), materials.solid((0.55, 0.05, 0.04), 0.5)
    long, tall = town.between(1.9, 2.2), town.between(1.35, 1.6)
    parts: list[Shape] = [
        Box((0, 0.57, 0), (0.86, 0.25, long), paint, bevel=0.20),
        Box((0, 0.78, -0.05), (0.81, 0.12, long * 0.88), paint, bevel=0.11),
        Box((0, 0.97, -0.15), (0.74, 0.10, long * 0.60), glass, bevel=0.09),
        Box((0, 1.10, -0.15), (0.70, 0.08, long * 0.53), glass, bevel=0.07),
        Box((0, (1.14 + tall) / 2, -0.15), (0.66, (tall - 1.14) / 2, long * 0.46), glass, bevel=0.10),
        Box((0, tall, -0.15), (0.64, 0.04, long * 0.41), paint, bevel=0.035),
        Box((0, 0.36, 0), (0.80, 0.10, long * 0.97), rubber, bevel=0.05),
    ]
    for sx in (-1, 1):
        for at in (-0.62, 0.62):
            parts.append(Ellipsoid((sx * 0.74, 0.32, at * long), (0.14, 0.32, 0.32), rubber, casts=False))
            parts.append(Ellipsoid((sx * 0.80, 0.32, at * long), (0.10, 0.19, 0.19), lamp, casts=False))
        parts.append(Box((sx * 0.62, 0.64, -long + 0.02), (0.16, 0.07, 0.03), rear, bevel=0.02, casts=False))
        parts.append(Box((sx * 0.62, 0.62, long - 0.02), (0.16, 0.07, 0.03), lamp, bevel=0.02, casts=False))
    parts.append(Box((0, 0.55, -long), (0.26, 0.06, 0.01), lamp, casts=False))
    town.shapes += furniture.at((x, z, yaw), parts)


def lamp_post(town: Town, x: float, z: float, side: int) -> None:
    """A street lamp with its arm over the road."""
    iron = materials.solid((0.16, 0.18, 0.17), 0.25)
    town.shapes.append(Cone((x, 0, z), 5.6, 0.09, 0.05, iron))
    town.shapes.append(Box.between((x, 5.5, z - 0.03), (x - side * 1.3, 5.58, z + 0.03), iron, casts=False))
    bulb = materials.solid((0.88, 0.87, 0.82), 0.3)
    town.shapes.append(Ellipsoid((x - side * 1.3, 5.48, z), (0.30, 0.08, 0.14), bulb, casts=False))


def _ground(town: Town, road: float, walk: float) -> None:
    """Road, kerbs, footways and a broken line in the middle."""
    asphalt = materials.covered(facades.asphalt(0))
    slabs = materials.covered(facades.pavement())
    kerb = materials.covered(textures.concrete(), (0.80, 0.79, 0.77))
    town.shapes.append(Box.between((-160, -0.5, -20), (160, 0, 420), asphalt, casts=False))
    for side in (-1, 1):
        town.shapes.append(
            Box.between((side * road, -0.1, -20), (side * (road + walk + 40), 0.13, 420), slabs, casts=False)
        )
        town.shapes.append(Box.between((side * (road - 0.16), -0.1, -20), (side * road, 0.135, 420), kerb, casts=False))
    white = materials.solid((0.84, 0.84, 0.81), 0.05, 0.14, 0.5)
    for z in np.arange(2.0, 120.0, 7.0):
        town.shapes.append(Box.between((-0.07, -0.01, float(z)), (0.07, 0.006, float(z) + 3.0), white, casts=False))


def street(town: Town) -> None:
    """A street of houses with cars, lamps and trees."""
    road, walk = town.between(3.4, 5.2), town.between(1.8, 3.4)
    _ground(town, road, walk)
    shops = town.chance(0.6)
    for side in (-1, 1):
        z = -6.0
        while z < 190:
            wide = BAY * int(town.random.integers(3, 8))
            house(town, side * (road + walk), z, side, wide, int(town.random.integers(2, 6)), 11.0, shops)
            z += wide
        for k in range(14):
            at = 10.0 + 5.6 * k + town.between(-0.3, 0.3)
            if town.chance(0.6):
                car(town, side * (road - 1.05), at, 0.0 if side > 0 else np.pi)
    for z in np.arange(9.0, 100.0, 24.0):
        for side in (-1, 1):
            lamp_post(town, side * (road + 0.4), float(z) + 6 * side, side)
    if town.chance(0.6):
        for z in np.arange(12.0, 90.0, 14.0):
            for side in (-1, 1):
                town.trees.append((side * (road + 0.9), float(z) + town.between(-1, 1), town.between(5.5, 8.5)))
    end = materials.covered(facades.front(int(town.random.integers(12))), anchored=True)
    town.shapes.append(Box.between((-40, 0, 190), (40, town.between(10, 20), 205), end))
    town.eye = (town.between(-0.6, 0.6) * road, town.between(1.5, 2.4), 0.0)
    town.yaw, town.rise = -town.eye[0] * 0.03 + town.between(-0.1, 0.1), town.between(0.05, 0.16)


def downtown(town: Town) -> None:
    """An avenue between towers."""
    road, walk = town.between(5.5, 8.0), 4.0
    _ground(town, road, walk)
    roof = materials.covered(textures.concrete(), (0.6, 0.6, 0.6))
    for side in (-1, 1):
        z = -10.0
        while z < 300:
            wide, deep = town.between(16, 30), town.between(18, 30)
            x = side * (road + walk + town.between(0, 3))
            tall = town.between(16, 95)
            if town.chance(0.6):
                wall = materials.covered(facades.tower(int(town.random.integers(6))), anchored=True)
            else:
                wall = materials.covered(facades.front(int(town.random.integers(12))), anchored=True)
            town.shapes.append(Box.between((x, 0, z), (x + side * deep, tall, z + wide), _fronted(wall, roof)))
            base = materials.fitted(facades.shop(int(town.random.integers(8))), 0.4)
            for at in np.arange(z + 0.5, z + wide - 4.5, 5.0):
                low, high = (x - side * 0.1, 0, float(at)), (x + side, 4.2, float(at) + 4.8)
                town.shapes.append(Box.between(low, high, base, casts=False))
            town.shapes.append(Box.between((x - side * 0.5, 4.2, z), (x + side, 4.7, z + wide), roof))
            z += wide + (0.0 if town.chance(0.6) else town.between(4, 10))
        for k in range(9):
            if town.chance(0.55):
                car(town, side * (road - 1.2), 12.0 + 7.0 * k, 0.0 if side > 0 else np.pi)
        for z in np.arange(10.0, 90.0, 20.0):
            lamp_post(town, side * (road + 0.5), float(z), side)
            if town.chance(0.7):
                town.trees.append((side * (road + 1.2), float(z) + 9, town.between(5.0, 8.0)))
    town.eye = (town.between(-0.5, 0.5) * road, town.between(1.6, 5.0), 0.0)
    town.yaw, town.rise, town.focal = town.between(-0.08, 0.08), town.between(0.12, 0.3), town.between(0.75, 1.0)


def alley(town: Town) -> None:
    """A narrow lane between old walls."""
    half = town.between(1.5, 2.4)
    setts = materials.covered(textures.cobbles(), scale=town.between(0.7, 1.0))
    town.shapes.append(Box.between((-30, -0.5, -10), (30, 0, 120), setts, casts=False))
    for side in (-1, 1):
        z = -5.0
        while z < 60:
            wide = BAY * int(town.random.integers(2, 5))
            house(
                town, side * (half + town.between(0, 0.3)), z, side, wide, int(town.random.integers(2, 4)), 8.0, False
            )
            for _ in range(3):
                if town.chance(0.6):
                    spot = (side * (half - 0.3), z + town.between(0.5, wide - 0.5), 0.0)
                    town.shapes += furniture.pot(spot, town.between(0.18, 0.3), town.between(0.3, 0.5), town.random)
                    town.trees.append((spot[0], spot[1], -town.between(0.5, 1.0)))
            z += wide
    end = materials.covered(facades.front(int(town.random.integers(12))), anchored=True)
    town.shapes.append(Box.between((-20, 0, 42 + town.between(-8, 10)), (20, 12, 60), end))
    town.eye = (town.between(-0.4, 0.4) * half, town.between(1.5, 1.8), 0.0)
    town.yaw, town.rise, town.focal = town.between(-0.06, 0.06), town.between(0.04, 0.2), town.between(0.75, 1.0)


def courtyard(town: Town) -> None:
    """A paved yard with houses on three sides, planters and benches."""
    half, far = town.between(8, 13), town.between(17, 26)
    floor = materials.covered(textures.cobbles()) if town.chance(0.5) else materials.covered(facades.pavement())
    town.shapes.append(Box.between((-60, -0.5, -20), (60, 0, 90), floor, casts=False))
    floors = int(town.random.integers(2, 5))
    for side in (-1, 1):
        house(town, side * half, -8.0, side, far + 8.0, floors, 10.0, False)
    front = materials.covered(facades.front(int(town.random.integers(12))), anchored=True)
    town.shapes.append(Box.between((-half - 10, 0, far), (half + 10, floors * FLOOR, far + 10), front))
    wood, iron = materials.wood(1), materials.solid((0.14, 0.14, 0.15), 0.2)
    for _ in range(4):
        x, z = town.between(-half + 2, half - 2), town.between(7, far - 3)
        brick = materials.covered(textures.bricks(int(town.random.integers(4))))
        town.shapes += furniture.at((x, z, 0.0), [box((-0.9, 0, -0.9), (0.9, 0.55, 0.9), brick, 0.02)])
        town.trees.append((x, z, town.between(3.2, 6.0)))
        bench: list[Shape] = [
            box((-0.8, 0.42 + 0.0, -0.22 + 0.12 * k), (0.8, 0.45, -0.13 + 0.12 * k), wood) for k in range(4)
        ]
        bench += [box((sx * 0.6 - 0.03, 0, -0.2), (sx * 0.6 + 0.03, 0.42, 0.2), iron) for sx in (-1, 1)]
        town.shapes += furniture.at((x + town.between(-0.5, 0.5), z - 1.4, town.between(-0.1, 0.1)), bench)
    town.eye = (town.between(-0.3, 0.3) * half, town.between(1.5, 1.9), 0.0)
    town.yaw, town.rise, town.focal = town.between(-0.25, 0.25), town.between(0.02, 0.14), town.between(0.75, 0.95)


KINDS: dict[str, Callable[[Town], None]] = {
    "street": street,
    "downtown": downtown,
    "alley": alley,
    "courtyard": courtyard,
}
"""Scene -> builder."""


def draw(scene: str, seed: int, name: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw a place of a kind of :data:`KINDS`: (size[1], size[0], 3) uint8 RGB, from (seed, name) alone."""
    random = rng(seed, "town", scene, name)
    town = Town(random)
    KINDS[scene](town)
    air = sky.weather(random, ("noon", "morning", "overcast", "noon"), far=2500.0)
    wide, high = (round(side * OVERSAMPLE) for side in size)
    camera = Camera(town.eye, town.yaw, 0.0, town.focal, wide, high, rise=town.rise)
    ghost = materials.solid((0.2, 0.3, 0.1))
    for x, z, tall in town.trees:
        if tall > 0:
            radius = tall * 0.27
            town.shapes.append(Ellipsoid((x, tall * 0.7, z), (radius, radius, radius), ghost, hidden=True))

    def backdrop(directions: Floats) -> Floats:
        return sky.look(air, directions)

    up = air.ambient * 0.9
    bounce = 0.25 * air.ambient + 0.14 * air.sun * air.toward[1]
    lighting = Lighting(np.asarray(up, np.float32), np.asarray(bounce, np.float32), reach=4.0)
    lighting.sun = Sun(air.toward.tolist(), air.sun.tolist())
    frame = render(Scene(camera, lighting, backdrop, town.shapes, haze=air.haze, haze_colour=air.horizon * 0.9))
    light = np.asarray(0.7 * air.ambient + 0.5 * air.sun, np.float32)
    eye = np.array([town.eye[0], town.eye[2]])
    for x, z, tall in sorted(town.trees, key=lambda t: -float(np.hypot(t[0] - eye[0], t[1] - eye[1]))):
        if tall < 0:
            plant = leaves.house_plant((x, 0.45, z), -tall, int(random.integers(3)), random)
            leaves.draw(frame, camera, plant, light * 0.6, air.toward)
            continue
        pixels = tall / max(float(np.hypot(x - eye[0], z - eye[1])), 1.0) * camera.focal * camera.height
        count = int(np.clip(pixels * 9, 400, 5000))
        leaves.draw(
            frame, camera, leaves.trunk((x, 0.0, z), tall * 0.6, tall * 0.035, 7, random), light * 0.7, air.toward
        )
        tone = (0.36, 0.45, 0.19) if random.random() < 0.8 else (0.55, 0.45, 0.18)
        crown = leaves.crown((x, tall * 0.7, z), (tall * 0.29, tall * 0.32, tall * 0.29), count, tone, random)
        leaves.draw(frame, camera, crown, light, air.toward)
    lens = Lens(
        *size,
        key=town.between(0.19, 0.25),
        white_balance=balanced(air),
        noise=town.between(0.003, 0.009),
        vignette=town.between(0.05, 0.25),
        bloom=0.04,
    )
    return develop(frame.light, frame.depth, lens, random)
