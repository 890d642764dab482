"""A ray caster for drawn rooms and streets: nearest shape, its material, and light with soft occlusion."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.sample.scenery.lights import Lighting, reflections
from pipelines.sample.scenery.noise import Floats
from pipelines.sample.scenery.shapes import FAR, Rays, Shape, Surface

STEP = 5
"""Soft light is worked out for every STEP-th pixel, and spread from there."""


CLIP = 0.05
"""Nothing nearer than this is drawn, metres."""


@dataclass(frozen=True)
class Camera:
    """A camera at ``eye`` that looks along z, turned right by ``yaw`` and up by ``pitch`` (radians)."""

    eye: Sequence[float]
    yaw: float
    pitch: float
    focal: float
    """In image heights."""
    width: int
    height: int
    rise: float = 0.0
    """Shift of the lens in image heights: looks up or down and keeps upright lines upright."""

    def basis(self) -> Floats:
        """(3, 3) rows: right, up and forward."""
        cy, sy, cp, sp = math.cos(self.yaw), math.sin(self.yaw), math.cos(self.pitch), math.sin(self.pitch)
        return np.array([[cy, 0, -sy], [-sp * sy, cp, -sp * cy], [cp * sy, sp, cp * cy]], np.float32)

    def directions(self) -> tuple[Floats, Floats, Floats]:
        """x, y, z of each pixel's ray, (H, W) each; the step along the forward axis is 1."""
        right, up, forward = self.basis()
        scale = 1.0 / (self.focal * self.height)
        x = (np.arange(self.width, dtype=np.float32) + 0.5 - self.width / 2) * scale
        y = (self.height / 2 - np.arange(self.height, dtype=np.float32) - 0.5) * scale + self.rise / self.focal
        planes = [x[None, :] * right[k] + y[:, None] * up[k] + forward[k] for k in range(3)]
        return planes[0].astype(np.float32), planes[1].astype(np.float32), planes[2].astype(np.float32)

    def project(self, points: Floats) -> tuple[Floats, Floats, Floats]:
        """Column, row and depth of points (N, 3)."""
        moved = (points - np.asarray(self.eye, np.float32)) @ self.basis().T
        depth = moved[:, 2]
        safe = np.where(np.abs(depth) < 1e-4, 1e-4, depth)
        scale = self.focal * self.height
        column = moved[:, 0] / safe * scale + self.width / 2
        row = self.height / 2 - (moved[:, 1] / safe - self.rise / self.focal) * scale
        return np.asarray(column, np.float32), np.asarray(row, np.float32), np.asarray(depth, np.float32)


Backdrop = Callable[[Floats], Floats]
"""Directions (N, 3), of length 1 -> light (N, 3)."""


@dataclass
class Scene:
    """Everything that one picture needs."""

    camera: Camera
    lighting: Lighting
    backdrop: Backdrop
    shapes: list[Shape] = field(default_factory=list)
    haze: float = 0.0
    """Share of the backdrop's horizon mixed in for each metre."""
    haze_colour: Floats = field(default_factory=lambda: np.zeros(3, np.float32))


@dataclass(frozen=True)
class Frame:
    """A rendered picture in linear light."""

    light: Floats
    """(H, W, 3) linear, not bounded above."""
    depth: Floats
    """(H, W) metres along the viewing axis; FAR for the sky."""


def _window(camera: Camera, shape: Shape) -> tuple[slice, slice] | None:
    """The part of the picture that may show the shape; None where it is behind the camera."""
    corners = shape.corners()
    depth = camera.project(corners)[2]
    if depth.max() < CLIP:
        return None
    if depth.min() < CLIP:
        corners = _clipped(corners, depth)
    column, row, _ = camera.project(corners)
    top, bottom = max(int(row.min()) - 1, 0), min(int(row.max()) + 2, camera.height)
    left, right = max(int(column.min()) - 1, 0), min(int(column.max()) + 2, camera.width)
    return (slice(top, bottom), slice(left, right)) if top < bottom and left < right else None


def _clipped(corners: Floats, depth: Floats) -> Floats:
    """Corners in front of the plane at CLIP, and where the lines to the others cross it."""
    front, behind = corners[depth >= CLIP], corners[depth < CLIP]
    a, b = depth[depth >= CLIP], depth[depth < CLIP]
    share = ((a[:, None] - CLIP) / (a[:, None] - b[None, :]))[..., None]
    crossing = front[:, None] + (behind[None, :] - front[:, None]) * share
    return np.concatenate([front, crossing.reshape(-1, 3)])


