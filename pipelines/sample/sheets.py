"""Surfaces as grids of points: tubes lofted along a path, with a colour map that is painted once a clip."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.sample.motion import Motion
from pipelines.sample.skeleton import Build, F, Skeleton, solve, unit

Colour = NDArray[np.floating[Any]]
"""(..., 3) display RGB in [0, 1]."""


class Moment:
    """A figure at one time, and a little before it, where cloth and hair still are."""

    def __init__(self, motion: Motion, build: Build, time: float) -> None:
        self.time = time
        self._motion = motion
        self._build = build
        self._known: dict[float, Skeleton] = {}

    def skeleton(self, lag: float = 0.0) -> Skeleton:
        """Return the skeleton ``lag`` seconds ago."""
        if lag not in self._known:
            self._known[lag] = solve(self._motion.pose(self.time - lag), self._build)
        return self._known[lag]


@dataclass(frozen=True)
class Patch:
    """The grid on which a surface is painted: fine enough for the picture, measured in metres."""

    rows: int
    cols: int
    height: float
    """Length along the rows, metres."""
    width: float
    """Length along the columns, metres."""
    rest: F
    """(m, n, 3) the coarse surface at rest."""

    @cached_property
    def u(self) -> F:
        """(rows, 1) metres from the first row."""
        return np.linspace(0, self.height, self.rows, dtype=np.float32)[:, None]

    @cached_property
    def v(self) -> F:
        """(1, cols) metres from the first column."""
        return np.linspace(0, self.width, self.cols, dtype=np.float32)[None]

    @cached_property
    def place(self) -> F:
        """(rows, cols, 3) where each texel rests."""
        return enlarge(self.rest, self.rows, self.cols)


Paint = Callable[[Patch], Colour]
"""A patch -> (rows, cols, 3) colours, or (rows, cols, 4) with the share of the surface that is there."""


@dataclass(frozen=True)
class Sheet:
    """One surface of a figure."""

    name: str
    shape: Callable[[Moment], F]
    """(m, n, 3) world points; m and n never change."""
    paint: Paint
    open: bool = False
    """Both faces can be seen: cloth, not a closed body."""
    lining: float = 0.0
    """Share of the rows at the last edge whose inner face can be seen, as in a cuff."""
    gloss: float = 0.0
    """Strength of the highlight."""
    skin: float = 0.0
    """How much light bleeds through the surface."""
    veil: float = 0.0
    """Share of the light that passes through: 0 is opaque."""
    rest: Callable[[Moment], F] | None = None
    """The surface in its own frame, where the paint depends on it."""


def enlarge(points: F, rows: int, cols: int) -> F:
    """Interpolate a grid of values to another size."""
    return np.asarray(cv2.resize(points, (cols, rows), interpolation=cv2.INTER_LINEAR), np.float32)


def soften(path: F, width: float) -> F:
    """Smooth a (k, 3) path by a Gaussian of ``width`` samples that keeps both ends where they point."""
    reach = int(np.ceil(3 * width))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    kernel /= kernel.sum()
    steps = np.arange(reach, 0, -1)[:, None]
    before = path[0] - steps * (path[1] - path[0])
    after = path[-1] + steps[::-1] * (path[-1] - path[-2])
    whole = np.concatenate([before, path, after])
    return np.stack([np.convolve(whole[:, axis], kernel, "valid") for axis in range(3)], -1).astype(np.float32)


def path_through(joints: list[F], stops: list[float], samples: int, width: float = 2.0) -> F:
    """Return a (samples, 3) rounded path that passes each joint at its stop in [0, 1]."""
    u = np.linspace(0, 1, samples)
    table = np.stack(joints)
    line = np.stack([np.interp(u, stops, table[:, axis]) for axis in range(3)], -1)
    return soften(line.astype(np.float32), width)


def curve(samples: int, stops: list[float], values: list[float], width: float = 1.5) -> F:
    """Return a smooth (samples,) profile through values at stops in [0, 1]."""
    line = np.interp(np.linspace(0, 1, samples), stops, values)
    reach = int(np.ceil(3 * width))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    return np.convolve(np.pad(line, reach, "edge"), kernel / kernel.sum(), "valid").astype(np.float32)


def frames(path: F, front: F) -> tuple[F, F]:
    """Return (side, front), both (k, 3), square to a path whose front faces about ``front``."""
    along = unit(np.gradient(path, axis=0).astype(np.float32))
    front = np.broadcast_to(front, path.shape)
    front = unit(front - along * (front * along).sum(-1, keepdims=True))
    return np.asarray(np.cross(along, front), np.float32), front


def around(columns: int, power: float = 2.0) -> tuple[F, F]:
    """Return cosine and sine of a closed ring, seam at the back; above power 2 the ring is boxier."""
    angle = np.linspace(-0.5 * np.pi, 1.5 * np.pi, columns)
    c, s = np.cos(angle), np.sin(angle)
    radius = (np.abs(c) ** power + np.abs(s) ** power) ** (-1 / power)
    return (c * radius).astype(np.float32), (s * radius).astype(np.float32)


def loft(path: F, side: F, front: F, a: F, b: F, columns: int, power: float = 2.0, lift: F | None = None) -> F:
    """Sweep an ellipse with half axes ``a`` (side) and ``b`` (front), each (k,) or (k, columns), along a path.

    ``lift`` (k, columns) pushes the surface outward, metres. Returns (k, columns, 3).
    """
    c, s = around(columns, power)
    a, b = (x[:, None] if x.ndim == 1 else x for x in (a, b))
    if lift is not None:
        a, b = a + lift, b + lift
    across = (a * c)[..., None] * side[:, None]
    forward = (b * s)[..., None] * front[:, None]
    return np.asarray(path[:, None] + across + forward, np.float32)


def rounded(samples: int, start: float, end: float) -> F:
    """Return (samples,) factors that close a tube with round ends over the given shares of its length."""
    u = np.linspace(0, 1, samples)
    near = np.clip(u / start, 0, 1) if start > 0 else np.ones(samples)
    far = np.clip((1 - u) / end, 0, 1) if end > 0 else np.ones(samples)
    return (np.sqrt(near * (2 - near)) * np.sqrt(far * (2 - far))).astype(np.float32)
