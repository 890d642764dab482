"""Garments: close ones are eased shells of the body with folds, loose ones hang from it and trail behind."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from pipelines.sample import body
from pipelines.sample.sheets import Colour, Moment, Paint, Patch, Sheet, curve, loft, path_through
from pipelines.sample.skeleton import Build, F, Skeleton, unit, vector
from pipelines.sample.textures import noise

_LAGS = 5


def folds(rng: np.random.Generator, rows: int, cols: int, along: int, across: int, twist: float = 0.0) -> F:
    """Return (rows, cols) soft ridges in [0, 1] with sharper valleys: ``across`` ridges around, ``along`` down."""
    field = noise(rng, rows, cols, along, across) + 0.45 * noise(rng, rows, cols, 2 * along, 2 * across)
    if twist:
        shift = (np.arange(rows) * twist * cols / rows).astype(int)
        columns = (np.arange(cols)[None] + shift[:, None]) % (cols - 1)
        field = field[np.arange(rows)[:, None], columns]
    return np.asarray(np.sqrt(np.abs(field) + 0.02), np.float32)


def sleeve(rng: np.random.Generator, build: Build, index: int, end: float, ease: float, paint: Paint) -> Sheet:
    """Return a sleeve down to a share of the arm's length: 0.38 short, 0.97 to the wrist."""
    rows, cols = body.LIMB_ROWS, body.LIMB_COLUMNS
    u = np.linspace(0.06, end, rows)[:, None]
    crease = folds(rng, rows, cols, 10, 4, 0.5) * (0.35 + np.exp(-(((u - 0.57) / 0.13) ** 2)) + 0.5 * (u > 0.85))
    loose = ease * (0.5 + 0.6 * np.clip((u - 0.15) / 0.5, 0, 1)) * np.clip((u - 0.04) / 0.1, 0, 1)
    cuff = 0.0035 * (np.exp(-(((u - end) / 0.012) ** 2))) - 0.75 * loose * np.clip((u - end + 0.05) / 0.03, 0, 1) * (
        end > 0.8
    )
    lift = (loose + cuff + 0.7 * ease * crease).astype(np.float32)
    return Sheet("sleeve", lambda m: body.arm(m, build, index, 0.06, end, lift), paint, lining=0.3)


def trouser(rng: np.random.Generator, build: Build, index: int, end: float, ease: float, paint: Paint) -> Sheet:
    """Return one trouser leg."""
    rows, cols = body.LIMB_ROWS, body.LIMB_COLUMNS
    start = 0.1
    u = np.linspace(start, end, rows)[:, None]
    bunch = np.exp(-(((u - 0.5) / 0.1) ** 2)) + np.exp(-(((u - 0.97) / 0.08) ** 2)) + 0.8 * np.exp(-((u / 0.12) ** 2))
    crease = folds(rng, rows, cols, 13, 4, 0.35) * (0.3 + 0.7 * bunch)
    fall = ease * (0.5 + 1.1 * np.clip((u - 0.35) / 0.5, 0, 1.2))
    lift = (fall + 0.6 * (ease + 0.006) * crease).astype(np.float32)
    return Sheet("trouser", lambda m: body.leg(m, build, index, start, end, lift), paint)


@dataclass(frozen=True)
class Neckline:
    """Where a top ends under the face; metres at 1.75 m."""

    top: float = 1.475
    drop: float = 0.04
    """How far it falls in front."""
    wide: float = 0.08
    pointed: bool = False

    def keeps(self, patch: Patch, low: float) -> F:
        """Return (rows, cols) 1 where there is cloth."""
        height = low + (self.top - low) * np.linspace(0, 1, patch.rows)[:, None]
        around = np.linspace(-0.5, 1.5, patch.cols)[None] * np.pi
        x = 0.11 * np.cos(around) / self.wide
        front = np.sin(around) > 0
        depth = self.drop * (np.clip(1 - np.abs(x), 0, 1) if self.pointed else np.sqrt(np.clip(1 - x * x, 0, 1)))
        return np.asarray(height < self.top - np.where(front, depth, 0.1 * depth), np.float32)


