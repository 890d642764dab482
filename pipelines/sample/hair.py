"""Hair as thousands of strands, grown once a clip in the head's frame and carried along with some inertia."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.sample.head import SKULL, hairline
from pipelines.sample.light import normals
from pipelines.sample.sheets import Moment
from pipelines.sample.skeleton import Build, F, unit, vector

KNOTS = 20
"""Points that describe a strand."""
_LAGS = 6


@dataclass(frozen=True)
class Hair:
    """Strands at rest in the head's frame, and how they move."""

    points: F
    """(s, KNOTS, 3) metres."""
    outward: F
    """(s, KNOTS, 3) normals of the mass of hair."""
    depth: F
    """(s, KNOTS) 1 outside, 0 deep inside."""
    colour: F
    """(s, 3) display RGB."""
    width: F
    """(s,) metres."""
    shift: F
    """(s, 1) moves the highlight along a strand."""
    inertia: float = 0.1
    """Seconds by which the tips lag."""
    drape: float = 0.0
    """How far the lower hair follows the chest instead of the head."""
    flutter: float = 0.004
    """Metres by which the tips waver."""
    gloss: float = 0.55
    single: NDArray[np.bool_] | None = None
    """(s,) strands that are seen one by one, and need every point in every rendering."""

    def at(self, moment: Moment, build: Build) -> tuple[F, F]:
        """Return world points and normals, both (s, KNOTS, 3), at one moment."""
        along = np.linspace(0, 1, KNOTS)
        k = build.scale * build.head
        reach = np.clip((-self.points[..., 1:2] - 0.12) / 0.12, 0, 1) * self.drape
        moved, turned = np.empty_like(self.points), np.empty_like(self.points)
        for i, u in enumerate(along):
            lag = round(self.inertia * round(float(u * u) * _LAGS) / _LAGS, 4)
            now = moment.skeleton(lag)
            on_head = now.head + (self.points[:, i] * k) @ now.head_turn.T
            on_chest = now.chest + (self.points[:, i] * k + vector(0, 0.505 * build.scale, 0)) @ now.chest_turn.T
            moved[:, i] = on_head + reach[:, i] * (on_chest - on_head)
            turned[:, i] = self.outward[:, i] @ now.head_turn.T
        phase = 40 * self.points[:, :1] + 7 * along[None, :, None]
        waver = np.sin(phase[..., [1, 2, 0]] + moment.time * vector(9.5, 7.0, 8.3))
        moved += (self.flutter * along[None, :, None] ** 1.6 * waver).astype(np.float32)
        return moved, turned


@dataclass(frozen=True)
class Growth:
    """What a style needs to grow: the scalp, a generator, a colour."""

    scalp: F
    """(n, 3) candidate roots."""
    facing: F
    """(n, 3) their normals."""
    colour: tuple[float, float, float]
    count: int


Style = Callable[[np.random.Generator, Growth], Hair]


def scalp(rng: np.random.Generator, head: F, colour: tuple[float, float, float], count: int) -> Growth:
    """Draw roots on the part of the head (rows, columns, 3) inside the hairline, evenly by area."""
    facing = normals(head)
    if float((facing * head).sum()) < 0:
        facing = -facing
    rows = np.linspace(0, np.pi, head.shape[0])[:, None] * np.ones(head.shape[1])
    weight = np.sin(rows) * (hairline(head) > 0.001)
    chosen = rng.choice(weight.size, count, p=(weight / weight.sum()).ravel())
    return Growth(head.reshape(-1, 3)[chosen], facing.reshape(-1, 3)[chosen], colour, count)


def collide(points: F, inflate: F, side: F) -> F:
    """Push points (s, 3) out of the skull, the neck and the shoulders, and off the face to one ``side`` (s,)."""
    axes = SKULL + inflate
    q = points / axes
    size = np.sqrt((q * q).sum(-1, keepdims=True))
    points = np.where((size < 1) & (points[:, 1:2] > -0.07), points / np.maximum(size, 1e-3), points)
    x, y, z = points.T.copy()
    neck = np.hypot(x / 0.062, (z + 0.02) / 0.062)
    push = (neck < 1) & (y < -0.06) & (y > -0.16)
    x, z = np.where(push, x / np.maximum(neck, 0.1), x), np.where(push, (z + 0.02) / np.maximum(neck, 0.1) - 0.02, z)
    below = np.clip((0.078 - y) / 0.03, 0, 1) * np.clip((y + 0.22) / 0.05, 0, 1)
    near = below * np.clip((z - 0.0) / 0.03, 0, 1)
    limit = -0.2 + (0.26 + 0.7 * inflate.reshape(-1)) * near
    x = side * np.maximum(side * x, limit)
    z = np.minimum(z, 0.12 - 0.072 * below)
    trunk = np.hypot(x / 0.23, (z + 0.015) / (0.128 + 0.055 * np.clip((-0.2 - y) / 0.12, 0, 1)))
    share = np.clip((-0.17 - y) / 0.05, 0, 1) * (trunk < 1)
    z = z + share * (z + 0.015) * (1 / np.maximum(trunk, 0.3) - 1)
    return np.stack([x, y, z], -1).astype(np.float32)


