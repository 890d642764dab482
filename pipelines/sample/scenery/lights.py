"""Light on surfaces: sky and bounce with ambient occlusion, windows and lamps as panels, the sun."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipelines.sample.scenery.noise import Floats
from pipelines.sample.scenery.shapes import Rays, Shape

OCCLUSION = ((0.06, 0.28), (0.22, 0.34), (0.7, 0.44))
"""How far along the normal room is looked for (metres), and how much its lack darkens."""


NEAR_PANEL = 0.3
"""Shapes whose middle is nearer to a panel's plane cast no shadow in its light, metres."""


@dataclass(frozen=True)
class Panel:
    """A rectangle that shines: a window, a ceiling light."""

    centre: Sequence[float]
    across: Sequence[float]
    """From the centre to the middle of one side."""
    upward: Sequence[float]
    """From the centre to the middle of the next side."""
    normal: Sequence[float]
    """Into the room, of length 1."""
    radiance: Sequence[float]
    """Linear light of each channel."""
    samples: tuple[int, int] = (1, 1)
    shadows: bool = True
    mirrored: float = 1.0
    """How much of it shows in glossy surfaces."""


@dataclass(frozen=True)
class Sun:
    """Parallel light from ``toward``; indoors it comes only through the panels of ``openings``."""

    toward: Sequence[float]
    """Unit vector to the sun."""
    radiance: Sequence[float]
    openings: tuple[Panel, ...] | None = None


