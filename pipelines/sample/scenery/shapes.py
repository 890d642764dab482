"""Shapes that rays can hit: boxes, ellipsoids and upright cones. x goes right, y up, z away; metres."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from pipelines.sample.scenery.noise import Floats

FAR = np.float32(1e9)
NEAR = np.float32(0.05)


class Rays(NamedTuple):
    """Rays from one eye, or from many points: each field an array, all of one shape or ()."""

    ox: Floats
    oy: Floats
    oz: Floats
    dx: Floats
    dy: Floats
    dz: Floats


class Surface(NamedTuple):
    """Points of one shape that the camera sees, as a material gets them; every field is (N,) or (N, 3)."""

    points: Floats
    """World position, metres."""
    normals: Floats
    """World normal, of length 1."""
    u: Floats
    """Along the surface, metres."""
    v: Floats
    """Along the surface, metres; grows downwards on upright faces."""
    s: Floats
    """``u`` as a share of the face, 0 to 1."""
    t: Floats
    """``v`` as a share of the face, 0 to 1."""
    face: Floats
    """0 for the sides across x, 1 for top and bottom, 2 for the sides across z."""
    footprint: Floats
    """Size of a pixel on the surface, metres."""


class Paint(NamedTuple):
    """What a material says of each point."""

    colour: Floats
    """(N, 3) linear albedo."""
    gloss: Floats | float = 0.0
    """0 (matt) to 1 (mirror)."""
    glow: Floats | None = None
    """(N, 3) light of its own."""


Material = Callable[[Surface], Paint]


class Shape(ABC):
    """What the ray caster asks of a shape."""

    material: Material
    casts: bool
    hidden: bool = False
    """Hidden shapes only cast a shadow."""

    @abstractmethod
    def moved(self, x: float, y: float, z: float, yaw: float = 0.0) -> "Shape":
        """The shape turned by ``yaw`` about the origin's vertical, then moved."""

    @abstractmethod
    def corners(self) -> Floats:
        """(K, 3) points whose hull holds the shape."""

    @abstractmethod
    def hit(self, rays: Rays) -> Floats:
        """Distance along each ray, FAR where it misses."""

    @abstractmethod
    def surface(self, points: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
        """Normals (N, 3), then u, v, s, t and face (N,) of points on the shape."""

    @abstractmethod
    def distance(self, points: Floats) -> Floats:
        """Distance of points (N, 3) from the shape; 0 inside."""


def _turned(point: Sequence[float], x: float, y: float, z: float, yaw: float) -> tuple[float, float, float]:
    c, s = math.cos(yaw), math.sin(yaw)
    return c * point[0] + s * point[2] + x, point[1] + y, -s * point[0] + c * point[2] + z


@dataclass
class Box(Shape):
    """A box about ``centre`` with half sizes ``half``, turned by ``yaw`` (radians) about the vertical."""

    centre: Sequence[float]
    half: Sequence[float]
    material: Material
    yaw: float = 0.0
    bevel: float = 0.0
    casts: bool = True

    @classmethod
    def between(
        cls, low: Sequence[float], high: Sequence[float], material: Material, bevel: float = 0.0, casts: bool = True
    ) -> "Box":
        """Make an unturned box from two opposite corners."""
        centre = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
        half = [abs(b - a) / 2 for a, b in zip(low, high, strict=True)]
        return cls(centre, half, material, 0.0, bevel, casts)

    def __post_init__(self) -> None:
        self._c, self._s = math.cos(self.yaw), math.sin(self.yaw)

    def moved(self, x: float, y: float, z: float, yaw: float = 0.0) -> "Box":
        """The box turned and moved."""
        return replace(self, centre=_turned(self.centre, x, y, z, yaw), yaw=self.yaw + yaw)

    def _local(self, x: Floats, y: Floats, z: Floats) -> tuple[Floats, Floats, Floats]:
        if self.yaw == 0.0:
            return x, y, z
        return self._c * x - self._s * z, y, self._s * x + self._c * z

    def corners(self) -> Floats:
        """(8, 3) corners."""
        signs = np.array([(i, j, k) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)], np.float32)
        local = signs * np.asarray(self.half, np.float32)
        x = self._c * local[:, 0] + self._s * local[:, 2]
        z = -self._s * local[:, 0] + self._c * local[:, 2]
        return np.stack([x, local[:, 1], z], 1) + np.asarray(self.centre, np.float32)

    def hit(self, rays: Rays) -> Floats:
        """Slab test."""
        cx, cy, cz = self.centre
        origin = self._local(rays.ox - np.float32(cx), rays.oy - np.float32(cy), rays.oz - np.float32(cz))
        direction = self._local(rays.dx, rays.dy, rays.dz)
        first: Floats | None = None
        last: Floats | None = None
        for o, d, h in zip(origin, direction, self.half, strict=True):
            inverse = 1.0 / np.where(np.abs(d) < 1e-7, np.float32(1e-7), d)
            middle = -o * inverse
            reach = np.abs(inverse) * np.float32(h)
            enter, leave = middle - reach, middle + reach
            first = enter if first is None else np.maximum(first, enter)
            last = leave if last is None else np.minimum(last, leave)
        assert first is not None and last is not None
        return np.where((first < last) & (first > NEAR), first, FAR).astype(np.float32)

    def surface(self, points: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
        """The nearest face gives the coordinates; a bevel bends the normal near the edges."""
        moved = points - np.asarray(self.centre, np.float32)
        x, y, z = self._local(moved[:, 0], moved[:, 1], moved[:, 2])
        local = np.stack([x, y, z], 1)
        half = np.asarray(self.half, np.float32)
        face = np.argmax(np.abs(local) / half, 1)
        if self.bevel > 0:
            out = np.sign(local) * np.maximum(np.abs(local) - np.maximum(half - self.bevel, 0), 0)
            normal = out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6)
        else:
            normal = np.zeros_like(local)
            rows = np.arange(len(local))
            normal[rows, face] = np.sign(local[rows, face])
        u = np.where(face == 0, z * np.sign(x), np.where(face == 2, -x * np.sign(z), x))
        v = np.where(face == 1, z, -y)
        wide = np.where(face == 0, half[2], half[0])
        high = np.where(face == 1, half[2], half[1])
        world = np.stack(
            [
                self._c * normal[:, 0] + self._s * normal[:, 2],
                normal[:, 1],
                -self._s * normal[:, 0] + self._c * normal[:, 2],
            ],
            1,
        )
        s, t = 0.5 + 0.5 * u / wide, 0.5 + 0.5 * v / high
        return _floats(world, u + wide, v + high, s, t, face)

    def distance(self, points: Floats) -> Floats:
        """Distance to the box."""
        moved = points - np.asarray(self.centre, np.float32)
        parts = self._local(moved[:, 0], moved[:, 1], moved[:, 2])
        total = np.zeros(len(points), np.float32)
        for p, h in zip(parts, self.half, strict=True):
            total += np.maximum(np.abs(p) - np.float32(h), 0) ** 2
        return np.sqrt(total)


