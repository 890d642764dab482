"""Drawn landscapes: the shape of the land, what grows on it, water, and the weather above."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from curation.identity import rng
from pipelines.sample.scenery import sky, terrain, textures
from pipelines.sample.scenery.country import Country, balanced, compose, plant
from pipelines.sample.scenery.lens import Lens, develop
from pipelines.sample.scenery.noise import Floats, grain, tint
from pipelines.sample.scenery.render import Camera
from pipelines.sample.scenery.terrain import Land

OVERSAMPLE = 1.2


def _offset(random: np.random.Generator) -> tuple[np.float32, np.float32]:
    x, z = random.uniform(0, 1e4, 2)
    return np.float32(x), np.float32(z)


def _mix(a: Floats, b: Floats, share: Floats) -> Floats:
    return np.asarray(a + (b - a) * np.clip(share, 0, 1)[:, None], np.float32)


def _grass(land: Land, tone: Floats, dry: float = 0.0) -> Floats:
    """Meadow: photographed blades near, patches and sun-bleached spots further off."""
    blades = textures.ground("grass").sample(land.x, land.z, land.footprint)
    patch = grain(land.x, land.z, land.footprint, 23.0)
    field_ = grain(land.x, land.z, land.footprint, 310.0)
    share = np.clip(dry + 0.22 * patch[:, 2] + 0.2 * field_[:, 2], 0, 1)
    colour = _mix(np.broadcast_to(tone, (land.x.size, 3)), tint((0.66, 0.60, 0.36)), share)
    return np.asarray(
        colour * (0.35 + 0.65 * blades)[:, None] * (1 + 0.16 * patch[:, :1] + 0.1 * field_[:, 1:2]), np.float32
    )


def _stony(land: Land, tone: Floats) -> Floats:
    near = textures.ground("gravel").sample(land.x, land.z, land.footprint)
    wide = grain(land.x + land.y * 0.7, land.z + land.y * 0.4, land.footprint, 140.0)
    fine = grain(land.x, land.y * 2 + land.z * 0.3, land.footprint, 12.0)
    shade = (0.4 + 0.6 * near) * (1 + 0.22 * wide[:, 0] + 0.18 * wide[:, 2] + 0.15 * fine[:, 0])
    return np.asarray(tone * np.clip(shade, 0.1, 3)[:, None], np.float32)


def _canopy(x: Floats, z: Floats, footprint: Floats, metres: float) -> Floats:
    """Tree tops, 0 to 1: rounded bumps of about ``metres``."""
    scale = metres * 14
    bumps = grain(x, z, footprint, scale)
    return np.clip(0.5 + 0.32 * bumps[:, 0] + 0.25 * grain(x + 77, z, footprint, metres * 5)[:, 1], 0, 1)


def _woodland(land: Land, tone: Floats, tops: Floats) -> Floats:
    """Foliage of a wood: light tops, dark gaps, leaves that do not smear down the wood's edge."""
    wide = grain(land.x, land.z, land.footprint, 70.0)
    leaf = grain(land.x * 0.8 + land.z * 0.6, land.y * 1.3 + land.z * 0.4, land.footprint, 6.0)
    shade = 0.30 + 0.75 * tops + 0.16 * wide[:, 0] + 0.16 * wide[:, 2] + 0.30 * leaf[:, 0] + 0.12 * leaf[:, 1]
    return np.asarray(tone * np.clip(shade, 0.08, 2.2)[:, None], np.float32)


def _hills(seed: tuple[np.float32, np.float32], high: float, wide: float) -> terrain.Height:
    def height(x: Floats, z: Floats, footprint: Floats) -> Floats:
        waves = grain(x + seed[0], z + seed[1], footprint, wide)
        return np.asarray(high * (0.5 + 0.30 * waves[:, 2]), np.float32)

    return height