@dataclass
class Lighting:
    """All light of one scene."""

    ambient_up: Floats
    """(3,) light that falls on surfaces that look up."""
    ambient_down: Floats
    """(3,) light that falls on surfaces that look down: what the ground throws back."""
    panels: list[Panel] = field(default_factory=list)
    sun: Sun | None = None
    reach: float = 1.0
    """Scales the distances of OCCLUSION: 1 for rooms, more for streets."""

    def soft(
        self, points: Floats, normals: Floats, phase: NDArray[np.int64], shapes: Sequence[Shape], eye: Floats
    ) -> Floats:
        """Light of sky, bounce and panels over pi at points (N, 3) with normals (N, 3): (N, 3).

        ``phase`` (N,), 0 to 8, moves the samples of each panel; neighbours should differ in it.
        """
        total = np.zeros((len(points), 3), np.float32)
        bounds = _Bounds.of(shapes)
        for index in _neighbourhoods(points, 1.5 * self.reach, eye):
            p, n = points[index], normals[index]
            middle = (p.min(0) + p.max(0)) / 2
            radius = float(np.linalg.norm(p - middle, axis=1).max()) + 1e-3
            gap = bounds.distance(middle) - radius
            up = (0.5 + 0.5 * n[:, 1])[:, None]
            light = (self.ambient_down * (1 - up) + self.ambient_up * up) * self._open(p, n, shapes, gap)[:, None]
            for panel in self.panels:
                between = bounds.between(middle, radius, panel)
                light = light + self._panel(panel, p, n, phase[index], [shapes[k] for k in between])
            total[index] = light
        return total

    def _open(self, points: Floats, normals: Floats, shapes: Sequence[Shape], gap: Floats) -> Floats:
        """Share of the surroundings that is open: (N,). ``gap`` is the distance of each shape."""
        result = np.ones(len(points), np.float32)
        for step, weight in OCCLUSION:
            step *= self.reach
            probe = points + normals * np.float32(step)
            free = np.full(len(points), step, np.float32)
            for k in np.flatnonzero(gap < 2 * step):
                np.minimum(free, shapes[int(k)].distance(probe), out=free)
            result *= 1 - weight * (1 - free / np.float32(step))
        return result

    def _panel(
        self, panel: Panel, points: Floats, normals: Floats, phase: NDArray[np.int64], casters: Sequence[Shape]
    ) -> Floats:
        centre, across, upward, normal = (
            np.asarray(v, np.float32) for v in (panel.centre, panel.across, panel.upward, panel.normal)
        )
        area = float(4 * np.linalg.norm(across) * np.linalg.norm(upward))
        columns, rows = panel.samples
        amount = np.zeros(len(points), np.float32)
        move_x = ((phase % 3 - 1) / 3).astype(np.float32)[:, None]
        move_y = ((phase // 3 - 1) / 3).astype(np.float32)[:, None]
        for i in range(columns):
            for j in range(rows):
                spot = centre + across * ((2 * (i + move_x) + 1) / columns - 1)
                spot = spot + upward * ((2 * (j + move_y) + 1) / rows - 1)
                way = spot - points
                distance = np.sqrt(np.einsum("ij,ij->i", way, way))
                way /= np.maximum(distance, 1e-4)[:, None]
                here = np.clip(np.einsum("ij,ij->i", way, normals), 0, 1)
                there = np.clip(-(way @ normal), 0, 1)
                part = here * there / (distance**2 + area / (columns * rows) / 3) / np.pi
                seen = np.flatnonzero(part > 1e-4)
                if casters and seen.size:
                    lit = _visible(points[seen] + normals[seen] * 0.01, way[seen], distance[seen] - 0.05, casters)
                    part[seen] *= lit
                amount += part
        scale = area / (columns * rows)
        return np.asarray(amount[:, None] * np.asarray(panel.radiance, np.float32) * scale, np.float32)

    def sunlight(self, points: Floats, normals: Floats, shapes: Sequence[Shape]) -> Floats:
        """Light of the sun over pi at points (N, 3) with normals (N, 3): (N, 3)."""
        sun = self.sun
        if sun is None:
            return np.zeros_like(points)
        toward = np.asarray(sun.toward, np.float32)
        amount = np.maximum(normals @ toward, 0)
        if sun.openings is not None:
            inside = np.zeros(len(points), np.float32)
            lit = np.flatnonzero(amount > 1e-3)
            way = np.broadcast_to(toward, (lit.size, 3))
            for panel in sun.openings:
                inside[lit] = np.maximum(inside[lit], _through(panel, points[lit], way, 0.02)[0])
            amount = amount * inside
        seen = np.flatnonzero(amount > 1e-3)
        bounds = _Bounds.of(shapes)
        for index in _neighbourhoods(points[seen], 3 * self.reach, points[seen].mean(0)) if seen.size else []:
            here = seen[index]
            p = points[here]
            middle = (p.min(0) + p.max(0)) / 2
            radius = float(np.linalg.norm(p.max(0) - p.min(0))) / 2
            casters = [shapes[k] for k in bounds.before(middle, radius, toward)]
            way = np.broadcast_to(toward, (here.size, 3))
            far = np.full(here.size, 1e6, np.float32)
            amount[here] *= _visible(p + normals[here] * 0.02, way, far, casters)
        return np.asarray(amount[:, None] * np.asarray(sun.radiance, np.float32), np.float32)


@dataclass(frozen=True)
class _Bounds:
    """A sphere around each shape, to leave out what cannot matter."""

    centres: Floats
    radii: Floats
    low: Floats
    high: Floats
    casts: NDArray[np.bool_]

    @classmethod
    def of(cls, shapes: Sequence[Shape]) -> "_Bounds":
        corners = [s.corners() for s in shapes]
        low, high = np.array([c.min(0) for c in corners]), np.array([c.max(0) for c in corners])
        radii = np.linalg.norm(high - low, axis=1) / 2
        return cls((low + high) / 2, radii, low, high, np.array([s.casts for s in shapes]))

    def distance(self, point: Floats) -> Floats:
        """Distance of a point from the box around each shape."""
        return np.asarray(np.linalg.norm(np.maximum(np.maximum(self.low - point, point - self.high), 0), axis=1))

    def before(self, point: Floats, radius: float, toward: Floats) -> NDArray[np.int64]:
        """Casting shapes that may stand between a ball of points and the sun."""
        way = self.centres - point
        along = np.maximum(way @ toward, 0)
        gap = np.linalg.norm(way - along[:, None] * toward, axis=1)
        return np.flatnonzero(self.casts & (gap < self.radii + radius))

    def between(self, point: Floats, radius: float, panel: Panel) -> NDArray[np.int64]:
        """Casting shapes that may stand between a ball of points and a panel."""
        if not panel.shadows:
            return np.zeros(0, np.int64)
        target = np.asarray(panel.centre, np.float32)
        size = float(np.linalg.norm(panel.across) + np.linalg.norm(panel.upward))
        way = target - point
        share = np.clip((self.centres - point) @ way / max(float(way @ way), 1e-6), 0, 1)
        gap = np.linalg.norm(point + share[:, None] * way - self.centres, axis=1)
        # Frames and curtains stand too near the panel for its few samples: their shadows would have hard steps.
        clear = np.abs((self.centres - target) @ np.asarray(panel.normal, np.float32)) > NEAR_PANEL
        return np.flatnonzero(self.casts & clear & (gap < self.radii + radius + (size - radius) * share))


def _neighbourhoods(points: Floats, size: float, eye: Floats) -> list[NDArray[np.int64]]:
    """Group points by cells of space, larger ones further from ``eye``, so that few shapes matter to each group."""
    distance = np.sqrt(np.einsum("ij,ij->i", points - eye, points - eye))
    level = np.clip(np.log2(np.maximum(distance / (5 * size), 1)), 0, 5).astype(np.int64)
    cell = np.floor(points / (size * 2.0**level)[:, None]).astype(np.int64) + 512
    name = ((level * 1024 + cell[:, 0]) * 1024 + cell[:, 1]) * 1024 + cell[:, 2]
    order = np.argsort(name, kind="stable")
    cuts = np.flatnonzero(np.diff(name[order])) + 1
    return list(np.split(order, cuts))


def _visible(points: Floats, way: Floats, distance: Floats, casters: Sequence[Shape]) -> Floats:
    """1 where nothing stands between a point and ``distance`` along ``way``, 0 elsewhere: (N,)."""
    rays = Rays(*(np.ascontiguousarray(points[:, k]) for k in range(3)), *(way[:, k] for k in range(3)))
    free = np.ones(len(points), bool)
    for shape in casters:
        free &= shape.hit(rays) > distance
    return free.astype(np.float32)


def _through(panel: Panel, points: Floats, way: Floats, blur: float | Floats) -> tuple[Floats, Floats]:
    """How far rays pass through a panel: share (N,), soft over ``blur`` metres a metre, and the distance (N,)."""
    normal = np.asarray(panel.normal, np.float32)
    facing = way @ normal
    distance = ((np.asarray(panel.centre, np.float32) - points) @ normal) / np.where(facing > -1e-4, -1e-4, facing)
    offset = points + way * distance[:, None] - np.asarray(panel.centre, np.float32)
    share = (facing < -1e-4).astype(np.float32) * (distance > 0)
    soft = np.maximum(distance * blur, 1e-3)
    for axis in (panel.across, panel.upward):
        vector = np.asarray(axis, np.float32)
        size = float(np.linalg.norm(vector))
        inside = size - np.abs(offset @ (vector / size))
        share = share * np.clip(0.5 + inside / (2 * soft), 0, 1)
    return np.asarray(share, np.float32), np.asarray(distance, np.float32)


def reflections(lighting: Lighting, points: Floats, normals: Floats, view: Floats, gloss: Floats) -> Floats:
    """Panels mirrored in a surface, blurred by its roughness and weighted by Schlick's Fresnel term: (N, 3)."""
    cosine = np.clip(-np.sum(view * normals, 1), 0, 1)
    mirrored = view + 2 * cosine[:, None] * normals
    fresnel = 0.04 + 0.96 * (1 - cosine) ** 5
    blur = 0.03 + 0.5 * (1 - gloss) ** 2
    up = (0.5 + 0.5 * mirrored[:, 1])[:, None]
    seen = 0.35 * (lighting.ambient_down * (1 - up) + lighting.ambient_up * up)
    for panel in lighting.panels:
        if panel.mirrored:
            share, _ = _through(panel, points, mirrored, blur)
            seen = seen + share[:, None] * np.asarray(panel.radiance, np.float32) * panel.mirrored
    return np.asarray(seen * (fresnel * gloss)[:, None], np.float32)
