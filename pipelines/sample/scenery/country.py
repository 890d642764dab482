"""A landscape: land, water and sky under one weather, with single trees on it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from pipelines.sample.scenery import leaves, sky, terrain
from pipelines.sample.scenery.noise import Floats, grain, tint
from pipelines.sample.scenery.render import Camera, Frame
from pipelines.sample.scenery.terrain import Land

Colours = Callable[[Land], Floats]
"""Land -> linear albedo (N, 3)."""


@dataclass
class Country:
    """A landscape under construction."""

    height: terrain.Height
    colours: Colours
    weather: sky.Weather
    eye: float
    """Height of the camera over zero, metres."""
    rise: float
    """Where the horizon lies: 0 in the middle, positive further down, in picture heights."""
    focal: float = 0.9
    water: float | None = None
    """Level of the water, metres."""
    waves: float = 1.0
    """0 is a mirror, 1 a breeze."""
    far: float = 30000.0
    """Where the land ends, metres."""
    trees: list[tuple[float, float, float, str]] = field(default_factory=list)
    """x, z, height and sort (broad, fir or snowy) of single trees."""


def compose(country: Country, camera: Camera) -> Frame:
    """Draw land, water and sky; the camera must look along z without pitch."""
    air = country.weather
    count = camera.height * camera.width
    planes = camera.directions()
    directions = np.stack([p.ravel() for p in planes], 1)
    directions /= np.sqrt(np.einsum("ij,ij->i", directions, directions))[:, None]
    land = terrain.view(camera, country.height, far=country.far)
    depth = terrain.fill_depth(camera, land)
    open_sky = np.ones(count, bool)
    open_sky[land.pixels] = False
    above = np.flatnonzero(open_sky)
    light = np.zeros((count, 3), np.float32)
    light[above] = sky.look(air, directions[above])
    light[land.pixels] = _lit(country, camera, land)
    image = light.reshape(camera.height, camera.width, 3)
    if country.water is not None:
        _flood(country, camera, land, image)
    return Frame(image, depth)


def balanced(air: sky.Weather) -> tuple[float, float, float]:
    """White balance of a camera that takes out half of the light's own colour."""
    light = air.ambient + 0.6 * air.sun
    factor = (light.mean() / light) ** 0.5
    return float(factor[0]), float(factor[1]), float(factor[2])


def haze(air: sky.Weather, light: Floats, distance: Floats) -> Floats:
    """Fade light (N, 3) into the air over ``distance`` (N,) metres; blue fades first."""
    share = 1 - np.exp(-distance[:, None] * air.haze * np.array([0.8, 1.0, 1.25], np.float32))
    return np.asarray(light + (air.horizon * 0.92 - light) * share, np.float32)


def _lit(country: Country, camera: Camera, land: Land) -> Floats:
    air = country.weather
    albedo = country.colours(land)
    sunny = np.clip(land.normal @ air.toward, 0, 1)
    free = terrain.shadows(camera, land, country.height, air.toward)
    for x, z, tall, sort in country.trees:
        free = free * _tree_shadow(country, land, x, z, tall, sort)
    open_ = 0.55 + 0.45 * land.normal[:, 1]
    bounce = 0.12 * (1 - land.normal[:, 1])[:, None] * (air.sun * 0.3 + air.horizon * 0.3)
    light = air.ambient * open_[:, None] * (0.75 + 0.25 * free)[:, None] + air.sun * (sunny * free)[:, None] + bounce
    return haze(air, albedo * light, land.z)


def _tree_shadow(country: Country, land: Land, x: float, z: float, tall: float, sort: str) -> Floats:
    """Share of the sun that a tree lets through to each point (N,)."""
    toward = country.weather.toward
    radius = tall * (0.34 if sort == "broad" else 0.16)
    middle = tall * (0.68 if sort == "broad" else 0.4)
    result = np.ones(land.x.size, np.float32)
    reach = middle / max(float(toward[1]), 0.1) + 2 * radius
    near = np.flatnonzero((np.abs(land.z - z) < reach) & (np.abs(land.x - x) < reach))
    if near.size:
        up = middle / toward[1]
        dx, dz = land.x[near] + toward[0] * up - x, land.z[near] + toward[2] * up - z
        ragged = grain(land.x[near], land.z[near], land.footprint[near], 2.5)[:, 0] * 0.16
        gap = np.hypot(dx, dz) / radius + ragged
        result[near] = np.clip((gap - 0.75) * 2.2, 0.12, 1)
        foot = np.hypot(land.x[near] - x, land.z[near] - z) / (0.12 * tall)
        result[near] *= np.clip(0.35 + 0.65 * foot, 0, 1)
    return result


