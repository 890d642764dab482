"""Drawn interiors: what stands where in each kind of room, and the light that falls on it."""

import numpy as np
from numpy.typing import NDArray

from curation.identity import rng
from pipelines.sample.scenery import furniture, leaves, materials, textures
from pipelines.sample.scenery.furniture import PALE, SOFT, VIVID, box
from pipelines.sample.scenery.interior import (
    PAINTS,
    Room,
    ceiling_lamp,
    door,
    outside,
    picture,
    plant,
    shell,
    window,
)
from pipelines.sample.scenery.lens import Lens, develop
from pipelines.sample.scenery.lights import Lighting, Panel, Sun
from pipelines.sample.scenery.noise import tint
from pipelines.sample.scenery.render import Camera, Scene, render
from pipelines.sample.scenery.shapes import Cone, Material

OVERSAMPLE = 1.2
"""Rendered larger and reduced: smooth outlines."""


def _wall(room: Room, colour: materials.Colour) -> Material:
    kind = room.random.random()
    if kind < 0.55:
        return materials.covered(textures.plaster(int(room.random.integers(4))), colour)
    if kind < 0.9:
        return materials.covered(textures.wallpaper(int(room.random.integers(6))), colour)
    return materials.covered(textures.bricks(int(room.random.choice([0, 2, 3]))), gloss=0.03)


def _floor(room: Room, soft: bool = True) -> Material:
    kind = room.random.random()
    if kind < 0.65:
        return materials.covered(textures.planks(int(room.random.integers(4))), turn=room.chance(0.3))
    if kind < 0.85 or not soft:
        return materials.covered(textures.tiles(int(room.random.integers(4))))
    return materials.covered(textures.carpet(), room.any(SOFT))


def _walls(room: Room, accent: float = 0.4) -> list[Material]:
    colour = room.any(PAINTS)
    side = materials.covered(textures.plaster(int(room.random.integers(4))), colour)
    back = _wall(room, room.any(PAINTS)) if room.chance(accent) else side
    return [back, side, side]


def _ceiling() -> Material:
    return materials.covered(textures.plaster(1), (0.97, 0.97, 0.96))


def _side_windows(room: Room, light: float) -> str:
    """One or two windows on the left or right wall; returns the wall."""
    wall = "left" if room.chance(0.5) else "right"
    wide, high = room.between(1.0, 1.6), room.between(1.2, 1.6)
    count = 2 if room.depth > 4.6 and room.chance(0.7) else 1
    for k in range(count):
        spot = room.depth * (0.62 if count == 1 else (0.36, 0.74)[k])
        window(room, wall, spot, room.between(0.5, 0.85), wide, high, light, 2)
    return wall


def living_room(room: Room) -> None:
    """Sofa, low table, rug, shelves, a lamp and plants."""
    wall = _side_windows(room, room.between(5, 9))
    far = room.depth
    shell(room, _floor(room), _walls(room), _ceiling())
    rug = materials.fitted(textures.rug(int(room.random.integers(4))), 0.0)
    middle = room.between(-0.5, 0.5)
    room.add([box((middle - 1.5, 0, far - 2.9), (middle + 1.5, 0.012, far - 0.9), rug)])
    seats = 3 if room.width > 4.2 else 2
    room.add(furniture.sofa((middle, far - 0.62, 0.0), room.random, seats))
    top = materials.wood(int(room.random.integers(4)))
    room.add(furniture.table((middle, far - 1.95, room.between(-0.1, 0.1)), top, (1.1, 0.42, 0.6)))
    for _ in range(int(room.random.integers(1, 4))):
        spot = (middle + room.between(-0.4, 0.4), far - 1.95 + room.between(-0.2, 0.2))
        room.add(furniture.vase(spot, 0.42, room.random, 0.8))
    empty = 1 if wall == "left" else -1
    w = room.width / 2
    tall = room.between(1.7, 2.2)
    room.add(
        furniture.bookcase(
            (empty * (w - 0.18), far - 1.5, empty * np.pi / 2),
            room.random,
            (1.5, tall, 0.32),
            int(room.random.integers(4)),
        )
    )
    picture(room, "back", middle + room.between(-0.3, 0.3), 1.62, room.between(0.7, 1.3), room.between(0.5, 0.8))
    corner = middle + (seats * 0.31 + 0.55) * (1 if wall == "left" else -1)
    if abs(corner) < w - 0.3:
        room.add(furniture.floor_lamp((corner, far - 0.45, 0.0), room.chance(0.6), room.random))
    plant(room, -empty * (w - 0.45), far - 0.5, room.between(0.7, 1.2))
    if room.chance(0.5):
        plant(room, -empty * (w - 0.4), far - 2.6, room.between(0.6, 0.9))