@dataclass
class Ellipsoid(Shape):
    """An ellipsoid with half axes ``radii``; a hidden one only casts a shadow."""

    centre: Sequence[float]
    radii: Sequence[float]
    material: Material
    casts: bool = True
    hidden: bool = False

    def moved(self, x: float, y: float, z: float, yaw: float = 0.0) -> "Ellipsoid":
        """The ellipsoid moved; its axes stay along x, y and z."""
        return replace(self, centre=_turned(self.centre, x, y, z, yaw))

    def corners(self) -> Floats:
        """(8, 3) corners of the box around it."""
        return Box(self.centre, self.radii, self.material).corners()

    def hit(self, rays: Rays) -> Floats:
        """The nearer root of the quadric."""
        a: Floats
        b: Floats
        c: Floats
        a = b = c = np.zeros((), np.float32)
        for o, d, m, r in zip(rays[:3], rays[3:], self.centre, self.radii, strict=True):
            scaled, way = (o - np.float32(m)) / np.float32(r), d / np.float32(r)
            a, b, c = a + way * way, b + scaled * way, c + scaled * scaled
        root = b * b - a * (c - 1)
        t = (-b - np.sqrt(np.maximum(root, 0))) / a
        return np.where((root > 0) & (t > NEAR), t, FAR).astype(np.float32)

    def surface(self, points: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
        """Longitude and latitude as coordinates."""
        radii = np.asarray(self.radii, np.float32)
        unit = (points - np.asarray(self.centre, np.float32)) / radii
        normal = unit / radii
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        s = np.arctan2(unit[:, 0], -unit[:, 2]) / (2 * np.pi) + 0.5
        t = np.arccos(np.clip(unit[:, 1], -1, 1)) / np.pi
        size = float(radii.max())
        return _floats(normal, s * 2 * np.pi * size, t * np.pi * size, s, t, np.zeros_like(s))

    def distance(self, points: Floats) -> Floats:
        """Distance, as for the sphere of the same mean size."""
        radii = np.asarray(self.radii, np.float32)
        unit = (points - np.asarray(self.centre, np.float32)) / radii
        length = np.maximum(np.linalg.norm(unit, axis=1), 1e-6)
        return np.asarray(np.maximum(length - 1, 0) * radii.min(), np.float32)


@dataclass
class Cone(Shape):
    """An upright cone frustum (a cylinder where both radii agree), closed at the top."""

    base: Sequence[float]
    height: float
    radius: float
    top: float
    material: Material
    casts: bool = True

    def moved(self, x: float, y: float, z: float, yaw: float = 0.0) -> "Cone":
        """The cone moved."""
        return replace(self, base=_turned(self.base, x, y, z, yaw))

    def corners(self) -> Floats:
        """(8, 3) corners of the box around it."""
        r, (x, y, z) = max(self.radius, self.top), self.base
        return Box.between((x - r, y, z - r), (x + r, y + self.height, z + r), self.material).corners()

    def hit(self, rays: Rays) -> Floats:
        """The side's nearer root, or the lid."""
        x, y, z = (o - np.float32(b) for o, b in zip(rays[:3], self.base, strict=True))
        slope = np.float32((self.top - self.radius) / self.height)
        radius = np.float32(self.radius) + slope * y
        grow = slope * rays.dy
        a = rays.dx**2 + rays.dz**2 - grow**2
        b = x * rays.dx + z * rays.dz - radius * grow
        c = x**2 + z**2 - radius**2
        root = b * b - a * c
        a = np.where(np.abs(a) < 1e-9, np.float32(1e-9), a)
        t = (-b - np.sqrt(np.maximum(root, 0))) / a
        level = y + t * rays.dy
        side = np.where((root > 0) & (t > NEAR) & (level >= 0) & (level <= self.height), t, FAR)
        lid = (np.float32(self.height) - y) / np.where(np.abs(rays.dy) < 1e-7, np.float32(1e-7), rays.dy)
        inside = (x + lid * rays.dx) ** 2 + (z + lid * rays.dz) ** 2 < self.top**2
        return np.minimum(side, np.where(inside & (lid > NEAR), lid, FAR)).astype(np.float32)

    def surface(self, points: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
        """Angle and height as coordinates; the lid is face 1."""
        local = points - np.asarray(self.base, np.float32)
        around = np.arctan2(local[:, 0], -local[:, 2])
        lid = local[:, 1] > self.height - 1e-3
        slope = (self.radius - self.top) / self.height
        normal = np.stack([np.sin(around), np.full_like(around, slope), -np.cos(around)], 1)
        normal[lid] = (0, 1, 0)
        normal /= np.linalg.norm(normal, axis=1, keepdims=True)
        s, t = around / (2 * np.pi) + 0.5, 1 - local[:, 1] / self.height
        u = np.where(lid, local[:, 0], s * 2 * np.pi * max(self.radius, self.top))
        v = np.where(lid, local[:, 2], self.height - local[:, 1])
        return _floats(normal, u, v, s, t, lid.astype(np.float32))

    def distance(self, points: Floats) -> Floats:
        """Distance to the cylinder around it."""
        local = points - np.asarray(self.base, np.float32)
        across = np.maximum(np.hypot(local[:, 0], local[:, 2]) - max(self.radius, self.top), 0)
        up = np.maximum(np.abs(local[:, 1] - self.height / 2) - self.height / 2, 0)
        return np.asarray(np.hypot(across, up), np.float32)


def _floats(
    normal: Floats, u: Floats, v: Floats, s: Floats, t: Floats, face: Floats
) -> tuple[Floats, Floats, Floats, Floats, Floats, Floats]:
    return (
        np.asarray(normal, np.float32),
        np.asarray(u, np.float32),
        np.asarray(v, np.float32),
        np.asarray(s, np.float32),
        np.asarray(t, np.float32),
        np.asarray(face, np.float32),
    )
