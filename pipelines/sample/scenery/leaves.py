"""Plants and trees: leaves drawn one by one into a rendered frame, far ones first, hidden by nearer things."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipelines.sample.scenery.noise import Floats, tint
from pipelines.sample.scenery.render import Camera, Frame

SHIFT = 4
"""Fractional bits of the coordinates that cv2 draws with."""


@dataclass(frozen=True)
class Leaves:
    """Many leaves: each is a strip of points that grows from its stem."""

    spine: Floats
    """(N, K, 3) points along each leaf, metres."""
    width: Floats
    """(N,) greatest width, metres."""
    colour: Floats
    """(N, 3) linear albedo."""
    wood: bool = False
    """Trunks and branches: widest at their start."""


def house_plant(place: Sequence[float], tall: float, kind: int, random: np.random.Generator) -> Leaves:
    """A plant in a pot whose soil is at ``place``: 0 broad leaves, 1 long arching leaves, 2 a bush."""
    count = (34, 46, 260)[kind]
    base = np.asarray(place, np.float32)
    turn = random.uniform(0, 2 * np.pi, count)
    steps = np.linspace(0, 1, 6)
    green = tint(((0.28, 0.42, 0.20), (0.35, 0.47, 0.22), (0.24, 0.38, 0.17))[kind])
    colour = green * random.uniform(0.6, 1.5, (count, 1)) * random.uniform(0.85, 1.15, (count, 3))
    out = np.stack([np.cos(turn), np.zeros(count), np.sin(turn)], 1)[:, None, :]
    if kind == 1:
        length = tall * random.uniform(0.7, 1.1, count)[:, None, None]
        lean = random.uniform(0.15, 0.75, count)[:, None, None]
        rise = (steps * (1 - 0.55 * lean[..., 0] * steps))[..., None] * np.array([0, 1, 0])
        spine = base + length * (rise + out * lean * (steps**1.6)[None, :, None])
        width = random.uniform(0.03, 0.06, count) * tall
    else:
        height = tall * random.uniform(0.25, 1.0, count) ** (0.7 if kind == 0 else 1.0)
        spread = (0.10 + 0.30 * np.sin(np.pi * np.clip(height / tall, 0, 0.95))) * tall * random.uniform(0.3, 1, count)
        start = base + np.array([0, 1, 0]) * height[:, None] + out[:, 0] * spread[:, None]
        length = tall * (random.uniform(0.16, 0.30, count) if kind == 0 else random.uniform(0.06, 0.11, count))
        droop = random.uniform(-0.2, 0.9, count)[:, None, None]
        fall = (0.35 * steps - droop[..., 0] * steps**2)[..., None] * np.array([0, 1, 0])
        spine = start[:, None] + length[:, None, None] * (out * steps[None, :, None] + fall)
        width = length * random.uniform(0.34, 0.55, count)
    return Leaves(np.asarray(spine, np.float32), np.asarray(width, np.float32), np.asarray(colour, np.float32))


def crown(
    place: Sequence[float], radii: Sequence[float], count: int, colour: Sequence[float], random: np.random.Generator
) -> Leaves:
    """The crown of a tree or shrub: leaves in clumps on an ellipsoid, darker inside and below."""
    centre, size = np.asarray(place, np.float32), np.asarray(radii, np.float32)
    clumps = random.normal(size=(max(24, count // 70), 3))
    clumps *= (random.uniform(0.35, 1, len(clumps)) ** 0.5 / np.linalg.norm(clumps, axis=1))[:, None]
    owner = random.integers(0, len(clumps), count)
    local = clumps[owner] + random.normal(0, 0.13, (count, 3))
    start = centre + local * size
    turn = random.normal(size=(count, 3))
    turn /= np.linalg.norm(turn, axis=1)[:, None]
    turn[:, 1] -= 0.35
    length = float(size.mean()) * random.uniform(0.05, 0.12, count)
    steps = np.linspace(0, 1, 3)
    spine = start[:, None] + length[:, None, None] * steps[None, :, None] * turn[:, None]
    depth = np.clip(np.linalg.norm(local, axis=1), 0, 1.3)
    shade = (0.25 + 0.6 * depth**2) * (0.75 + 0.45 * np.clip(local[:, 1], -1, 1)) * random.uniform(0.75, 1.3, count)
    tone = (0.85 + 0.3 * random.random(len(clumps)))[owner]
    leaf = tint(colour) * (shade * tone)[:, None] * random.uniform(0.88, 1.12, (count, 3))
    return Leaves(
        np.asarray(spine, np.float32), np.asarray(length * 0.75, np.float32), np.asarray(leaf.clip(0.003), np.float32)
    )


def fir(place: Sequence[float], tall: float, count: int, snow: float, random: np.random.Generator) -> Leaves:
    """A conifer: tiers of drooping twigs; ``snow`` (0 to 1) lies on the upper ones."""
    level = 1 - random.random(count) ** 0.62
    turn = random.uniform(0, 2 * np.pi, count)
    tiers = np.round(level * 15 + 0.35 * np.sin(turn * 3 + 9 * level) + random.normal(0, 0.3, count)) / 15
    level = np.clip(0.5 * tiers + 0.5 * level, 0.03, 0.995)
    reach = tall * 0.21 * (1.02 - level) * random.uniform(0.25, 1.0, count) ** 0.6
    out = np.stack([np.cos(turn), np.zeros(count), np.sin(turn)], 1)
    base = np.asarray(place, np.float32)
    start = base + out * reach[:, None] * 0.8
    start[:, 1] += tall * (0.06 + 0.94 * level) - 0.25 * reach
    length = tall * random.uniform(0.022, 0.048, count) * (1.3 - 0.8 * level)
    steps = np.linspace(0, 1, 3)
    way = out + np.stack(
        [random.normal(0, 0.35, count), random.uniform(-0.75, 0.1, count), random.normal(0, 0.35, count)], 1
    )
    spine = start[:, None] + length[:, None, None] * steps[None, :, None] * way[:, None]
    shade = (0.35 + 0.85 * reach / np.maximum(tall * 0.21 * (1.02 - level), 1e-3)) * random.uniform(0.7, 1.3, count)
    colour = tint((0.24, 0.33, 0.19)) * shade[:, None] * random.uniform(0.9, 1.1, (count, 3))
    white = random.random(count) < snow
    colour[white] = tint((0.90, 0.92, 0.95)) * random.uniform(0.6, 1.0, (int(white.sum()), 1))
    return Leaves(np.asarray(spine, np.float32), np.asarray(length * 0.5, np.float32), np.asarray(colour, np.float32))


def trunk(place: Sequence[float], tall: float, width: float, branches: int, random: np.random.Generator) -> Leaves:
    """A trunk with some branches."""
    base, steps = np.asarray(place, np.float32), np.linspace(0, 1, 7)
    lean = random.normal(0, 0.04, 2) * tall
    bend = random.normal(0, 0.02, 2) * tall
    path = np.stack(
        [
            lean[0] * steps + bend[0] * np.sin(3 * steps),
            tall * steps,
            lean[1] * steps + bend[1] * np.sin(3 * steps),
        ],
        1,
    )
    spines, widths = [base + path], [width]
    for _ in range(branches):
        k = int(random.integers(3, 7))
        turn, reach = random.uniform(0, 2 * np.pi), tall * random.uniform(0.3, 0.55)
        way = np.array([np.cos(turn) * 0.8, random.uniform(0.5, 1.0), np.sin(turn) * 0.8])
        spines.append(base + path[k] + reach * steps[:, None] * way)
        widths.append(width * 0.4)
    bark = tint((0.34, 0.28, 0.22)) * random.uniform(0.7, 1.2, (len(spines), 1))
    return Leaves(np.asarray(spines, np.float32), np.asarray(widths, np.float32), bark.astype(np.float32), wood=True)


def draw(frame: Frame, camera: Camera, leaves: Leaves, light: Floats, toward: Sequence[float] | Floats) -> None:
    """Draw leaves into a frame, lit by ``light`` (3,) that comes from ``toward``; the frame is changed in place."""
    count, steps = leaves.spine.shape[:2]
    flat = leaves.spine.reshape(-1, 3)
    column, row, depth = camera.project(flat)
    column, row, depth = (a.reshape(count, steps) for a in (column, row, depth))
    middle = depth.mean(1)
    scale = camera.focal * camera.height / np.maximum(middle, 0.1)
    profile = np.linspace(1, 0.25, steps) if leaves.wood else np.sin(np.pi * np.linspace(0.08, 1, steps)) ** 0.8
    along = np.gradient(np.stack([column, row], 2), axis=1)
    side = np.stack([-along[..., 1], along[..., 0]], 2)
    side /= np.maximum(np.linalg.norm(side, axis=2, keepdims=True), 1e-3)
    half = 0.5 * (leaves.width * scale)[:, None] * profile
    left = np.stack([column, row], 2) + side * half[..., None]
    right = np.stack([column, row], 2) - side * half[..., None]
    way = leaves.spine[:, -1] - leaves.spine[:, 0]
    way = way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-6)
    lit = 0.55 + 0.45 * np.abs(np.cross(way, np.asarray(toward, np.float32))).sum(1) / 1.5
    shade = leaves.colour * lit[:, None] * light
    visible = np.flatnonzero((depth.min(1) > 0.2) & (column.max(1) > -50) & (column.min(1) < camera.width + 50))
    if not visible.size:
        return
    spine = np.stack([column, row], 2)
    # Two tones a leaf, one on each side of its middle rib.
    halves = np.stack([np.concatenate([spine, edge[:, ::-1]], 1) for edge in (left, right)], 1)
    extent = halves[visible].reshape(-1, 2)
    corner = np.maximum(np.floor(extent.min(0)).astype(int) - 1, 0)
    end = np.minimum(np.ceil(extent.max(0)).astype(int) + 2, (camera.width, camera.height))
    if np.any(end <= corner):
        return
    part = (slice(corner[1], end[1]), slice(corner[0], end[0]))
    layer = np.full((end[1] - corner[1], end[0] - corner[0], 3), -1, np.float32)
    fixed = np.round((halves - corner) * (1 << SHIFT)).astype(np.int32)
    tones = np.stack([shade, shade * 0.72], 1)
    for k in visible[np.argsort(-middle[visible], kind="stable")].tolist():
        for side_ in (0, 1):
            cv2.fillConvexPoly(layer, fixed[k, side_], tones[k, side_].tolist(), cv2.LINE_8, SHIFT)
    nearest = float(np.median(middle))
    shown = (layer[..., 0] >= 0) & (frame.depth[part] > nearest)
    frame.light[part][shown] = layer[shown]
    # Leaves are drawn after their wood, and over it.
    frame.depth[part][shown] = nearest * (1.1 if leaves.wood else 1.0)