def bedroom(room: Room) -> None:
    """A bed, night tables with lamps, a wardrobe."""
    wall = _side_windows(room, room.between(5, 9))
    far, w = room.depth, room.width / 2
    shell(room, _floor(room), _walls(room, 0.7), _ceiling())
    x = room.between(-0.4, 0.4)
    room.add(furniture.bed((x, far - 1.12, 0.0), room.random))
    front = materials.wood(int(room.random.integers(4)))
    for side in (-1, 1):
        if abs(x + side * 1.15) < w - 0.2:
            room.add(furniture.cupboard((x + side * 1.15, far - 0.24, 0.0), (0.48, 0.5, 0.4), 1, front, front))
            spot = (x + side * 1.15, far - 0.24)
            room.add(furniture.vase(spot, 0.5, room.random, 0.9))
            shade = materials.glowing((2.4, 1.9, 1.2) if room.chance(0.6) else (0.05, 0.05, 0.045))
            room.add([Cone((spot[0], 0.72, spot[1]), 0.2, 0.15, 0.10, shade, casts=False)])
    empty = 1 if wall == "left" else -1
    body = materials.wood(int(room.random.integers(4)), turn=True)
    room.add(furniture.cupboard((empty * (w - 0.32), far - 1.9, empty * np.pi / 2), (1.7, 2.1, 0.6), 3, body, body))
    picture(room, "back", x + room.between(-0.2, 0.2), 1.75, room.between(0.8, 1.4), room.between(0.5, 0.7))
    rug = materials.fitted(textures.rug(int(room.random.integers(4))), 0.0)
    room.add([box((x - 1.5, 0, far - 3.0), (x + 1.5, 0.012, far - 1.5), rug)])
    if room.chance(0.6):
        plant(room, -empty * (w - 0.4), far - 0.45, room.between(0.6, 1.0))


def office(room: Room) -> None:
    """A desk with a screen, shelves, papers."""
    _side_windows(room, room.between(5, 8))
    far, w = room.depth, room.width / 2
    shell(room, _floor(room), _walls(room, 0.3), _ceiling())
    x = room.between(-0.7, 0.7)
    top = materials.wood(int(room.random.integers(4)))
    room.add(furniture.table((x, far - 0.9, 0.0), top, (1.6, 0.74, 0.75)))
    room.add(furniture.screen((x + room.between(-0.4, 0.3), far - 0.8, room.between(-0.2, 0.2)), 0.74))
    paper = materials.solid((0.93, 0.92, 0.89), 0.05, 0.03)
    for _ in range(5):
        px, pz = x + room.between(-0.7, 0.7), far - room.between(0.65, 1.2)
        thick = room.between(0.004, 0.05)
        room.add(
            furniture.at(
                (px, pz, room.between(-0.4, 0.4)), [box((-0.1, 0.74, -0.14), (0.1, 0.74 + thick, 0.14), paper)]
            )
        )
    room.add(furniture.vase((x - 0.65, far - 0.75), 0.74, room.random, 0.6))
    seat = materials.covered(textures.cloth(1), room.any(SOFT))
    room.add(
        furniture.chair(
            (x + room.between(-0.3, 0.3), far - 1.55, np.pi + room.between(-0.6, 0.6)), seat, materials.wood(2)
        )
    )
    for side in (-1, 1):
        spot = side * (w - 0.55)
        if abs(spot - x) > 1.25:
            tall = room.between(1.6, 2.2)
            room.add(
                furniture.bookcase(
                    (spot, far - 0.2, 0.0), room.random, (0.95, tall, 0.34), int(room.random.integers(4))
                )
            )
    picture(room, "back", x, 1.65, room.between(0.5, 1.0), room.between(0.4, 0.6))
    plant(room, (w - 0.4) * (1 if x < 0 else -1), far - 1.3, room.between(0.6, 1.0))
    ceiling_lamp(room, 0, far - 2, 3.0)


