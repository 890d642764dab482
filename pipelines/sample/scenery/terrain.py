"""Land as a height field: columns of the picture are walked from the camera to the horizon."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.sample.scenery.noise import TILE, Floats, Texture, spectrum
from pipelines.sample.scenery.render import Camera
from pipelines.sample.scenery.shapes import FAR

Height = Callable[[Floats, Floats, Floats], Floats]
"""x (N,), z (N,) and the size of a pixel there (N,) -> height (N,), metres."""

STEPS = 640


@dataclass(frozen=True)
class Land:
    """What each pixel below the skyline shows; N points."""

    pixels: NDArray[np.int64]
    """(N,) flat position in the picture."""
    x: Floats
    y: Floats
    z: Floats
    """Position, metres; z is also the depth."""
    footprint: Floats
    """Size of a pixel on the ground, metres."""
    normal: Floats
    """(N, 3)."""


def view(camera: Camera, height: Height, near: float = 1.5, far: float = 30000.0) -> Land:
    """Find the land that each pixel shows. The camera must look along z without pitch; use its ``rise``."""
    columns, rows = camera.width, camera.height
    focal = camera.focal * rows
    slope = ((np.arange(columns, dtype=np.float32) + 0.5 - columns / 2) / focal)[None, :]
    depth = np.geomspace(near, far, STEPS, dtype=np.float32)[:, None]
    # Heights of every other column: between them the land is straight.
    coarse = cv2.resize(slope, (columns // 2, 1), interpolation=cv2.INTER_AREA)
    x = (camera.eye[0] + depth * coarse).astype(np.float32)
    z = np.broadcast_to(depth, x.shape)
    footprint = np.ascontiguousarray(np.broadcast_to(np.maximum(z / focal, z * 0.008), z.shape))
    level = height(x.ravel(), z.ravel() + np.float32(camera.eye[2]), footprint.ravel()).reshape(x.shape)
    level = cv2.resize(level, (columns, STEPS), interpolation=cv2.INTER_LINEAR)
    row = rows / 2 + (camera.rise * rows) - (level - camera.eye[1]) / depth * focal
    # The skyline seen so far: a pixel shows the first step that rises to it.
    best = np.minimum.accumulate(row, axis=0)
    pixel_rows = np.arange(rows, dtype=np.float32) + 0.5
    first = np.empty((rows, columns), np.int32)
    for k in range(columns):
        first[:, k] = np.searchsorted(-best[:, k], -pixel_rows, side="left")
    land = first < STEPS
    pixels = np.flatnonzero(land)
    py, px = np.divmod(pixels, columns)
    step = first.ravel()[pixels]
    before = np.maximum(step - 1, 0)
    high, low = row[before, px], row[step, px]
    share = np.clip((high - pixel_rows[py]) / np.maximum(high - low, 1e-3), 0, 1)
    share = np.where(step == 0, 1.0, share).astype(np.float32)
    flat = depth[:, 0]
    dz = flat[before] + (flat[step] - flat[before]) * share
    dy = level[before, px] + (level[step, px] - level[before, px]) * share
    dx = (camera.eye[0] + dz * slope[0, px]).astype(np.float32)
    north = np.gradient(level, axis=0)
    # cv2.remap works in 32nds of a texel: near the camera that is coarse, so slopes are taken over more pixels.
    reach = 4
    padded = np.pad(level, ((0, 0), (reach, reach)), mode="edge")
    wide = (padded[:, 2 * reach :] - padded[:, : -2 * reach]) / (2 * reach)
    east = np.where(depth < 80, wide, np.gradient(level, axis=1))
    along = (np.gradient(flat)[:, None] * np.ones_like(slope)).astype(np.float32)
    east /= np.maximum(depth / focal, 1e-6)
    north = north / along - east * slope  # along a column x changes with the depth
    normal = np.stack([-east[step, px], np.ones_like(dz), -north[step, px]], 1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    size = (dz / focal).astype(np.float32)
    grazing = np.clip(np.abs(camera.eye[1] - dy) / np.maximum(dz, 0.1), 0.02, 1)
    world = dz + np.float32(camera.eye[2])
    footprint = (size / np.sqrt(grazing)).astype(np.float32)
    order = np.argsort(footprint)  # textures are read fastest from near to far
    parts: tuple[Any, ...] = (pixels, dx, dy.astype(np.float32), world, footprint, normal.astype(np.float32))
    return Land(*(part[order] for part in parts))


def shadows(camera: Camera, land: Land, height: Height, toward: Floats) -> Floats:
    """Share of the sun that reaches each point of the land (N,), found on every fourth pixel and spread."""
    step = 4
    rows, columns = camera.height, camera.width
    py, px = np.divmod(land.pixels, columns)
    chosen = np.flatnonzero((py % step == 0) & (px % step == 0))
    grid = np.ones((-(-rows // step), -(-columns // step)), np.float32)
    if chosen.size:
        x, y, z, size = land.x[chosen], land.y[chosen], land.z[chosen], land.footprint[chosen]
        free = np.ones(chosen.size, np.float32)
        start = np.maximum(0.004 * z, 0.4)
        for k in range(9):
            reach = start * np.float32(2.0**k)
            over = y + toward[1] * reach - height(x + toward[0] * reach, z + toward[2] * reach, size + reach * 0.02)
            free = np.minimum(free, np.clip(0.5 + over / (0.10 * reach + 0.3 * size), 0, 1))
        grid[py[chosen] // step, px[chosen] // step] = free
    # Pixels of the sky would lighten the skyline: they take the darkest of their surroundings instead.
    grid = np.minimum(grid, cv2.blur(grid, (3, 3)))
    spread = cv2.resize(grid, (grid.shape[1] * step, grid.shape[0] * step), interpolation=cv2.INTER_LINEAR)
    return np.asarray(spread[:rows, :columns].ravel()[land.pixels], np.float32)


def fill_depth(camera: Camera, land: Land) -> Floats:
    """Depth (H, W) of the picture, FAR for the sky."""
    depth = np.full(camera.height * camera.width, FAR, np.float32)
    depth[land.pixels] = land.z - np.float32(camera.eye[2])
    return depth.reshape(camera.height, camera.width)


@lru_cache(maxsize=1)
def _mountains() -> Texture:
    """Heights 0 to 1 of real mountains (Jacksboro, Tennessee; U.S. Geological Survey; shipped by matplotlib).

    Raises FileNotFoundError where matplotlib no longer ships them.
    """
    spec = find_spec("matplotlib")
    name = "mpl-data/sample_data/jacksboro_fault_dem.npz"
    path = Path(spec.origin).parent / name if spec and spec.origin else Path(name)
    if not path.is_file():
        raise FileNotFoundError(f"matplotlib does not ship {name}; install the locked environment with 'make setup'")
    with np.load(path) as data:
        heights = data["elevation"].astype(np.float32)
    heights = cv2.resize(heights, (TILE, TILE), interpolation=cv2.INTER_CUBIC)
    heights = (heights - heights.min()) / (heights.max() - heights.min())
    whole = np.vstack([heights, heights[::-1]])
    return Texture(np.hstack([whole, whole[:, ::-1]]), 1.0)


def mountains(x: Floats, z: Floats, footprint: Floats, metres: float) -> Floats:
    """Heights 0 to 1 of real mountains, repeated (mirrored) every ``metres``."""
    scale = np.float32(1.0 / metres)
    return _mountains().sample(x * scale, z * scale, footprint * scale)


@lru_cache(maxsize=1)
def _ridges() -> Texture:
    """Sharp crests for dunes and rock: four fields, 0 to 1, highest on the crest."""
    waves = [np.tanh(spectrum(k, "ridge", 2.1, high=16 + 24 * k) * 1.4) for k in range(4)]
    fields = [1.14 - np.sqrt(w * w + 0.02) for w in waves]  # rounded a little, as wind and frost leave a crest
    return Texture(np.dstack(fields).astype(np.float32), 1.0)


def ridges(x: Floats, z: Floats, footprint: Floats, metres: float) -> Floats:
    """Four ridge fields (N, 4), 0 to 1, one tile a ``metres``."""
    scale = np.float32(1.0 / metres)
    return _ridges().sample(x * scale, z * scale, footprint * scale)