def mountain(random: np.random.Generator, snowy: bool = False) -> Country:
    """Real relief above a meadow and woods; with snow on request."""
    o = _offset(random)
    times = ("noon", "morning", "evening", "noon") if not snowy else ("noon", "morning", "overcast")
    air = sky.weather(random, times, far=float(random.uniform(14000, 26000)))
    peak, wide = float(random.uniform(900, 2200)), float(random.uniform(11000, 17000))
    start = float(random.uniform(900, 2600))
    woods = float(random.uniform(0.25, 0.5)) if not snowy else 0.3
    lake = bool(random.random() < 0.35)

    def height(x: Floats, z: Floats, footprint: Floats) -> Floats:
        rising = np.clip((z - start * 0.5) / start, 0, 1) ** 1.5
        big = terrain.mountains(x + o[0], z + o[1], footprint, wide)
        crags = terrain.ridges(x + o[1], z + o[0], footprint, 3100.0)
        rough = grain(x + o[0], z + o[1], footprint, 420.0)
        base = peak * rising * (0.80 * big**1.3 + 0.16 * crags[:, 0] * big)
        base = base + rising * (9 * rough[:, 1] + 6 * rough[:, 0])
        meadow = 2.0 * grain(x + o[1], z, footprint, 260.0)[:, 2] * np.clip(z / 60, 0.1, 1)
        meadow = meadow + 0.03 * grain(x, z + o[1], footprint, 3.0)[:, 2]
        if lake:
            meadow = meadow - 14 * np.exp(-(((z - 430) / 260) ** 2))
        trees = 14 * _canopy(x, z, footprint, 7.0) * _wooded(x, z, footprint, base)
        return np.asarray(base + meadow + trees, np.float32)

    def _wooded(x: Floats, z: Floats, footprint: Floats, base: Floats) -> Floats:
        patches = grain(x + o[1], z + o[0], footprint, 900.0)[:, 2]
        line = peak * (0.42 + 0.06 * patches)
        edge = grain(x, z, footprint, 60.0)[:, 0] * 0.25
        share = np.clip((patches + edge + woods * 2 - 0.6) * 4, 0, 1) * np.clip((line - base) / 60, 0, 1)
        return np.asarray(share * np.clip((z - 330) / 120, 0, 1), np.float32)

    green, pine = tint((0.36, 0.46, 0.18)), tint((0.15, 0.23, 0.12))
    rock = tint((0.47, 0.44, 0.41)) * float(random.uniform(0.8, 1.2))

    def colours(land: Land) -> Floats:
        steep = 1 - land.normal[:, 1]
        rough = grain(land.x, land.z, land.footprint, 300.0)
        base = _mix(_grass(land, green, 0.2), _stony(land, rock), (steep - 0.22 + 0.06 * rough[:, 0]) * 8)
        high = np.clip((land.y - peak * (0.50 + 0.05 * rough[:, 2])) / 120, 0, 1)
        base = _mix(base, _stony(land, rock), high)
        trees = _wooded(land.x, land.z, land.footprint, land.y - 8)
        leaf = _woodland(land, pine * 1.2, _canopy(land.x, land.z, land.footprint, 7.0))
        base = _mix(base, leaf, trees * 1.5 - 0.2)
        if snowy:
            level = peak * (0.30 + 0.09 * rough[:, 2] + 0.03 * rough[:, 0])
            cover = np.clip((land.y - level) / 90, 0, 1) * np.clip((0.52 - steep + 0.1 * rough[:, 0]) * 7, 0, 1)
            base = _mix(base, np.broadcast_to(tint((0.93, 0.95, 0.98)), base.shape), cover)
        return base

    country = Country(height, colours, air, float(random.uniform(3, 14)), float(random.uniform(0.05, 0.22)))
    country.focal = float(random.uniform(0.95, 1.6))
    if lake:
        country.water = -3.0
    for _ in range(int(random.integers(0, 5))):
        x, z = float(random.uniform(-30, 30)), float(random.uniform(28, 70))
        country.trees.append((x, z, float(random.uniform(6, 11)), "fir" if snowy or random.random() < 0.5 else "broad"))
    return country


