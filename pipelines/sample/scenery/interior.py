"""The fabric of a room: walls with windows cut into them, doors, pictures, plants, lamps, the view outside."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipelines.sample.scenery import furniture, leaves, materials
from pipelines.sample.scenery.furniture import PALE, SOFT, box
from pipelines.sample.scenery.lights import Panel
from pipelines.sample.scenery.noise import Floats, grain, tint
from pipelines.sample.scenery.shapes import Box, Cone, Material, Shape

PAINTS: tuple[materials.Colour, ...] = (
    (0.95, 0.94, 0.91),
    (0.90, 0.87, 0.80),
    (0.80, 0.83, 0.82),
    (0.72, 0.77, 0.80),
    (0.83, 0.77, 0.70),
    (0.66, 0.71, 0.65),
    (0.86, 0.80, 0.75),
    (0.45, 0.52, 0.55),
    (0.58, 0.45, 0.40),
    (0.93, 0.89, 0.78),
)


@dataclass
class Room:
    """A room under construction: x from -width/2 to width/2, z from 0 (behind the camera) to depth."""

    random: np.random.Generator
    width: float
    depth: float
    height: float
    shapes: list[Shape] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)
    windows: list[Panel] = field(default_factory=list)
    plants: list[leaves.Leaves] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.curtains = (self.any(PALE + SOFT), self.between(0.09, 0.16))

    def any(self, options: Sequence[materials.Colour]) -> materials.Colour:
        """One of some colours, a little moved."""
        return furniture.pick(self.random, options)

    def chance(self, probability: float) -> bool:
        """Throw a coin."""
        return bool(self.random.random() < probability)

    def between(self, low: float, high: float) -> float:
        """A number from a range."""
        return float(self.random.uniform(low, high))

    def add(self, shapes: Sequence[Shape]) -> None:
        """Put shapes into the room."""
        self.shapes.extend(shapes)


def shell(room: Room, floor: Material, walls: Sequence[Material], ceiling: Material, skirting: bool = True) -> None:
    """Floor, ceiling and walls (back, left, right, behind) as slabs, with a skirting board and a window gap each.

    Windows must be in ``room.windows`` before; their walls are cut around them.
    """
    w, d, h = room.width / 2, room.depth, room.height
    slab = 0.3
    room.shapes.append(Box.between((-w - slab, -slab, -0.5), (w + slab, 0, d + slab), floor, casts=False))
    room.shapes.append(Box.between((-w - slab, h, -0.5), (w + slab, h + slab, d + slab), ceiling, casts=False))
    faces = (
        ((-w - slab, 0, d), (w + slab, h, d + slab), 0, 2),
        ((-w - slab, 0, -0.5), (-w, h, d), 2, 0),
        ((w, 0, -0.5), (w + slab, h, d), 2, 0),
    )
    white = materials.solid((0.90, 0.89, 0.87), 0.2, 0.03)
    for (low, high, along, across), wall in zip(faces, walls, strict=False):
        holes = []
        for window in room.windows:
            centre, half = np.asarray(window.centre), np.abs(window.across) + np.abs(window.upward)
            if low[across] - 0.15 <= centre[across] <= high[across] + 0.15 and abs(window.normal[across]) > 0.5:
                holes.append((centre - half, centre + half))
        holes.sort(key=lambda hole: float(hole[0][along]))
        start = low[along]
        for bottom, top in holes:
            _slab(room, low, high, along, start, float(bottom[along]), 0, h, wall)
            _slab(room, low, high, along, float(bottom[along]), float(top[along]), 0, float(bottom[1]), wall)
            _slab(room, low, high, along, float(bottom[along]), float(top[along]), float(top[1]), h, wall)
            start = float(top[along])
        _slab(room, low, high, along, start, high[along], 0, h, wall)
    if skirting:
        tall = room.between(0.07, 0.13)
        room.add(
            [
                Box.between((-w, 0, d - 0.018), (w, tall, d), white, casts=False),
                Box.between((-w, 0, 0), (-w + 0.018, tall, d), white, casts=False),
                Box.between((w - 0.018, 0, 0), (w, tall, d), white, casts=False),
            ]
        )


def _slab(
    room: Room,
    low: Sequence[float],
    high: Sequence[float],
    along: int,
    start: float,
    end: float,
    bottom: float,
    top: float,
    wall: Material,
) -> None:
    if end - start < 1e-3 or top - bottom < 1e-3:
        return
    a, b = list(low), list(high)
    a[along], b[along], a[1], b[1] = start, end, bottom, top
    room.shapes.append(Box.between(a, b, wall, casts=False))


def window(
    room: Room, wall: str, spot: float, sill: float, wide: float, high: float, light: float, panes: int = 2
) -> None:
    """Cut a window (call before :func:`shell`): ``wall`` is back, left or right, ``spot`` its middle along it."""
    w, d = room.width / 2, room.depth
    middle = sill + high / 2
    turn = {
        "back": ((spot, middle, d), (wide / 2, 0, 0), (0, 0, -1)),
        "left": ((-w, middle, spot), (0, 0, wide / 2), (1, 0, 0)),
        "right": ((w, middle, spot), (0, 0, wide / 2), (-1, 0, 0)),
    }[wall]
    centre, across, normal = turn
    radiance = tuple(light * c for c in (0.92, 0.98, 1.08))
    panel = Panel(centre, across, (0, high / 2, 0), normal, radiance, samples=(1, 1))
    room.windows.append(panel)
    room.panels.append(panel)
    paint = materials.solid((0.91, 0.90, 0.88), 0.3, 0.02)
    c, a, n = np.array(centre), np.array(across), np.array(normal)
    up = np.array([0, 1.0, 0])
    bars: list[tuple[NDArray[np.float64], NDArray[np.float64], float]] = []
    unit = a / np.linalg.norm(a)
    for k in range(panes + 1):
        x = -1 + 2 * k / panes
        bars.append((c + a * x, unit * (0.045 if k in (0, panes) else 0.03) + up * high / 2, 0.035))
    for y in (-1.0, 1.0, 0.35) if high > 1.1 else (-1.0, 1.0):
        bars.append((c + up * high / 2 * y, np.abs(a) + up * (0.045 if abs(y) == 1 else 0.022), 0.03))
    for centre_, half, deep in bars:
        size = np.abs(half) + np.abs(n) * deep
        room.shapes.append(Box((centre_ - n * 0.08).tolist(), size.tolist(), paint, bevel=0.008))
    board = c - up * (high / 2 + 0.015) + n * 0.06
    room.shapes.append(Box(board.tolist(), (np.abs(a) * 1.06 + up * 0.018 + np.abs(n) * 0.11).tolist(), paint))
    if room.chance(0.55) and sill > 0.5:
        radiator(room, c - up * (high / 2 + sill * 0.5) + n * 0.07, np.abs(a) * 0.8, n, sill * 0.36)
    if room.chance(0.7):
        colour, folds = room.curtains
        for side in (-1, 1):
            size = np.abs(a) * 0.22 + up * (middle + high / 2 + 0.12) / 2 + np.abs(n) * 0.05
            at = c + a * side * 1.12 + n * 0.14
            at[1] = (middle + high / 2 + 0.12) / 2 + 0.02
            room.shapes.append(Box(at.tolist(), size.tolist(), materials.curtain(colour, folds), bevel=0.04))
        rod = c + up * (high / 2 + 0.15) + n * 0.14
        metal = materials.solid((0.30, 0.28, 0.26), 0.4)
        room.shapes.append(Box(rod.tolist(), (np.abs(a) * 1.45 + up * 0.012 + np.abs(n) * 0.012).tolist(), metal))


def radiator(
    room: Room, centre: NDArray[np.float64], across: NDArray[np.float64], normal: NDArray[np.float64], half: float
) -> None:
    """A ribbed radiator below a window."""
    paint = materials.solid((0.88, 0.87, 0.85), 0.25, 0.03)
    length = float(np.linalg.norm(across))
    count = max(4, int(length / 0.05))
    for k in range(count):
        offset = across / length * (-length + (2 * k + 1) * length / count)
        size = across / length * (length / count * 0.62) + np.array([0, half, 0]) + np.abs(normal) * 0.04
        room.shapes.append(Box((centre + offset).tolist(), size.tolist(), paint, bevel=0.015, casts=False))


def door(room: Room, wall: str, spot: float, open_: bool = False) -> None:
    """A panelled door with its frame, on a wall."""
    w, d = room.width / 2, room.depth
    colour = room.any(((0.90, 0.89, 0.86), (0.56, 0.40, 0.26), (0.40, 0.28, 0.19), (0.82, 0.80, 0.75)))
    leaf = materials.solid(colour, 0.25, 0.06, 0.3)
    metal = materials.solid((0.70, 0.67, 0.60), 0.5)
    place = {
        "back": (spot, d, 0.0),
        "left": (-w, spot, -np.pi / 2),
        "right": (w, spot, np.pi / 2),
    }[wall]
    parts: list[Shape] = [box((-0.43, 0, -0.03), (0.43, 2.04, 0.02), leaf)]
    for low, high in ((0.14, 0.86), (1.02, 1.92)):
        for left, right in ((-0.34, -0.04), (0.04, 0.34)):
            parts.append(box((left, low, -0.042), (right, high, -0.03), leaf, 0.012))
    for side in (-1, 1):
        parts.append(box((side * 0.43, 0, -0.055), (side * 0.53, 2.13, 0.02), leaf, 0.012))
    parts.append(box((-0.53, 2.04, -0.055), (0.53, 2.14, 0.02), leaf, 0.012))
    parts.append(box((0.33, 1.00, -0.09), (0.41, 1.02, -0.07), metal))
    parts.append(box((0.35, 0.93, -0.05), (0.39, 1.10, -0.042), metal))
    room.add(furniture.at(place, parts))


def picture(room: Room, wall: str, spot: float, middle: float, wide: float, high: float) -> None:
    """A framed picture on a wall."""
    w, d = room.width / 2, room.depth
    image = materials.picture(int(room.random.integers(60)))
    colour = room.any(((0.12, 0.11, 0.10), (0.88, 0.87, 0.85), (0.52, 0.38, 0.22), (0.70, 0.58, 0.34)))
    place = {"back": (spot, d, 0.0), "left": (-w, spot, -np.pi / 2), "right": (w, spot, np.pi / 2)}[wall]
    mount = room.between(0.02, 0.14)
    rim = materials.solid(colour, 0.3, 0.05, 0.1)
    a, b, e = wide / 2, high / 2, 0.03
    parts: list[Shape] = [
        box(
            (-a, middle - b, -0.022),
            (a, middle + b, 0.0),
            materials.fitted(image, 0.12, mount, (0.93, 0.92, 0.89)),
        ),
        box((-a - e, middle + b, -0.04), (a + e, middle + b + e, 0.0), rim, 0.006),
        box((-a - e, middle - b - e, -0.04), (a + e, middle - b, 0.0), rim, 0.006),
        box((-a - e, middle - b, -0.04), (-a, middle + b, 0.0), rim, 0.006),
        box((a, middle - b, -0.04), (a + e, middle + b, 0.0), rim, 0.006),
    ]
    room.add(furniture.at(place, parts))


def plant(room: Room, x: float, z: float, tall: float) -> None:
    """A plant in a pot on the floor."""
    radius = room.between(0.14, 0.22)
    level = radius * room.between(1.2, 2.0)
    room.add(furniture.pot((x, z, 0.0), radius, level, room.random))
    room.plants.append(leaves.house_plant((x, level, z), tall, int(room.random.integers(3)), room.random))


def ceiling_lamp(room: Room, x: float, z: float, power: float) -> None:
    """A flat light under the ceiling."""
    h, r = room.height, room.between(0.16, 0.24)
    room.shapes.append(Cone((x, h - 0.09, z), 0.09, r, r, materials.glowing((power, power * 0.93, power * 0.8))))
    room.shapes[-1].casts = False
    light = tuple(power * 1.6 * c for c in (1.0, 0.92, 0.78))
    room.panels.append(Panel((x, h - 0.12, z), (r, 0, 0), (0, 0, r), (0, -1, 0), light, (1, 1)))


def outside(random: np.random.Generator, level: float) -> Callable[[Floats], Floats]:
    """What the windows show: sky, far trees and a lawn, out of focus and brighter than the room."""
    seed = float(random.uniform(0, 50))
    horizon = float(random.uniform(-0.05, 0.06))
    trees = tint((0.30, 0.38, 0.20)) * float(random.uniform(0.6, 1.3))
    sky_low, sky_high = tint((0.90, 0.93, 0.97)), tint((0.55, 0.71, 0.92))

    def look(directions: Floats) -> Floats:
        azimuth = np.arctan2(directions[:, 0], directions[:, 2]).astype(np.float32)
        rise = directions[:, 1]
        pixel = np.full(rise.shape, 0.012, np.float32)
        bushes = grain(azimuth + seed, rise * 0.8, pixel, 0.9)
        edge = horizon + 0.16 + 0.09 * grain(azimuth + seed, rise * 0, pixel, 1.7)[:, 2]
        cloud = np.clip(0.4 + 0.5 * grain(azimuth * 0.6 + seed, rise * 2, pixel, 1.1)[:, 1], 0, 1)[:, None]
        sky = sky_low + (sky_high - sky_low) * np.clip(rise * 2.2, 0, 1)[:, None]
        sky = sky * (1 - 0.4 * cloud) + 0.4 * cloud
        foliage = trees * (1.0 + 0.55 * bushes[:, 0] + 0.35 * bushes[:, 1])[:, None]
        lawn = tint((0.47, 0.55, 0.28)) * (1 + 0.15 * bushes[:, 0])[:, None]
        mix = np.clip((rise - edge - 0.04 * bushes[:, 0]) * 18 + 0.5, 0, 1)[:, None]
        low = np.clip((horizon - rise) * 25 + 0.5, 0, 1)[:, None]
        view = foliage * (1 - mix) + sky * mix
        view = view * (1 - low) + lawn * low
        return np.asarray(np.maximum(view, 0.01) * level, np.float32)

    return look