def top(
    rng: np.random.Generator, build: Build, low: float, ease: float, paint: Paint, neckline: Neckline, gap: float = 0.0
) -> Sheet:
    """Return the body of a shirt, sweater or jacket from its hem to the neckline; ``gap`` metres open in front."""
    rows, cols = body.TRUNK_ROWS, body.TRUNK_COLUMNS
    height = np.linspace(low, neckline.top, rows)[:, None]
    around = np.linspace(-0.5, 1.5, cols)[None] * np.pi
    waist = np.exp(-(((height - 1.03) / 0.1) ** 2))
    drag = folds(rng, rows, cols, 9, 7, 0.12) * (0.3 + 0.9 * waist)
    pits = np.exp(-(((height - 1.3) / 0.06) ** 2)) * np.abs(np.cos(around)) ** 3
    drag = drag + folds(rng, rows, cols, 12, 9, -0.3) * pits * 0.8
    hem = np.exp(-(((height - low) / 0.012) ** 2)) * 0.003
    shelf = np.clip((height - 1.40) / 0.06, 0, 1)
    lift = (
        0.003
        + ease * (1 - 0.85 * shelf) * (0.7 + 0.75 * waist)
        + (0.25 * ease + 0.006) * drag * (1 - 0.8 * shelf)
        + hem
    )
    flare = np.clip((1.02 - height) / 0.13, 0, 1.2) * (0.0 if gap else 0.027)
    lift = np.asarray(lift + flare, np.float32)

    def cut(patch: Patch) -> Colour:
        colour = paint(patch)
        keeps = neckline.keeps(patch, low)
        if gap:
            angle = np.linspace(-0.5, 1.5, patch.cols)[None] * np.pi
            up = np.linspace(0, 1, patch.rows)[:, None]
            front = np.sin(angle) > 0
            opening = gap * (1.3 - 0.5 * up)
            keeps = keeps * ~(front & (np.abs(0.16 * np.cos(angle)) < opening))
        return np.concatenate([colour, keeps[..., None]], -1).astype(np.float32)

    def shape(moment: Moment) -> F:
        shell = body.trunk(moment, build, low, neckline.top, rows, lift)
        return shell if low > 0.95 else _push_out(shell, shell.mean(1), moment.skeleton(), build, 0.034)

    return Sheet("top", shape, cut, open=gap > 0)


def collar(build: Build, paint: Paint, height: float, radius: float, roll: float) -> Sheet:
    """Return a collar around the neck: a ribbed band, a turtleneck or a rolled scarf."""

    def shape(moment: Moment) -> F:
        now = moment.skeleton()
        k = build.scale
        low = now.chest + now.chest_turn @ vector(0, 0.322 * k, -0.018 * k)
        up = unit(0.75 * now.chest_turn[:, 1] + 0.25 * now.head_turn[:, 1])
        u = np.linspace(0, 1, 20, dtype=np.float32)
        path = low + u[:, None] * height * k * up
        bulge = (radius + 0.014 * (1 - u) ** 2 + roll * np.sin(np.pi * u)) * k
        side = np.tile(now.chest_turn[:, 0], (20, 1))
        front = np.tile(unit(now.chest_turn[:, 2] - 0.28 * now.chest_turn[:, 1]), (20, 1))
        return loft(path.astype(np.float32), side, front, bulge, bulge * 1.02, 61)

    return Sheet("collar", shape, paint, open=True)


def _trailing(moment: Moment, rows: int, lag: float) -> tuple[F, F, F]:
    """Return (pelvis, side, front), each (rows, 3), of a cloth whose lower rows hang where the body was."""
    levels = [moment.skeleton(round(lag * i / _LAGS, 4)) for i in range(_LAGS + 1)]
    at = np.linspace(0, _LAGS, rows)
    tables = [
        np.stack([level.pelvis for level in levels]),
        np.stack([level.pelvis_turn[:, 0] for level in levels]),
        np.stack([level.pelvis_turn[:, 2] for level in levels]),
    ]
    out = [np.stack([np.interp(at, np.arange(_LAGS + 1), table[:, axis]) for axis in range(3)], -1) for table in tables]
    return out[0].astype(np.float32), unit(out[1].astype(np.float32)), unit(out[2].astype(np.float32))


def _push_out(cloth: F, path: F, now: Skeleton, build: Build, ease: float) -> F:
    """Move a skirt (rows, cols, 3) around ``path`` outward where a leg is in its way, row by row."""
    away = cloth - path[:, None]
    away[..., 1] = 0
    reach = np.sqrt((away * away).sum(-1))
    heading = away / np.maximum(reach, 1e-6)[..., None]
    need = np.zeros_like(reach)
    for limb in now.legs:
        joints = np.stack([limb.end, limb.middle, limb.root])
        centre = np.stack([np.interp(path[:, 1], joints[:, 1], joints[:, axis]) for axis in (0, 2)], -1)
        girth = np.interp(path[:, 1], joints[:, 1], [0.045, 0.062, 0.085]) * build.scale + ease
        steep = [abs(float(unit(b - a)[1])) for a, b in ((limb.end, limb.middle), (limb.middle, limb.root))]
        # A level cut through a slanting leg is longer than the leg is wide.
        girth = girth / np.interp(path[:, 1], [joints[1, 1] - 0.05, joints[1, 1] + 0.05], np.maximum(0.5, steep))
        offset = centre - path[:, [0, 2]]
        along = heading[..., 0] * offset[:, None, 0] + heading[..., 2] * offset[:, None, 1]
        inside = (girth**2 - (offset**2).sum(1))[:, None] + along**2
        need = np.maximum(need, np.where(inside > 0, along + np.sqrt(np.maximum(inside, 0)), 0))
    low = path[:, 1] < now.legs[0].root[1]
    wide = np.maximum(need, cv2.blur(need, (13, 9))) * low[:, None]
    reach = np.maximum(wide - reach, 0)
    return np.asarray(cloth + reach[..., None] * heading, np.float32)