def cast(scene: Scene) -> tuple[Floats, NDArray[np.int16], tuple[Floats, Floats, Floats]]:
    """Find what each pixel shows: depth (H, W), number of the shape (H, W; -1 for the sky), and the rays."""
    camera = scene.camera
    rays = camera.directions()
    depth = np.full((camera.height, camera.width), FAR, np.float32)
    number = np.full((camera.height, camera.width), -1, np.int16)
    eye = [np.asarray(v, np.float32) for v in camera.eye]
    for k, shape in enumerate(scene.shapes):
        part = _window(camera, shape)
        if part is None or shape.hidden:
            continue
        found = shape.hit(Rays(*eye, *(r[part] for r in rays)))
        nearer = found < depth[part]
        depth[part] = np.where(nearer, found, depth[part])
        number[part] = np.where(nearer, np.int16(k), number[part])
    return depth, number, rays


def render(scene: Scene) -> Frame:
    """Draw a scene: linear light and depth."""
    depth, number, rays = cast(scene)
    height, width = depth.shape
    flat_depth, flat_number = depth.ravel(), number.ravel()
    directions = np.stack([r.ravel() for r in rays], 1)
    length = np.sqrt(np.einsum("ij,ij->i", directions, directions))
    canvas = _Canvas.of(height * width)
    eye = np.asarray(scene.camera.eye, np.float32)
    pixel = np.float32(1.0 / (scene.camera.focal * height))

    order = np.argsort(flat_number, kind="stable")
    starts = np.searchsorted(flat_number[order], np.arange(-1, len(scene.shapes) + 1))
    sky = order[: starts[1]]
    if sky.size:
        canvas.extra[sky] = scene.backdrop(directions[sky] / length[sky, None])
    for k, shape in enumerate(scene.shapes):
        index = order[starts[k + 1] : starts[k + 2]]
        if not index.size:
            continue
        points = eye + directions[index] * flat_depth[index, None]
        normals, u, v, s, t, face = shape.surface(points)
        view = directions[index] / length[index, None]
        facing = -np.einsum("ij,ij->i", view, normals)
        footprint = flat_depth[index] * pixel / np.sqrt(np.clip(facing, 0.05, 1))
        paint = shape.material(Surface(points, normals, u, v, s, t, face, footprint))
        canvas.normals[index], canvas.albedo[index] = normals, paint.colour
        canvas.key[index] = 4 * k + 1 + face.astype(np.int32)
        if paint.glow is not None:
            canvas.extra[index] += paint.glow
        gloss = np.broadcast_to(np.asarray(paint.gloss, np.float32), index.shape)
        if gloss.max(initial=0) > 0.2:
            canvas.extra[index] += reflections(scene.lighting, points, normals, view, gloss)

    def points_of(index: NDArray[np.int64]) -> Floats:
        return np.asarray(eye + directions[index] * flat_depth[index, None], np.float32)

    irradiance = _soft_light(scene, canvas, points_of, height, width)
    if scene.lighting.sun is not None:
        facing_sun = canvas.normals @ np.asarray(scene.lighting.sun.toward, np.float32) > 1e-3
        lit = np.flatnonzero(facing_sun & (flat_number >= 0))
        irradiance[lit] += scene.lighting.sunlight(points_of(lit), canvas.normals[lit], scene.shapes)
    light = canvas.albedo * irradiance + canvas.extra
    if scene.haze > 0:
        # Sky pixels keep their colour: the haze is already in it.
        share = 1 - np.exp(-scene.haze * np.minimum(flat_depth * length, 1e5))
        share[flat_number < 0] = 0
        light += (scene.haze_colour - light) * share[:, None]
    return Frame(light.reshape(height, width, 3), depth)


@dataclass(frozen=True)
class _Canvas:
    """What is known of each pixel before the light falls on it; flat over the picture."""

    normals: Floats
    albedo: Floats
    extra: Floats
    key: NDArray[np.int32]
    """Shape and face: light is only shared between pixels of one key. 0 for the sky."""

    @classmethod
    def of(cls, count: int) -> "_Canvas":
        normals, albedo, extra = (np.zeros((count, 3), np.float32) for _ in range(3))
        return cls(normals, albedo, extra, np.zeros(count, np.int32))