def library(room: Room) -> None:
    """Bookcases along every wall, a reading table."""
    far, w = room.depth, room.width / 2
    window(room, "back", 0.0, 1.0, 1.2, 1.5, room.between(5, 9), 2)
    shell(room, _floor(room), _walls(room, 0.2), _ceiling())
    wood = int(room.random.integers(4))
    tall = room.height - room.between(0.25, 0.6)
    for side in (-1, 1):
        spot = 1.2
        while spot < far - 0.5:
            place = (side * (w - 0.17), spot, side * np.pi / 2)
            room.add(furniture.bookcase(place, room.random, (1.2, tall, 0.32), wood))
            spot += 1.22
        reach = w - 0.95
        wide = reach - 0.25
        place = (side * (w - 0.35 - wide / 2), far - 0.17, 0.0)
        room.add(furniture.bookcase(place, room.random, (wide, tall, 0.32), wood))
    top = materials.wood(wood)
    room.add(furniture.table((0, far - 2.2, 0.0), top, (1.7, 0.75, 0.9)))
    seat = materials.covered(textures.cloth(2), room.any(SOFT))
    for side in (-1, 1):
        for x in (-0.45, 0.45):
            turn = (0.0 if side > 0 else np.pi) + room.between(-0.3, 0.3)
            room.add(furniture.chair((x, far - 2.2 + side * 0.62, turn), seat, top))
    ceiling_lamp(room, 0.0, far - 2.2, 3.5)


def corridor(room: Room) -> None:
    """A long passage with doors and lights."""
    far, w = room.depth, room.width / 2
    window(room, "back", 0.0, 0.7, min(1.2, room.width * 0.5), 1.5, room.between(4, 9), 2)
    shell(room, _floor(room, soft=False), _walls(room, 0.3), _ceiling())
    spot = 2.0 + room.between(0, 1.0)
    while spot < far - 0.8:
        if room.chance(0.75):
            door(room, "left", spot)
        else:
            picture(room, "left", spot, 1.55, 0.7, 0.5)
        if room.chance(0.7):
            door(room, "right", spot + 0.5)
        else:
            picture(room, "right", spot + 0.4, 1.55, 0.6, 0.8)
        spot += room.between(1.9, 2.6)
    for z in np.arange(1.5, far, 2.4):
        ceiling_lamp(room, 0.0, float(z), 3.2)
    if room.chance(0.6):
        plant(room, (w - 0.3) * (1 if room.chance(0.5) else -1), far - 0.6, room.between(0.7, 1.1))
    if room.chance(0.5):
        seat = materials.covered(textures.cloth(0), room.any(SOFT))
        room.add([box((-w, 0.0, far - 3.2), (-w + 0.4, 0.45, far - 1.9), seat, 0.03)])