def skirt(
    rng: np.random.Generator, build: Build, hem: float, flare: float, waves: int, paint: Paint, ease: float = 0.0,
    opening: float = 0.0, start: float = 1.05, veil: float = 0.0,
) -> Sheet:  # fmt: skip
    """Return a skirt, or the tails of a coat with an ``opening`` in front, that swings behind the hips."""
    rows, cols = 72, 145
    k = build.scale
    u = np.linspace(0, 1, rows, dtype=np.float32)
    height = start + (hem - start) * u
    _, width, depth, _ = body.trunk_profile(build, rows, 0.8, start)
    # Below the hips the cloth falls free.
    profile = np.interp(height, np.linspace(0.8, start, rows), width)
    deep = np.interp(height, np.linspace(0.8, start, rows), depth)
    widest = np.maximum.accumulate(profile), np.maximum.accumulate(deep)
    phases = rng.uniform(0, 2 * np.pi, 3)
    angle = np.linspace(-0.5, 1.5, cols)[None] * np.pi
    crease = folds(rng, rows, cols, 3, waves)

    def shape(moment: Moment) -> F:
        pelvis, side, front = _trailing(moment, rows, 0.16)
        t = moment.time
        swing = u[:, None] ** 1.2
        ripple = np.cos(waves * angle + phases[0] + 1.5 * np.sin(2.4 * t) * swing)
        ripple = ripple + 0.5 * np.cos((waves // 2 + 1) * angle + phases[1] - 3.5 * t * swing)
        flutter = 0.018 * swing * np.cos(2 * angle + phases[2] + 6.5 * t - 3 * u[:, None])
        lift = ease + swing * (flare + 0.32 * flare * ripple + flutter) + 0.008 * crease
        path = (pelvis + vector(0, 1, 0) * ((height - 0.935) * k)[:, None] + front * (-0.004 * k)).astype(np.float32)
        cloth = loft(path, side, front, widest[0] * k, widest[1] * k, cols, 2.2, (lift * k).astype(np.float32))
        return _push_out(cloth, path, moment.skeleton(), build, ease + 0.012)

    def cut(patch: Patch) -> Colour:
        colour = paint(patch)
        if not opening:
            return colour
        around = np.linspace(-0.5, 1.5, patch.cols)[None] * np.pi
        gap = opening * (1 + 0.6 * np.linspace(0, 1, patch.rows)[:, None])
        keeps = ~((np.sin(around) > 0) & (np.abs(0.18 * np.cos(around)) < gap))
        return np.concatenate([colour, keeps[..., None]], -1).astype(np.float32)

    return Sheet("skirt", shape, cut, open=True, veil=veil)


def shawl(
    rng: np.random.Generator, build: Build, hem: float, paint: Paint, veil: float = 0.0
) -> tuple[Sheet, Callable[[Moment], F]]:
    """Return a poncho over the shoulders, and its hem (cols, 3) for fringes."""
    rows, cols = 64, 145
    k = build.scale
    u = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    stops = [0.0, 0.12, 0.3, 0.5, 1.0]
    drop = 1.485 - hem
    wide = curve(rows, stops, [0.075, 0.13, 0.215, 0.255, 0.31], 2.0)
    deep = curve(rows, stops, [0.075, 0.108, 0.155, 0.185, 0.22], 2.0)
    fall = curve(rows, stops, [0.0, 0.03, 0.1 * drop / 0.4, 0.2 * drop / 0.4, drop], 2.0)
    phases = rng.uniform(0, 2 * np.pi, 3)
    angle = np.linspace(-0.5, 1.5, cols)[None] * np.pi
    crease = folds(rng, rows, cols, 3, 13)

    def shape(moment: Moment) -> F:
        old = moment.skeleton(0.1)
        now = moment.skeleton()
        t = moment.time
        wave = np.cos(9 * angle + phases[0] + 0.8 * np.sin(2.2 * t)) + 0.6 * np.cos(5 * angle + phases[1] + 2.5 * t)
        lift = u**1.2 * (0.026 * wave + 0.012 * np.cos(3 * angle + 5.0 * t + phases[2])) + 0.020 * crease * (0.2 + u)
        centre = now.chest + now.chest_turn @ vector(0, 0.365 * k, -0.012 * k)
        sag = (0.05 * np.clip(np.sin(angle), 0, 1) ** 2 * u * k)[..., None] * vector(0, 1, 0)
        path = centre - fall[:, None] * k * now.chest_turn[:, 1]
        share = u
        side = unit((1 - share) * now.chest_turn[:, 0] + share * old.chest_turn[:, 0])
        front = unit((1 - share) * now.chest_turn[:, 2] + share * old.chest_turn[:, 2])
        return np.asarray(
            loft(path.astype(np.float32), side, front, wide * k, deep * k, cols, 2.2, (lift * k).astype(np.float32))
            - sag,
            np.float32,
        )

    return Sheet("shawl", shape, paint, open=True, veil=veil), lambda m: shape(m)[-1]


def scarf_end(
    rng: np.random.Generator, build: Build, side: int, length: float, paint: Paint
) -> tuple[Sheet, Callable[[Moment], F]]:
    """Return a hanging end of a scarf that flies a little, and its lower edge (cols, 3) for fringes."""
    rows, cols = 48, 25
    k = build.scale
    u = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    v = np.linspace(-1, 1, cols, dtype=np.float32)[None]
    phase = rng.uniform(0, 6)
    crease = folds(rng, rows, cols, 3, 3)

    def shape(moment: Moment) -> F:
        lagged = [moment.skeleton(round(0.05 * i, 3)) for i in range(5)]
        at = np.linspace(0, 4, rows)
        origin = np.stack([s.chest + s.chest_turn @ vector(side * 0.05 * k, 0.335 * k, 0.095 * k) for s in lagged])
        line = np.stack([np.interp(at, np.arange(5), origin[:, axis]) for axis in range(3)], -1)[:, None]
        t = moment.time
        turn = lagged[0].chest_turn
        wave = np.sin(5.5 * t + phase - 4 * u + 0.7 * v)
        width = 0.042 + 0.018 * u
        across = side * 0.03 * u + v * width + 0.03 * u**2 * np.sin(3.1 * t + phase - 2 * u)
        out = 0.085 * np.minimum(1, 4 * u) ** 0.7 * (1 - 0.2 * u) + 0.03 * u**1.5 * wave + 0.014 * crease
        out = out + 0.012 * np.cos(3.2 * v + 3 * u)
        down = -length * u * (1 - 0.03 * wave * u)
        local = np.stack([across, down + 0 * v, out], -1) * k
        return np.asarray(line + local @ turn.T, np.float32)

    return Sheet("scarf", shape, paint, open=True), lambda m: shape(m)[-1]


def glasses(build: Build, colour: tuple[float, float, float], tall: float) -> list[Sheet]:
    """Return thin frames: two rims, bridge and temples."""
    from pipelines.sample.head import place_head

    def wire(points: list[F], stops: list[float], radius: float, name: str) -> Sheet:
        path = path_through(points, stops, 64, 1.2)
        along = unit(np.gradient(path, axis=0).astype(np.float32))
        first = unit(np.cross(along, vector(0.2, 0.3, 1)).astype(np.float32))
        second = np.cross(along, first)
        rest = loft(path, first, second, np.full(64, radius, np.float32), np.full(64, radius, np.float32), 9)

        def paint(patch: Patch) -> Colour:
            return np.broadcast_to(np.array(colour, np.float32), (patch.rows, patch.cols, 3))

        return Sheet(name, lambda m: place_head(m, build, rest), paint, gloss=0.5, open=True)

    found = []
    for side in (-1, 1):
        ring = []
        for a in np.linspace(0, 2 * np.pi, 25):
            c, s = float(np.cos(a)), float(np.sin(a))
            x = 0.0335 + 0.0235 * np.sign(c) * abs(c) ** 0.75
            ring.append(vector(side * x, 0.010 + tall * np.sign(s) * abs(s) ** 0.8, 0.101 - 9.0 * (x - 0.02) ** 2))
        found.append(wire(ring, list(np.linspace(0, 1, 25)), 0.0014, "rim"))
        bow = [
            vector(side * 0.0565, 0.016, 0.088),
            vector(side * 0.074, 0.016, 0.06),
            vector(side * 0.0775, 0.014, -0.002),
        ]
        found.append(wire(bow, [0, 0.3, 1], 0.0014, "temple"))
    bridge = [vector(-0.0105, 0.014, 0.1), vector(0, 0.0165, 0.1045), vector(0.0105, 0.014, 0.1)]
    found.append(wire(bridge, [0, 0.5, 1], 0.0013, "bridge"))
    return found