def mountain_snowy(random: np.random.Generator) -> Country:
    """Mountains under snow."""
    return mountain(random, snowy=True)


def lake(random: np.random.Generator) -> Country:
    """Still water before a wooded shore and hills."""
    o = _offset(random)
    air = sky.weather(random, far=float(random.uniform(9000, 16000)))
    shore = float(random.uniform(140, 420))
    peak, wide = float(random.uniform(250, 900)), float(random.uniform(9000, 15000))
    leafy = tint([(0.30, 0.38, 0.16), (0.17, 0.26, 0.13), (0.52, 0.36, 0.13)][int(random.integers(3))])

    def land_(x: Floats, z: Floats, footprint: Floats) -> Floats:
        edge = shore + 60 * grain(x + o[0], z * 0, footprint, 700.0)[:, 2] + 0.10 * np.abs(x)
        bank = np.clip((z - edge) / 30, -1, 1)
        rising = np.clip((z - shore - 150) / 2500, 0, 1)
        big = terrain.mountains(x + o[0], z + o[1], footprint, wide)
        return np.asarray(2.2 * bank + rising * (peak * big + 0.05 * peak), np.float32)

    def height(x: Floats, z: Floats, footprint: Floats) -> Floats:
        ground = land_(x, z, footprint)
        near = 1.2 * np.exp(-(((z - 3) / 4.0) ** 2)) * (1 + 0.4 * grain(x + o[0], z, footprint, 5.0)[:, 1])
        tall = np.clip((ground - 1.2) / 1.0, 0, 1) * (9 + 3 * grain(x, z, footprint, 120.0)[:, 2])
        return np.asarray(ground + tall * (0.25 + _canopy(x + o[0], z + o[1], footprint, 5.0)) + near, np.float32)

    def colours(land: Land) -> Floats:
        tops = _canopy(land.x + o[0], land.z + o[1], land.footprint, 5.0)
        wood = _woodland(land, leafy, tops)
        bank = _stony(land, tint((0.45, 0.40, 0.33)))
        base = _mix(bank, wood, (land.y - 2.4) / 1.5)
        reeds = _grass(land, tint((0.40, 0.43, 0.20)), 0.25)
        return _mix(base, reeds, np.clip((60 - land.z) / 10, 0, 1))

    country = Country(height, colours, air, float(random.uniform(1.9, 3.2)), float(random.uniform(-0.04, 0.12)))
    country.water, country.waves = 0.0, float(random.uniform(0.15, 0.9))
    country.focal = float(random.uniform(0.85, 1.5))
    return country