def gallery(room: Room) -> None:
    """White walls with large pictures and a bench."""
    far, w = room.depth, room.width / 2
    white = materials.covered(
        textures.plaster(2), room.any(((0.94, 0.94, 0.93), (0.90, 0.89, 0.87), (0.55, 0.24, 0.22)))
    )
    shell(room, _floor(room, soft=False), [white, white, white], _ceiling())
    spots = np.linspace(-w + 1.0, w - 1.0, max(2, int(room.width / 1.9)))
    for spot in spots:
        picture(
            room, "back", float(spot) + room.between(-0.1, 0.1), 1.6, room.between(0.7, 1.4), room.between(0.7, 1.5)
        )
    for wall in ("left", "right"):
        for z in np.arange(1.7, far - 0.8, 1.9):
            picture(room, wall, float(z), 1.6, room.between(0.7, 1.3), room.between(0.7, 1.4))
    leather = materials.solid(room.any(((0.16, 0.12, 0.10), (0.42, 0.27, 0.17))), 0.35, 0.08, 0.2)
    room.add([box((-0.75, 0.28, far - 2.6), (0.75, 0.46, far - 2.1), leather, 0.03)])
    metal = materials.solid((0.3, 0.3, 0.31), 0.4)
    for x in (-0.65, 0.6):
        room.add([box((x, 0, far - 2.5), (x + 0.05, 0.28, far - 2.2), metal)])
    for x in (-w * 0.5, w * 0.5):
        for z in np.arange(1.2, far, 1.9):
            ceiling_lamp(room, float(x), float(z), 3.0)


def dining_room(room: Room) -> None:
    """A laid table with chairs under a lamp."""
    wall = _side_windows(room, room.between(5, 9))
    far, w = room.depth, room.width / 2
    shell(room, _floor(room, soft=False), _walls(room, 0.6), _ceiling())
    wood = int(room.random.integers(4))
    top, turn = materials.wood(wood), room.between(-0.15, 0.15)
    long, z = room.between(1.5, 2.1), far - room.between(1.7, 2.1)
    room.add(furniture.table((0.0, z, turn), top, (long, 0.75, 0.95)))
    seat = materials.covered(textures.cloth(int(room.random.integers(4))), room.any(SOFT + VIVID))
    for k in range(3):
        x = (k - 1) * long / 3.2
        room.add(furniture.chair((x, z + 0.72, room.between(-0.2, 0.2)), seat, top))
        room.add(furniture.chair((x, z - 0.72, np.pi + room.between(-0.2, 0.2)), seat, top))
    for _ in range(4):
        room.add(furniture.vase((room.between(-0.6, 0.6), z + room.between(-0.25, 0.25)), 0.75, room.random, 0.8))
    metal = materials.solid((0.15, 0.14, 0.13), 0.4)
    low = room.between(1.45, 1.65)
    room.add([Cone((0, low + 0.2, z), room.height - low - 0.2, 0.006, 0.006, metal, casts=False)])
    room.add([Cone((0, low, z), 0.24, 0.26, 0.07, materials.glowing((3.0, 2.3, 1.4)), casts=False)])
    room.panels.append(
        Panel((0, low - 0.02, z), (0.2, 0, 0), (0, 0, 0.2), (0, -1, 0), (16, 13, 9), (1, 1), mirrored=0.3)
    )
    side = materials.wood(wood)
    room.add(furniture.cupboard((room.between(-0.5, 0.5), far - 0.24, 0.0), (1.7, 0.85, 0.44), 3, side, side))
    for _ in range(4):
        room.add(furniture.vase((room.between(-1.1, 1.1), far - 0.25), 0.85, room.random, 1.1))
    picture(room, "back", room.between(-0.4, 0.4), 1.65, room.between(0.7, 1.3), room.between(0.5, 0.8))
    plant(room, (w - 0.4) * (1 if wall == "left" else -1), far - 0.5, room.between(0.7, 1.2))