def _soft_light(
    scene: Scene, canvas: _Canvas, points_of: Callable[[NDArray[np.int64]], Floats], height: int, width: int
) -> Floats:
    """Sky, bounce and panels: worked out on every STEP-th pixel and spread within each face: (H * W, 3)."""
    key = canvas.key.reshape(height, width)
    eye = np.asarray(scene.camera.eye, np.float32)
    rows, columns = -(-height // STEP), -(-width // STEP)
    y, x = np.mgrid[0:rows, 0:columns]
    chosen = (y * STEP * width + x * STEP).ravel()
    grid_key = canvas.key[chosen].reshape(rows, columns)
    # The samples of a panel are moved from point to point, and the points averaged: soft shadows from few rays.
    phase = ((x % 3) + 3 * (y % 3)).ravel()
    light = np.zeros((chosen.size, 3), np.float32)
    hit = np.flatnonzero(grid_key.ravel())
    light[hit] = scene.lighting.soft(points_of(chosen[hit]), canvas.normals[chosen[hit]], phase[hit], scene.shapes, eye)
    grid = _smooth(light.reshape(rows, columns, 3), grid_key)

    # Each pixel takes the coarse points around it that lie on its own face, weighted as for linear interpolation.
    row, column = np.arange(height) // STEP, np.arange(width) // STEP
    fy = ((np.arange(height) % STEP) / STEP).astype(np.float32)
    fx = ((np.arange(width) % STEP) / STEP).astype(np.float32)
    plain = cv2.resize(
        _uniform(grid_key).astype(np.uint8), (columns * STEP, rows * STEP), interpolation=cv2.INTER_NEAREST
    )[:height, :width]
    mapped = np.meshgrid(column + fx, row + fy)
    spread = cv2.remap(
        grid,
        mapped[0].astype(np.float32),
        mapped[1].astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    ).reshape(-1, 3)
    mixed = np.flatnonzero((plain == 0) | (_uniform_at(grid_key, row, column) != key))
    py, px = np.divmod(mixed, width)
    total = np.zeros((mixed.size, 3), np.float32)
    weight = np.zeros(mixed.size, np.float32)
    own = canvas.key[mixed]
    for dy in (0, 1):
        for dx in (0, 1):
            r, c = np.minimum(row[py] + dy, rows - 1), np.minimum(column[px] + dx, columns - 1)
            wy = fy[py] if dy else 1 - fy[py]
            wx = fx[px] if dx else 1 - fx[px]
            w = (wy * wx + 1e-3) * (grid_key[r, c] == own)
            total += grid[r, c] * w[:, None]
            weight += w
    found = weight > 0
    spread[mixed[found]] = total[found] / weight[found, None]
    lost = mixed[~found & (own > 0)]
    if lost.size:  # things too thin to hold a coarse point
        phase = (lost * 7) % 9
        spread[lost] = scene.lighting.soft(points_of(lost), canvas.normals[lost], phase, scene.shapes, eye)
    return np.asarray(spread, np.float32)


def _uniform(key: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Cells of the coarse grid whose four corners lie on one face."""
    right, below = np.roll(key, -1, 1), np.roll(key, -1, 0)
    same = (key == right) & (key == below) & (key == np.roll(right, -1, 0))
    same[-1, :] = same[:, -1] = False
    return np.asarray(same)


def _uniform_at(key: NDArray[np.int32], row: NDArray[np.int64], column: NDArray[np.int64]) -> NDArray[np.int32]:
    return np.asarray(key[row][:, column])


def _smooth(light: Floats, key: NDArray[np.int32]) -> Floats:
    """Average each point with its eight neighbours on the same face."""
    height, width = key.shape
    padded = np.pad(light, ((1, 1), (1, 1), (0, 0)))
    keys = np.pad(key, 1, constant_values=-1)
    total = np.zeros_like(light)
    weight = np.zeros(key.shape, np.float32)
    for dy in range(3):
        for dx in range(3):
            same = (keys[dy : dy + height, dx : dx + width] == key).astype(np.float32)
            total += padded[dy : dy + height, dx : dx + width] * same[..., None]
            weight += same
    return np.asarray(total / weight[..., None], np.float32)