def grow(
    rng: np.random.Generator, roots: F, heading: F, length: F, pull: F, weight: F | float, lift: F, noise: float
) -> F:
    """Grow strands (s, KNOTS, 3) step by step: each heading bends towards ``pull`` and slides over the body."""
    points = np.empty((len(roots), KNOTS, 3), np.float32)
    points[:, 0] = place = roots
    step = (length / (KNOTS - 1))[:, None]
    side = np.where(roots[:, 0] + 0.02 * heading[:, 0] >= 0, 1, -1).astype(np.float32)
    drift = rng.normal(0, noise, roots.shape).astype(np.float32)
    for i in range(1, KNOTS):
        drift = 0.75 * drift + rng.normal(0, 0.6 * noise, roots.shape).astype(np.float32)
        heading = unit(heading + weight * pull + drift)
        new = collide(place + step * heading, lift * min(1.0, i / 6), side)
        heading = unit(new - place)
        place = place + step * heading
        points[:, i] = place
    return points


def clump(rng: np.random.Generator, points: F, locks: int, strength: float) -> F:
    """Draw strands together into locks towards their tips."""
    guides = points[rng.choice(len(points), locks, replace=False)]
    gaps = ((points[:, None, 0] - guides[None, :, 0]) ** 2).sum(-1)
    guide = guides[gaps.argmin(1)]
    share = strength * np.linspace(0, 1, KNOTS, dtype=np.float32)[None, :, None] ** 0.8
    loose = rng.uniform(0.55, 1, (len(points), 1, 1)).astype(np.float32)
    return np.asarray(points + share * loose * (guide - points + 0.25 * (points[:, :1] - guide[:, :1])), np.float32)


def curl(rng: np.random.Generator, points: F, radius: float, turns: float, start: float = 0.15) -> F:
    """Wind strands into helices around their path."""
    along = np.linspace(0, 1, KNOTS, dtype=np.float32)[None]
    phase = rng.uniform(0, 2 * np.pi, (len(points), 1)).astype(np.float32)
    angle = 2 * np.pi * turns * along * rng.uniform(0.85, 1.15, (len(points), 1)).astype(np.float32) + phase
    tangent = unit(np.gradient(points, axis=1).astype(np.float32))
    first = unit(np.cross(tangent, vector(0.3, 0.2, 1)).astype(np.float32))
    second = np.cross(tangent, first)
    size = (radius * np.clip(along / start, 0, 1) * rng.uniform(0.6, 1.2, (len(points), 1)))[..., None]
    return np.asarray(
        points + size * (np.cos(angle)[..., None] * first + np.sin(angle)[..., None] * second), np.float32
    )


def finish(rng: np.random.Generator, growth: Growth, points: F, layer: F, width: float, **motion: float) -> Hair:
    """Colour the strands: each a little different, roots deeper inside, flyaways thin."""
    n = len(points)
    tone = (1 + 0.16 * rng.standard_normal((n, 1))) * (1 + 0.05 * rng.standard_normal((n, 3)))
    colour = np.clip(np.array(growth.colour) * tone, 0.01, 1).astype(np.float32)
    outward = unit(points * vector(1, 0.55, 1) + vector(0, 0.02, 0.012))
    along = np.linspace(0, 1, KNOTS, dtype=np.float32)
    depth = np.clip(0.25 + 0.75 * layer[:, None] + 0.25 * along[None] - 0.15, 0, 1)
    widths = (width * rng.uniform(0.7, 1.25, n)).astype(np.float32)
    shift = rng.normal(0, 0.07, (n, 1)).astype(np.float32)
    return Hair(
        points.astype(np.float32),
        outward,
        depth.astype(np.float32),
        colour,
        widths,
        shift,
        single=layer > 0.82,
        **motion,
    )


def tidy(points: F) -> NDArray[np.bool_]:
    """Return which strands (s,) neither cross the face or throat nor stand up in a loop."""
    x, y, z = np.moveaxis(points, -1, 0)
    face = (np.abs(x) < 0.058) & (z > np.where(y < -0.06, 0.015, 0.04)) & (y < 0.052) & (y > -0.26)
    brow = (z > 0.055) & (y < 0.07) & (np.abs(x) < 0.052)
    loop = ((points / (SKULL + 0.05)) ** 2).sum(-1) > 1
    return np.asarray(~((face | brow).any(1) | (loop & (y > 0.05)).any(1)))


def stray(rng: np.random.Generator, points: F, size: float) -> F:
    """Let single hairs leave the mass."""
    n = len(points)
    along = np.linspace(0, 1, KNOTS, dtype=np.float32)[None, :, None]
    reach = size * rng.exponential(0.7, (n, 1, 1)).clip(0, 2.5)
    away = unit(points[:, -1:] * vector(1, 0.35, 1) + rng.normal(0, 0.04, (n, 1, 3)).astype(np.float32))
    phase, pace = rng.uniform(0, 6, (n, 1, 3)), rng.uniform(1.5, 4.5, (n, 1, 1))
    wave = rng.normal(0, size * 0.35, (n, 1, 3)) * (np.sin(along * pace + phase) - np.sin(phase))
    return np.asarray(points + along**1.4 * reach * away + along**1.3 * wave, np.float32)