def kitchen(room: Room) -> None:
    """Cupboards below and above a worktop, a tiled wall, a window over the sink."""
    far, w = room.depth, room.width / 2
    x = room.between(-0.6, 0.6)
    window(room, "back", x, 1.12, 1.2, 1.0, room.between(5, 9), 2)
    tiled = materials.covered(textures.tiles(3), room.any(PALE + PAINTS[:6]), 0.45)
    side = materials.covered(textures.plaster(0), room.any(PAINTS))
    shell(room, materials.covered(textures.tiles(int(room.random.integers(3)))), [tiled, side, side], _ceiling())
    paint = room.any(
        ((0.90, 0.90, 0.88), (0.42, 0.50, 0.46), (0.30, 0.36, 0.44), (0.80, 0.75, 0.66), (0.55, 0.42, 0.30))
    )
    front = (
        materials.solid(paint, 0.3, 0.05, 0.3)
        if room.chance(0.6)
        else materials.wood(int(room.random.integers(4)), True)
    )
    count = int(room.width / 0.6)
    wide = room.width / count
    stone = materials.covered(textures.tiles(1), room.any((*PALE, (0.4, 0.38, 0.36))), 2.2, gloss=0.4)
    steel = materials.solid((0.62, 0.63, 0.64), 0.55, 0.03, 0.1)
    glass = materials.solid((0.04, 0.04, 0.045), 0.8, 0.02)
    oven = int(room.random.integers(1, count - 1))
    for k in range(count):
        middle = -w + (k + 0.5) * wide
        if k == oven:
            room.add([box((middle - wide / 2, 0.08, far - 0.6), (middle + wide / 2, 0.86, far), steel)])
            room.add([box((middle - wide * 0.4, 0.18, far - 0.61), (middle + wide * 0.4, 0.62, far - 0.6), glass)])
            room.add([box((middle - wide * 0.4, 0.67, far - 0.64), (middle + wide * 0.4, 0.69, far - 0.62), steel)])
        else:
            room.add(furniture.cupboard((middle, far - 0.3, 0.0), (wide - 0.01, 0.86, 0.58), 1, front, front))
        if abs(middle - x) > 0.62 + wide / 2:
            piece = furniture.cupboard((middle, far - 0.18, 0.0), (wide - 0.01, 0.75, 0.34), 1, front, front)
            room.add(furniture.at((0.0, 0.0, 0.0), piece, 1.45))
    room.add([box((-w, 0.86, far - 0.64), (w, 0.90, far), stone, 0.008)])
    for _ in range(7):
        room.add(
            furniture.vase((room.between(-w + 0.2, w - 0.2), far - room.between(0.15, 0.4)), 0.90, room.random, 0.9)
        )
    if room.chance(0.7):
        top = materials.wood(int(room.random.integers(4)))
        room.add(furniture.table((room.between(-0.5, 0.5), far - 2.2, room.between(-0.3, 0.3)), top, (1.2, 0.75, 0.8)))
        room.add(furniture.vase((0.0, far - 2.2), 0.75, room.random, 1.2))
    ceiling_lamp(room, 0.0, far - 1.8, 3.0)


def classroom(room: Room) -> None:
    """Rows of desks in front of a board."""
    far, w = room.depth, room.width / 2
    wall = "left" if room.chance(0.5) else "right"
    for spot in (2.0, far * 0.5, far - 1.3):
        window(room, wall, spot, 0.9, 1.5, 1.5, room.between(4, 7), 2)
    shell(room, _floor(room, soft=False), _walls(room, 0.1), _ceiling())
    if room.chance(0.7):
        board = materials.solid(room.any(((0.10, 0.20, 0.16), (0.07, 0.08, 0.08))), 0.12, 0.14, 1.2)  # chalk, wiped
    else:
        board = materials.solid((0.92, 0.93, 0.93), 0.4, 0.012, 1.2)
    rim = materials.wood(1)
    room.add(
        [box((-1.9, 0.85, far - 0.03), (1.9, 2.1, far), board), box((-1.95, 0.80, far - 0.1), (1.95, 0.85, far), rim)]
    )
    room.add([box((-1.95, 2.1, far - 0.05), (1.95, 2.15, far), rim)])
    top = materials.wood(int(room.random.integers(2)))
    dark = materials.solid((0.22, 0.23, 0.25), 0.3)
    for row in range(3):
        for column in (-1, 0, 1):
            x, z = column * room.width * 0.29 + room.between(-0.05, 0.05), far - 2.2 - row * 1.35
            if z < 1.4:
                continue
            room.add(furniture.table((x, z, room.between(-0.05, 0.05)), top, (1.15, 0.74, 0.55), 0.03))
            room.add(
                furniture.chair((x + room.between(-0.15, 0.15), z - 0.45, np.pi + room.between(-0.3, 0.3)), top, dark)
            )
    room.add(furniture.table((room.between(-1.5, 1.5), far - 1.0, 0.0), top, (1.4, 0.76, 0.65)))
    picture(room, "back", -w + 0.45 if wall == "right" else w - 0.45, 1.7, 0.5, 0.7)
    for x in (-w * 0.5, w * 0.5):
        for z in (far - 1.5, far - 3.8):
            ceiling_lamp(room, float(x), float(z), 3.0)


