"""Hairstyles: each grows its strands over a scalp. Training and test draw from different families."""

import numpy as np

from pipelines.sample.hair import (
    KNOTS,
    Growth,
    Hair,
    Style,
    clump,
    collide,
    curl,
    finish,
    grow,
    stray,
    tidy,
)
from pipelines.sample.head import SKULL
from pipelines.sample.skeleton import F, unit, vector


def _combed(rng: np.random.Generator, growth: Growth, part: float, back: float) -> F:
    """Return headings away from a parting at ``part`` metres, swept ``back``."""
    aside = np.tanh((growth.scalp[:, 0] - part) / 0.012)
    heading = growth.facing * 0.3 + np.stack([0.8 * aside, 0.05 + 0 * aside, -back + 0 * aside], -1)
    return unit((heading + rng.normal(0, 0.12, heading.shape)).astype(np.float32))


def _falling(
    rng: np.random.Generator, growth: Growth, length: tuple[float, float], *, locks: int, together: float,
    wind: float = 0.0, turns: float = 0.0, part: float = 0.015, back: float = 0.35, volume: float = 0.016,
    fly: float = 0.15, inertia: float = 0.12, width: float = 0.0009, gloss: float = 0.55, weight: float = 0.42,
) -> Hair:  # fmt: skip
    n = growth.count
    layer = rng.uniform(0, 1, n).astype(np.float32)
    lift = (0.004 + volume * layer)[:, None]
    loose = rng.uniform(0, 1, n) < fly
    lift[loose] += 0.002
    # Half of the loose hairs are new ones: short, stiff, standing off.
    short = loose & (rng.uniform(0, 1, n) < 0.5)
    long = (rng.uniform(*length, n) * np.where(short, rng.uniform(0.12, 0.35, n), 1)).astype(np.float32)
    heading = _combed(rng, growth, part, back)
    heading[short] = unit(heading[short] + 0.9 * growth.facing[short])
    stiff = np.where(short, 0.12, weight)[:, None].astype(np.float32)
    points = grow(rng, growth.scalp, heading, long, np.tile(vector(0, -1, -0.05), (n, 1)), stiff, lift, 0.035)
    points = clump(rng, points, locks, together)
    if wind:
        points = curl(rng, points, wind, turns)
    points[loose] = stray(rng, points[loose], 0.02)
    side = np.where(points[:, KNOTS // 2, 0] >= 0, 1, -1).astype(np.float32)
    points = collide(points.reshape(-1, 3), np.repeat(lift, KNOTS, 0) * 0.6, np.repeat(side, KNOTS)).reshape(
        points.shape
    )
    layer[loose] = 1
    whole = tidy(points)
    points, layer, loose = points[whole], layer[whole], loose[whole]
    hair = finish(rng, growth, points, layer, width, inertia=inertia, drape=0.6, gloss=gloss)
    hair.width[loose] *= 0.6
    return hair


def straight(rng: np.random.Generator, growth: Growth) -> Hair:
    """Long and straight."""
    return _falling(rng, growth, (0.38, 0.5), locks=240, together=0.45, part=rng.uniform(-0.03, 0.03), gloss=0.8)


def wavy(rng: np.random.Generator, growth: Growth) -> Hair:
    """Long waves in thick locks."""
    return _falling(rng, growth, (0.36, 0.48), locks=110, together=0.75, wind=0.011, turns=3.0, volume=0.024, fly=0.2)


def curls(rng: np.random.Generator, growth: Growth) -> Hair:
    """Corkscrew curls to the shoulder."""
    return _falling(
        rng, growth, (0.2, 0.3), locks=200, together=0.85, wind=0.009, turns=4.0, volume=0.028, fly=0.22, part=0.0,
        back=0.15, gloss=0.4, weight=0.3,
    )  # fmt: skip


def bob(rng: np.random.Generator, growth: Growth) -> Hair:
    """Cut at the chin."""
    return _falling(
        rng, growth, (0.19, 0.235), locks=200, together=0.4, part=-0.02, volume=0.02, inertia=0.07, gloss=0.85
    )


def crop(rng: np.random.Generator, growth: Growth) -> Hair:
    """Short on the sides, tousled on top."""
    n = growth.count
    top = np.clip((growth.scalp[:, 1] - 0.035) / 0.06, 0, 1)
    length = ((0.009 + 0.036 * top) * rng.uniform(0.7, 1.25, n)).astype(np.float32)
    sweep = rng.choice([-1.0, 1.0])
    heading = growth.facing * (0.6 + 0.15 * top[:, None]) + vector(0.6 * sweep, 0.05, 0.35) * top[:, None]
    heading = heading + vector(0, -0.55, -0.1) * (1 - top[:, None]) + rng.normal(0, 0.2, (n, 3))
    layer = rng.uniform(0, 1, n).astype(np.float32)
    points = grow(
        rng, growth.scalp, unit(heading.astype(np.float32)), length, np.tile(vector(0.2 * sweep, -0.4, 0.1), (n, 1)),
        0.07, (0.001 + 0.012 * layer)[:, None], 0.07,
    )  # fmt: skip
    points = clump(rng, points, 260, 0.5)
    return finish(rng, growth, points, layer, 0.0007, inertia=0.02, flutter=0.001, gloss=0.4)


def _gathered(rng: np.random.Generator, growth: Growth, knot: F, layer: F) -> F:
    """Comb strands over the skull to a knot; returns (s, 10, 3)."""
    along = np.linspace(0, 1, 10, dtype=np.float32)[None, :, None]
    points = growth.scalp[:, None] * (1 - along) + knot * along
    axes = SKULL + (0.003 + 0.006 * layer)[:, None, None]
    q = points / axes
    size = np.sqrt((q * q).sum(-1, keepdims=True))
    points = np.where(size < 1, points / np.maximum(size, 1e-3), points)
    return np.asarray(points + rng.normal(0, 0.0012, points.shape), np.float32)


def ponytail(rng: np.random.Generator, growth: Growth) -> Hair:
    """Combed back into a swinging tail, short loose hairs around the face."""
    n = growth.count
    layer = rng.uniform(0, 1, n).astype(np.float32)
    knot = vector(0, 0.045, -0.122)
    first = _gathered(rng, growth, knot, layer)
    u = np.linspace(0.05, 1, KNOTS - 10, dtype=np.float32)[None, :, None]
    angle = rng.uniform(0, 2 * np.pi, (n, 1, 1))
    spread = np.sqrt(rng.uniform(0, 1, (n, 1, 1))) * (0.012 + 0.028 * np.sin(np.pi * u**0.7))
    long = rng.uniform(0.24, 0.36, (n, 1, 1))
    sway = rng.choice([-1.0, 1.0]) * 0.07
    tail = knot + np.concatenate(
        [
            sway * u + spread * np.cos(angle),
            0.03 * np.sin(np.pi * np.minimum(1, 2.2 * u)) - long * np.clip(u - 0.1, 0, 1),
            -0.055 * np.sin(np.pi * np.minimum(0.62, u)) + spread * np.sin(angle),
        ],
        -1,
    )
    points = np.concatenate([first, tail.astype(np.float32)], 1)
    points[:, 10:] = clump(rng, points, 60, 0.25)[:, 10:]
    loose = rng.uniform(0, 1, n) < 0.07
    points[loose] = stray(rng, points[loose], 0.03)
    layer[loose] = 1
    return finish(rng, growth, points, layer, 0.00065, inertia=0.16, flutter=0.006, gloss=0.75)


def bun(rng: np.random.Generator, growth: Growth) -> Hair:
    """A knot on top, with wisps."""
    n = growth.count
    layer = rng.uniform(0, 1, n).astype(np.float32)
    knot = vector(0, 0.132, -0.035)
    first = _gathered(rng, growth, knot, layer)
    u = np.linspace(0.02, 1, KNOTS - 10, dtype=np.float32)[None, :]
    angle = 2 * np.pi * (rng.uniform(0, 1, (n, 1)) + 0.9 * u)
    ring = np.sqrt(layer)[:, None]
    lean = rng.uniform(-0.5, 0.5, (n, 1))
    coil = np.stack(
        [
            0.046 * ring * np.cos(angle),
            0.034 + 0.036 * ring * np.sin(angle) * np.cos(lean) + 0.012 * np.sin(3 * angle),
            0.042 * ring * np.sin(angle + 1.3) * np.sin(lean * 2.5) + 0.02 * rng.uniform(-1, 1, (n, 1)),
        ],
        -1,
    )
    points = np.concatenate([first, (knot + coil).astype(np.float32)], 1)
    loose = rng.uniform(0, 1, n) < 0.08
    points[loose] = stray(rng, points[loose], 0.035)
    layer[loose] = 1
    return finish(rng, growth, points, layer, 0.00065, inertia=0.03, flutter=0.003, gloss=0.7)


def afro(rng: np.random.Generator, growth: Growth) -> Hair:
    """A round cloud of tight curls."""
    n = growth.count
    layer = rng.uniform(0, 1, n).astype(np.float32)
    heading = unit(growth.facing + growth.scalp * 4 + rng.normal(0, 0.18, (n, 3)).astype(np.float32))
    length = (rng.uniform(0.5, 1, n) ** 0.6 * 0.085 * np.clip(1 + 3 * growth.scalp[:, 1], 0.7, 1.3)).astype(np.float32)
    along = np.linspace(0, 1, KNOTS, dtype=np.float32)[None, :, None]
    points = growth.scalp[:, None] + heading[:, None] * length[:, None, None] * along
    points = clump(rng, points, 500, 0.45)
    points = curl(rng, points, 0.0055, 3.5, 0.3)
    return finish(rng, growth, points, layer, 0.0006, inertia=0.03, flutter=0.002, gloss=0.22)


def braids(rng: np.random.Generator, growth: Growth) -> Hair:
    """Two plaits of three bundles over the shoulders."""
    n = growth.count
    layer = rng.uniform(0, 1, n).astype(np.float32)
    side = np.where(growth.scalp[:, 0] >= 0, 1.0, -1.0)[:, None]
    knot = np.concatenate([0.074 * side, np.full((n, 1), -0.075), np.full((n, 1), -0.03)], 1).astype(np.float32)
    first = _gathered(rng, growth, knot[:, None], layer)
    # A plait needs many knots a strand: each strand lives on one short, overlapping stretch of it.
    bound = rng.uniform(0, 1, (n, 1)) < 0.6  # the others come from the scalp and end early
    u = np.linspace(0, 1, KNOTS - 10)[None] * 0.34 + rng.uniform(0, 0.66, (n, 1)) * bound
    bundle = rng.integers(0, 3, (n, 1)) * (2 * np.pi / 3)
    weave = 2 * np.pi * 4.2 * u + bundle
    size = 0.0165 * (1 - 0.3 * u)
    radius = 0.0085 * np.sqrt(rng.uniform(0, 1, (n, 1))) * (1 - 0.3 * u)
    angle = rng.uniform(0, 2 * np.pi, (n, 1))
    end = 1 + 0.8 * np.clip((u - 0.93) / 0.07, 0, 1)
    down = u * 0.36
    tail = np.stack(
        [
            knot[:, :1] + side * (0.02 + 0.055 * np.sin(np.pi * np.minimum(0.5, 1.5 * u)))
            + (size * np.sin(weave) + radius * np.cos(angle)) * end,
            knot[:, 1:2] - down,
            knot[:, 2:] + 0.145 * np.clip(u / 0.4, 0, 1) ** 0.8
            + (0.6 * size * np.sin(2 * weave) + radius * np.sin(angle)) * end,
        ],
        -1,
    )  # fmt: skip
    points = np.concatenate([first, tail.astype(np.float32)], 1)
    held = bound[:, 0]
    points[held, :10] = points[held, 10:11]
    loose = rng.uniform(0, 1, n) < 0.09
    points[loose] = stray(rng, points[loose], 0.022)
    layer[loose] = 1
    return finish(rng, growth, points, layer, 0.0007, inertia=0.07, drape=0.8, flutter=0.003, gloss=0.45)


def windblown(rng: np.random.Generator, growth: Growth) -> Hair:
    """Long hair in the wind: strands stand far out to one side."""
    n = growth.count
    layer = rng.uniform(0, 1, n).astype(np.float32)
    wind = vector(rng.choice([-1.0, 1.0]) * 0.95, 0.12, -0.3)
    pull = wind + rng.normal(0, 0.22, (n, 3)) + np.stack([0 * layer, 0.25 * layer - 0.35, 0 * layer], -1)
    length = rng.uniform(0.22, 0.42, n).astype(np.float32)
    points = grow(
        rng, growth.scalp, _combed(rng, growth, 0.0, 0.3), length, pull.astype(np.float32), 0.3,
        (0.004 + 0.02 * layer)[:, None], 0.06,
    )  # fmt: skip
    points = clump(rng, points, 110, 0.7)
    points = curl(rng, points, 0.008, 1.6)
    loose = rng.uniform(0, 1, n) < 0.22
    points[loose] = stray(rng, points[loose], 0.06)
    layer[loose] = 1
    return finish(rng, growth, points, layer, 0.0006, inertia=0.1, flutter=0.02, gloss=0.6)


def beard(rng: np.random.Generator, head: F, colour: tuple[float, float, float], length: float, count: int) -> Hair:
    """A full beard on jaw, chin and upper lip."""
    x, y, z = head[..., 0], head[..., 1], head[..., 2]
    edge = np.interp(np.abs(x), [0, 0.018, 0.03, 0.05, 0.07, 0.08], [-0.068, -0.066, -0.052, -0.045, -0.02, 0.01])
    jaw = (y < edge) & (y > -0.112) & (z > -0.005)
    lip = (y > -0.046) & (y < -0.037) & (np.abs(x) < 0.03) & (z > 0.05)
    weight = (jaw + 1.6 * lip) * np.sin(np.linspace(0, np.pi, head.shape[0]))[:, None]
    chosen = rng.choice(weight.size, count, p=(weight / weight.sum()).ravel())
    roots = head.reshape(-1, 3)[chosen]
    facing = unit(roots * vector(1, 0.3, 1))
    heading = unit(facing * 0.55 + vector(0, -0.9, 0.05) + rng.normal(0, 0.22, roots.shape).astype(np.float32))
    upper = roots[:, 1] > -0.05
    long = (length * rng.uniform(0.5, 1.1, count) * np.where(upper & (np.abs(roots[:, 0]) < 0.035), 0.45, 1)).astype(
        np.float32
    )
    aside = np.sign(roots[:, :1]) * vector(1, 0, 0)
    heading = np.where(upper[:, None], unit(heading + 0.9 * aside), heading)
    along = np.linspace(0, 1, KNOTS, dtype=np.float32)[None, :, None]
    bent = heading[:, None] * along + vector(0, -0.3, 0) * along**2
    points = roots[:, None] + long[:, None, None] * bent
    points = curl(rng, points, 0.0016, 1.3, 0.4)
    growth = Growth(roots, facing, colour, count)
    return finish(
        rng,
        growth,
        points,
        rng.uniform(0.3, 1, count).astype(np.float32),
        0.00065,
        inertia=0.0,
        flutter=0.0005,
        gloss=0.25,
    )


TRAIN_STYLES: tuple[Style, ...] = (straight, wavy, curls, bob, crop, ponytail, bun)
TEST_STYLES: tuple[Style, ...] = (afro, braids, windblown)