def _flood(country: Country, camera: Camera, land: Land, image: Floats) -> None:
    """Lay water over the land below its level: reflection, depth, foam at the edge. Changes the image in place."""
    air, level = country.weather, np.float32(country.water or 0.0)
    wet = np.flatnonzero(land.y < level)
    if not wet.size:
        return
    rows, columns = camera.height, camera.width
    focal = camera.focal * rows
    horizon = rows / 2 + camera.rise * rows
    row, column = np.divmod(land.pixels[wet], columns)
    below = np.maximum(row + 0.5 - horizon, 0.15)
    z = ((camera.eye[1] - level) * focal / below).astype(np.float32)
    x = ((column + 0.5 - columns / 2) / focal * z).astype(np.float32)
    footprint = (z / focal).astype(np.float32)
    swell = grain(x * 0.45, z, footprint * 3, 16.0)
    ripple = grain(x * 0.6, z, footprint * 2, 2.1)
    slope = country.waves * (0.035 * swell[:, 1] + 0.045 * ripple[:, 0] + 0.02 * ripple[:, 1])
    slope = slope * np.clip(14 / (1 + z * 0.02), 0.18, 1)
    lift = np.abs(slope) * 1.6 * focal + np.float32(country.waves) * 0.01 * focal
    source_row = np.clip(2 * horizon - row - lift, 0, horizon - 1)
    source_column = np.clip(column + slope * focal * 0.35, 0, columns - 1)
    dry = image.copy()
    dry.reshape(-1, 3)[land.pixels[wet]] = air.horizon  # never mirror what lies under the water
    width = 1024
    fill = -(-wet.size // width) * width
    maps = np.zeros((2, fill), np.float32)
    maps[0, : wet.size], maps[1, : wet.size] = source_column, source_row
    mirrored = cv2.remap(dry, maps[0].reshape(-1, width), maps[1].reshape(-1, width), cv2.INTER_LINEAR)
    mirrored = mirrored.reshape(-1, 3)[: wet.size]
    cosine = np.clip((camera.eye[1] - level) / np.hypot(z, camera.eye[1] - level) + 1.6 * slope, 0.01, 1)
    fresnel = (0.02 + 0.98 * (1 - cosine) ** 5)[:, None]
    deep = np.clip((level - land.y[wet]) / 1.6, 0, 1)[:, None]
    body = tint((0.10, 0.24, 0.26)) * (0.6 + 0.4 * deep) * (air.ambient + 0.35 * air.sun * air.toward[1])
    flat = image.reshape(-1, 3)
    bottom = flat[land.pixels[wet]] * 0.55
    through = bottom + (body - bottom) * deep**0.5
    water = through * (1 - fresnel) + mirrored * fresnel
    if country.waves > 0.7:
        shallow = level - land.y[wet]
        lace = grain(x, z * 1.4, footprint, 3.2)
        surf = 0.0 * shallow
        for at, wide in ((0.03, 0.05), (0.30, 0.10), (0.75, 0.13)):
            band = np.exp(-(((shallow - at - 0.05 * lace[:, 2]) / wide) ** 2))
            surf = np.maximum(surf, band * np.clip(0.55 + 0.5 * lace[:, 0] + 0.35 * lace[:, 1], 0, 1))
        caps = np.clip((swell[:, 0] - 2.1) * 1.5, 0, 1) * np.clip(country.waves - 0.8, 0, 1)
        foam = np.clip(np.maximum(surf, caps), 0, 1)[:, None]
        water = water + (tint((0.93, 0.95, 0.96)) * (air.ambient + 0.6 * air.sun) - water) * foam * 0.85
    flat[land.pixels[wet]] = haze(air, water, z * 0.8)


def plant(frame: Frame, country: Country, camera: Camera, random: np.random.Generator) -> None:
    """Draw the single trees into the frame, far ones first."""
    air = country.weather
    light = air.ambient * 0.85 + air.sun * 0.55
    for x, z, tall, sort in sorted(country.trees, key=lambda tree: -tree[1]):
        ground = float(country.height(*(np.array([v], np.float32) for v in (x, z, 0.05)))[0])
        base = (x, ground - 0.1, z)
        pixels = tall / z * camera.focal * camera.height
        count = int(np.clip(pixels * 18, 700, 7000))
        fade = np.asarray(light, np.float32)
        if sort == "broad":
            leaves.draw(frame, camera, leaves.trunk(base, tall * 0.55, tall * 0.05, 9, random), fade * 0.8, air.toward)
            tone = [(0.36, 0.46, 0.18), (0.28, 0.38, 0.16), (0.46, 0.50, 0.20), (0.58, 0.42, 0.16)][
                int(random.integers(4)) if random.random() < 0.5 else int(random.integers(2))
            ]
            middle = (x, ground + tall * 0.66, z)
            radii = (tall * random.uniform(0.26, 0.40), tall * 0.34, tall * 0.30)
            leaves.draw(frame, camera, leaves.crown(middle, radii, count, tone, random), fade, air.toward)
        else:
            leaves.draw(frame, camera, leaves.trunk(base, tall * 0.4, tall * 0.03, 0, random), fade * 0.7, air.toward)
            snow = 0.35 if sort == "snowy" else 0.0
            leaves.draw(frame, camera, leaves.fir(base, tall, count, snow, random), fade, air.toward)
