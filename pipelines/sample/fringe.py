"""Threads that hang from the edge of a cloth: fringes of scarves and shawls, frayed hems."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.sample.hair import KNOTS
from pipelines.sample.sheets import Moment
from pipelines.sample.skeleton import Build, F, unit, vector


@dataclass(frozen=True)
class Fringe:
    """Threads along an edge; drawn as hair is."""

    edge: Callable[[Moment], F]
    """(n, 3) world points of the edge, that never change in number."""
    along: F
    """(s,) where on the edge each thread hangs, in [0, 1]."""
    tips: F
    """(s, 3) from the root to the tip, metres."""
    colour: F
    """(s, 3) display RGB."""
    width: F
    """(s,) metres."""
    shift: F
    depth: F
    gloss: float = 0.05
    single: NDArray[np.bool_] | None = None

    def at(self, moment: Moment, build: Build) -> tuple[F, F]:
        """Return world points and normals, both (s, KNOTS, 3), at one moment."""
        edge = self.edge(moment)
        place = self.along * (len(edge) - 1)
        before = np.minimum(place.astype(np.int64), len(edge) - 2)
        share = (place - before)[:, None].astype(np.float32)
        roots = edge[before] + share * (edge[before + 1] - edge[before])
        middle = edge.mean(0)
        outward = unit((roots - middle) * vector(1, 0.2, 1) + vector(0, 0, 0.02))
        u = np.linspace(0, 1, KNOTS, dtype=np.float32)[None, :, None]
        waver = np.sin(9 * u - 8 * moment.time + 30 * self.along[:, None, None] + vector(0, 1, 2))
        points = roots[:, None] + u * self.tips[:, None] + 0.006 * u * waver * vector(1, 0.2, 1)
        return points.astype(np.float32), np.broadcast_to(outward[:, None], points.shape).astype(np.float32)


def fringe(
    rng: np.random.Generator, edge: Callable[[Moment], F], tassels: int, threads: int, length: float,
    colour: tuple[float, float, float],
) -> Fringe:  # fmt: skip
    """Draw ``tassels`` bundles of ``threads`` threads along an edge; more tassels than points make it even."""
    n = tassels * threads
    bundle = np.repeat((np.arange(tassels) + 0.5) / tassels, threads)
    along = np.clip(bundle + rng.normal(0, 0.12 / tassels, n), 0, 1).astype(np.float32)
    tips = np.stack([rng.normal(0, 0.10, n), -rng.uniform(0.8, 1.1, n), rng.normal(0, 0.10, n)], -1) * length
    tint = np.clip(np.array(colour) * (1 + 0.12 * rng.standard_normal((n, 1))), 0, 1)
    depth = rng.uniform(0.75, 1, (n, 1)) * np.ones((1, KNOTS))
    return Fringe(
        edge, along, tips.astype(np.float32), tint.astype(np.float32), np.full(n, 0.0011, np.float32),
        np.zeros((n, 1), np.float32), depth.astype(np.float32),
    )  # fmt: skip