def beach(random: np.random.Generator) -> Country:
    """Sand, surf and the sea up to the horizon; sometimes a headland."""
    o = _offset(random)
    air = sky.weather(random, ("noon", "morning", "evening", "noon", "overcast"), far=22000)
    shore, lean = float(random.uniform(11, 26)), float(random.uniform(-0.5, 0.5))
    cape = float(random.uniform(-1, 1)) if random.random() < 0.6 else None

    def edge(x: Floats, z: Floats, footprint: Floats) -> Floats:
        return np.asarray(shore + lean * x + 2.6 * grain(x + o[0], z * 0, footprint, 34.0)[:, 2] - z, np.float32)

    def height(x: Floats, z: Floats, footprint: Floats) -> Floats:
        slope = 0.045 * edge(x, z, footprint)
        bumps = 0.035 * grain(x + o[1], z, footprint, 3.3)[:, 2] + 0.006 * grain(x, z + o[1], footprint, 0.5)[:, 2]
        ground = np.where(slope > 0, slope + bumps * np.clip(slope * 4, 0, 1), np.maximum(slope * 2, -6))
        if cape is not None:
            way = np.abs(x - cape * 900) / 700 + np.abs(z - 1500) / 500
            rocks = grain(x + o[0], z, footprint, 320.0)
            ground = np.maximum(ground, 120 * (1 - way) + 22 * rocks[:, 1] + 8 * rocks[:, 0])
        return np.asarray(ground, np.float32)

    sand = tint([(0.80, 0.72, 0.57), (0.72, 0.62, 0.48), (0.85, 0.80, 0.70)][int(random.integers(3))])

    def colours(land: Land) -> Floats:
        grit = grain(land.x, land.z, land.footprint, 0.25)
        spots = grain(land.x, land.z, land.footprint, 6.0)
        stones = textures.ground("gravel").sample(land.x * 3, land.z * 3, land.footprint * 3)
        colour = sand * (1 + 0.10 * grit[:, 0] + 0.05 * spots[:, 1])[:, None] * (0.85 + 0.15 * stones)[:, None]
        wet = np.clip((0.16 - land.y + 0.03 * spots[:, 2]) / 0.10, 0, 1)
        colour = _mix(colour, colour * 0.45, wet)
        far_rock = _mix(
            _stony(land, tint((0.46, 0.42, 0.36))), _grass(land, tint((0.33, 0.40, 0.20))), (land.y - 40) / 40
        )
        return _mix(colour, far_rock, (land.z - 300) / 50)

    country = Country(height, colours, air, float(random.uniform(1.6, 3.4)), float(random.uniform(-0.08, 0.12)))
    country.water, country.waves = 0.0, float(random.uniform(0.8, 1.6))
    return country


def field_wild(random: np.random.Generator) -> Country:
    """Meadows with trees and a wood's edge."""
    o = _offset(random)
    air = sky.weather(random, far=float(random.uniform(5000, 12000)))
    rolling = _hills(o, float(random.uniform(6, 26)), float(random.uniform(240, 700)))
    wood = float(random.uniform(150, 500))
    path = float(random.uniform(-4, 4)) if random.random() < 0.5 else None
    dry = float(random.uniform(0.0, 0.5))
    tone = tint([(0.38, 0.48, 0.19), (0.45, 0.52, 0.22), (0.33, 0.43, 0.20)][int(random.integers(3))])

    def wooded(x: Floats, z: Floats, footprint: Floats) -> Floats:
        patches = grain(x + o[1], z + o[0], footprint, 520.0)
        return np.clip((patches[:, 2] + 0.3 * patches[:, 0] + 0.001 * (z - wood) - 0.1) * 6, 0, 1) * np.clip(
            (z - wood) / 25, 0, 1
        )

    def height(x: Floats, z: Floats, footprint: Floats) -> Floats:
        clear = np.clip(z / 80, 0.03, 1)
        ground = (rolling(x, z, footprint) - rolling(x * 0, z * 0, footprint)) * clear
        tufts = 0.06 * grain(x + o[0], z, footprint, 2.7)[:, 2] + 0.02 * grain(x, z, footprint, 0.7)[:, 1]
        trees = (8 + 7 * _canopy(x + o[0], z, footprint, 5.5)) * wooded(x, z, footprint)
        return np.asarray(ground + tufts + trees, np.float32)

    def colours(land: Land) -> Floats:
        base = _grass(land, tone, dry)
        flowers = grain(land.x, land.z, land.footprint, 0.9)
        bloom = np.clip((flowers[:, 0] - 1.9) * 3, 0, 1) * np.clip((40 - land.z) / 20, 0, 1)
        base = _mix(base, np.broadcast_to(tint((0.92, 0.85, 0.42)), base.shape), bloom * 0.8)
        if path is not None:
            wander = path + 3.5 * np.sin(land.z / 31) + 0.35 * grain(land.x, land.z, land.footprint, 3.0)[:, 1]
            tracks = np.minimum(np.abs(land.x - wander - 0.75), np.abs(land.x - wander + 0.75))
            base = _mix(base, _stony(land, tint((0.62, 0.54, 0.43))), (0.42 - tracks) * 5)
        trees = wooded(land.x, land.z, land.footprint)
        tops = _canopy(land.x + o[0], land.z, land.footprint, 5.5)
        leaf = _woodland(land, tint((0.28, 0.35, 0.16)), tops)
        return _mix(base, leaf, trees * 2 - 0.3)

    country = Country(height, colours, air, float(random.uniform(1.5, 2.6)), float(random.uniform(-0.06, 0.14)))
    for _ in range(int(random.integers(1, 6))):
        z = float(random.uniform(14, 70))
        x = float(random.uniform(-0.55, 0.55)) * z
        country.trees.append((x, z, float(random.uniform(5, 11)), "broad" if random.random() < 0.75 else "fir"))
    return country