KINDS = {
    "living_room": (living_room, (3.8, 5.4), (4.2, 5.6), (2.5, 2.9)),
    "bedroom": (bedroom, (3.6, 4.8), (4.2, 5.2), (2.4, 2.8)),
    "office": (office, (3.6, 5.0), (3.8, 4.8), (2.5, 2.9)),
    "library/indoor": (library, (4.0, 5.4), (5.0, 6.4), (2.8, 3.4)),
    "corridor": (corridor, (1.9, 2.6), (8.0, 13.0), (2.5, 2.9)),
    "art_gallery": (gallery, (5.0, 7.0), (5.5, 7.5), (3.0, 3.8)),
    "dining_room": (dining_room, (3.8, 5.0), (4.2, 5.4), (2.5, 2.9)),
    "kitchen": (kitchen, (3.2, 4.8), (3.8, 4.8), (2.5, 2.7)),
    "classroom": (classroom, (6.0, 7.5), (6.5, 7.5), (2.8, 3.2)),
}
"""Scene -> builder, then the ranges of width, depth and height in metres."""


def draw(scene: str, seed: int, name: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw a room of a kind of :data:`KINDS`: (size[1], size[0], 3) uint8 RGB, from (seed, name) alone."""
    random = rng(seed, "room", scene, name)
    build, widths, depths, heights = KINDS[scene]
    width, depth, height = (float(random.uniform(*limits)) for limits in (widths, depths, heights))
    room = Room(random, width, depth, height)
    build(room)
    wide, high = (round(side * OVERSAMPLE) for side in size)
    aim = room.between(-0.20, 0.20) if scene != "corridor" else room.between(-0.06, 0.06)
    eye = (
        room.width * (room.between(-0.22, 0.22) - 0.25 * aim),
        room.between(1.15, 1.6),
        room.between(0.2, 0.2 + 0.12 * room.depth),
    )
    camera = Camera(eye, aim, room.between(-0.07, 0.0), room.between(0.72, 0.95), wide, high)
    warm = room.between(0, 1)
    fill = np.array([1.0, 0.97 - 0.03 * warm, 0.93 - 0.08 * warm], np.float32) * room.between(0.28, 0.5)
    sun = None
    if room.windows and room.chance(0.45):
        first = np.asarray(room.windows[0].normal)
        toward = -first + np.array([0.35, 0, 0.35]) * random.uniform(-1, 1, 3)
        toward[1] = random.uniform(0.45, 1.0)
        toward /= np.linalg.norm(toward)
        sun = Sun(toward.tolist(), (7.5, 6.6, 5.2), tuple(room.windows))
    lighting = Lighting(fill, fill * tint((0.84, 0.78, 0.72)), room.panels, sun)
    scene_ = Scene(camera, lighting, outside(random, room.between(2.5, 4.5)), room.shapes)
    frame = render(scene_)
    for plant_ in room.plants:
        leaves.draw(frame, camera, plant_, fill * 1.9, (0.5, 0.6, -0.6))
    balance = (1.0 + 0.05 * (warm - 0.4), 1.0, 1.0 - 0.06 * (warm - 0.4))
    lens = Lens(
        *size,
        key=room.between(0.19, 0.27),
        white_balance=balance,
        focus=room.depth * 0.7,
        aperture=room.between(0.2, 1.0),
        noise=room.between(0.004, 0.012),
        vignette=room.between(0.08, 0.3),
    )
    return develop(frame.light, frame.depth, lens, random)