def desert(random: np.random.Generator) -> Country:
    """Dunes with sharp crests and wind ripples."""
    o = _offset(random)
    air = sky.weather(random, ("noon", "morning", "evening"), far=12000)
    tall, wide = float(random.uniform(14, 34)), float(random.uniform(500, 900))
    sand = tint([(0.83, 0.62, 0.40), (0.86, 0.72, 0.50), (0.76, 0.58, 0.42)][int(random.integers(3))])

    def height(x: Floats, z: Floats, footprint: Floats) -> Floats:
        crests = terrain.ridges(x + o[0], z * 1.5 + o[1], footprint, wide)
        small = terrain.ridges(x + o[1], z * 1.8 + o[0], footprint, wide * 0.23)
        clear = np.clip(z / 60, 0.04, 1)
        bend = 4 * grain(x, z, footprint, 11.0)[:, 2]
        ripple = 0.012 * np.sin((z * 1.0 + 0.25 * x + bend) * 2 * np.pi / 0.32) * np.clip(1 - footprint / 0.05, 0, 1)
        return np.asarray(clear * (tall * crests[:, 0] ** 2 + 2.0 * small[:, 0] ** 2) + ripple, np.float32)

    def colours(land: Land) -> Floats:
        grit = grain(land.x, land.z, land.footprint, 0.3)
        drift = grain(land.x, land.z, land.footprint, 40.0)
        return sand * (1 + 0.09 * grit[:, 0] + 0.05 * drift[:, 0] + 0.05 * drift[:, 2])[:, None]

    country = Country(height, colours, air, float(random.uniform(2.5, 7)), float(random.uniform(-0.05, 0.15)))
    country.eye += tall * 0.3
    country.far = 5000.0
    return country


def snowfield(random: np.random.Generator) -> Country:
    """Snow with drifts, a wood behind, bare hills."""
    o = _offset(random)
    air = sky.weather(random, ("noon", "morning", "overcast", "evening"), far=float(random.uniform(4000, 9000)))
    rolling = _hills(o, float(random.uniform(12, 45)), float(random.uniform(400, 900)))
    wood = float(random.uniform(60, 240))

    def wooded(x: Floats, z: Floats, footprint: Floats) -> Floats:
        patches = grain(x + o[1], z + o[0], footprint, 300.0)
        return np.clip((patches[:, 2] + 0.4 * patches[:, 0] + 0.1) * 5, 0, 1) * np.clip((z - wood) / 15, 0, 1)

    def height(x: Floats, z: Floats, footprint: Floats) -> Floats:
        ground = (rolling(x, z, footprint) - rolling(x * 0, z * 0, footprint)) * np.clip(z / 60, 0.05, 1)
        drifts = 0.22 * grain(x + o[0], z * 1.6, footprint, 14.0)[:, 2] + 0.012 * grain(x * 2, z, footprint, 1.6)[:, 2]
        trees = (5 + 7 * _canopy(x, z, footprint, 3.0)) * wooded(x, z, footprint)
        return np.asarray(ground + drifts + trees, np.float32)

    def colours(land: Land) -> Floats:
        glitter = grain(land.x, land.z, land.footprint, 0.2)[:, 0]
        snow = tint((0.92, 0.94, 0.97)) * (1 + 0.05 * glitter)[:, None]
        tops = _canopy(land.x, land.z, land.footprint, 3.0)
        fine = grain(land.x + land.z * 0.5, land.y * 2, land.footprint, 5.0)[:, 0]
        leaf = _woodland(land, tint((0.24, 0.26, 0.22)), tops)
        leaf = _mix(leaf, snow, (tops - 0.6 + 0.16 * fine) * 2.2)
        return _mix(snow, leaf, wooded(land.x, land.z, land.footprint) * 2 - 0.3)

    country = Country(height, colours, air, float(random.uniform(1.6, 3.0)), float(random.uniform(-0.06, 0.1)))
    for _ in range(int(random.integers(1, 6))):
        z = float(random.uniform(14, 60))
        country.trees.append((float(random.uniform(-0.5, 0.5)) * z, z, float(random.uniform(5, 12)), "snowy"))
    return country


def wheat_field(random: np.random.Generator) -> Country:
    """Ripe corn in rows up to a line of trees."""
    country = field_wild(random)
    o = _offset(random)
    ripe = tint([(0.80, 0.66, 0.34), (0.70, 0.62, 0.30), (0.62, 0.64, 0.30)][int(random.integers(3))])
    base_height, base_colours = country.height, country.colours
    lane, slant = float(random.uniform(1.4, 2.4)), float(random.uniform(-0.4, 0.4))
    edge = float(random.uniform(80, 200))

    def height(x: Floats, z: Floats, footprint: Floats) -> Floats:
        ears = 0.22 * grain(x + o[0], z, footprint, 0.9)[:, 0] * np.clip(1 - footprint / 0.3, 0, 1)
        return np.asarray(base_height(x, z, footprint) + ears * (z < edge), np.float32)

    def colours(land: Land) -> Floats:
        base = base_colours(land)
        stalks = textures.ground("grass").sample(land.x * 1.3, land.z * 0.45, land.footprint)
        patch = grain(land.x, land.z, land.footprint, 17.0)
        across = (land.x + slant * land.z + 0.1 * patch[:, 1]) / lane
        furrow = np.clip(np.abs(across - np.floor(across) - 0.5) * 9 - 0.5, 0, 1)
        corn = (
            ripe
            * ((0.35 + 0.65 * stalks) * (0.6 + 0.4 * furrow) * (1 + 0.1 * patch[:, 0] + 0.1 * patch[:, 2]))[:, None]
        )
        return _mix(base, corn, (edge - land.z + 6 * patch[:, 2]) / 6)

    country.height, country.colours = height, colours
    country.trees = [tree for tree in country.trees if tree[1] > 45]
    return country


KINDS: dict[str, Callable[[np.random.Generator], Country]] = {
    "mountain": mountain,
    "mountain_snowy": mountain_snowy,
    "lake/natural": lake,
    "beach": beach,
    "field/wild": field_wild,
    "desert/sand": desert,
    "snowfield": snowfield,
    "wheat_field": wheat_field,
}
"""Scene -> builder."""


def draw(scene: str, seed: int, name: str, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw a landscape of a kind of :data:`KINDS`: (size[1], size[0], 3) uint8 RGB, from (seed, name) alone."""
    random = rng(seed, "landscape", scene, name)
    country = KINDS[scene](random)
    wide, high = (round(side * OVERSAMPLE) for side in size)
    camera = Camera((0.0, country.eye, 0.0), 0.0, 0.0, country.focal, wide, high, rise=country.rise)
    frame = compose(country, camera)
    plant(frame, country, camera, random)
    balance = balanced(country.weather)
    lens = Lens(
        *size,
        key=float(random.uniform(0.19, 0.25)),
        white_balance=balance,
        noise=float(random.uniform(0.003, 0.009)),
        vignette=float(random.uniform(0.05, 0.25)),
        focus=60.0,
        aperture=0.0,
        bloom=0.04,
        saturation=float(random.uniform(0.95, 1.15)),
    )
    return develop(frame.light, frame.depth, lens, random)
