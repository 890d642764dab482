"""The bare body: trunk, arms, hands, legs and feet as lofted tubes over the skeleton."""

from collections.abc import Callable

import numpy as np

from pipelines.sample.sheets import (
    Moment,
    Paint,
    Sheet,
    curve,
    frames,
    loft,
    path_through,
    rounded,
)
from pipelines.sample.skeleton import SIDES, Build, F, Skeleton, unit, vector

TRUNK_ROWS, TRUNK_COLUMNS = 96, 97
LIMB_ROWS, LIMB_COLUMNS = 64, 41
# Height above the floor at 1.75 m, half width, half depth, and how far the section lies forward: an average adult.
_TRUNK = np.array(
    [
        [0.800, 0.125, 0.098, -0.010],
        [0.860, 0.160, 0.116, -0.014],
        [0.930, 0.168, 0.118, -0.014],
        [1.000, 0.153, 0.108, -0.004],
        [1.075, 0.136, 0.098, 0.002],
        [1.160, 0.143, 0.104, 0.002],
        [1.260, 0.158, 0.114, 0.000],
        [1.350, 0.160, 0.108, -0.006],
        [1.410, 0.160, 0.090, -0.012],
        [1.445, 0.138, 0.072, -0.016],
        [1.470, 0.080, 0.058, -0.014],
        [1.500, 0.043, 0.044, -0.006],
    ]
)


def trunk_profile(build: Build, rows: int, low: float, high: float) -> tuple[F, F, F, F]:
    """Return height, half width, half depth, forward offset, each (rows,), between two heights at 1.75 m."""
    height = np.linspace(low, high, rows)
    table = _TRUNK.copy()
    belly = np.exp(-(((table[:, 0] - 1.09) / 0.09) ** 2))
    pelvis = np.exp(-(((table[:, 0] - 0.90) / 0.09) ** 2))
    ribs = np.exp(-(((table[:, 0] - 1.30) / 0.12) ** 2))
    girth = 1 + belly * (build.waist - 1) + pelvis * (build.hips - 1) + ribs * (build.chest - 1)
    table[:, 1:3] *= girth[:, None]
    stops = list((table[:, 0] - low) / (high - low))
    width, depth, forward = (curve(rows, stops, list(table[:, i]), rows / 40) for i in (1, 2, 3))
    return height.astype(np.float32), width, depth, forward


def trunk(moment: Moment, build: Build, low: float, high: float, rows: int, ease: F | float, lag: float = 0.0) -> F:
    """Return the trunk's surface (rows, TRUNK_COLUMNS, 3) between two heights, ``ease`` metres outside the skin."""
    now = moment.skeleton(lag)
    k = build.scale
    height, width, depth, forward = trunk_profile(build, rows, low, high)
    chest_share = np.clip((height - 0.96) / 0.24, 0, 1)
    chest_share = (chest_share * chest_share * (3 - 2 * chest_share))[:, None]
    neck_share = np.clip((height - 1.44) / 0.06, 0, 1)[:, None]
    from_pelvis = now.pelvis + _spread(now.pelvis_turn, height - 0.935, forward, k)
    from_chest = now.chest + _spread(now.chest_turn, height - 1.12, forward, k)
    path = from_pelvis * (1 - chest_share) + from_chest * chest_share
    path = path + neck_share * 0.25 * (now.head - now.neck - now.chest_turn @ vector(0, 0.167 * k, 0.024 * k))
    side = now.pelvis_turn[:, 0] * (1 - chest_share) + now.chest_turn[:, 0] * chest_share
    front = now.pelvis_turn[:, 2] * (1 - chest_share) + now.chest_turn[:, 2] * chest_share
    c, s = np.cos(_angles()), np.sin(_angles())
    bust = build.bust * np.exp(-(((height - 1.285) / 0.055) ** 2))[:, None]
    both = np.exp(-(((np.abs(c) - 0.52) / 0.34) ** 2)) * np.clip(s, 0, 1)
    shoulder_blades = 0.006 * np.exp(-(((height - 1.33) / 0.07) ** 2))[:, None] * np.clip(-s, 0, 1)
    lift = (bust * both + shoulder_blades) * k + ease
    return loft(
        path.astype(np.float32), unit(side), unit(front), width * k, depth * k, TRUNK_COLUMNS, 2.35,
        np.asarray(lift, np.float32),
    )  # fmt: skip


def _angles() -> F:
    return np.linspace(-0.5 * np.pi, 1.5 * np.pi, TRUNK_COLUMNS, dtype=np.float32)


def _spread(turn: F, up: F, forward: F, k: float) -> F:
    return np.asarray((up[:, None] * turn[:, 1] + forward[:, None] * turn[:, 2]) * k, np.float32)


def arm(moment: Moment, build: Build, index: int, start: float, end: float, ease: F | float = 0.0) -> F:
    """Return an arm's surface between two shares of its length: 0 in the chest, 0.16 shoulder, 0.57 elbow, 1 wrist."""
    now = moment.skeleton()
    limb = now.arms[index]
    k = build.scale
    inner = now.chest + now.chest_turn @ vector(SIDES[index] * 0.08 * k, 0.272 * k, -0.012 * k)
    hand, _ = now.hands[index]
    joints = [inner, limb.root, limb.middle, limb.end, limb.end + 0.02 * k * hand]
    line = path_through(joints, [0, 0.16, 0.57, 0.97, 1.0], 96, 4.0)
    girth = curve(
        96,
        [0, 0.1, 0.2, 0.3, 0.42, 0.54, 0.60, 0.68, 0.8, 0.93, 1.0],
        [0.038, 0.046, 0.051, 0.049, 0.045, 0.040, 0.041, 0.0425, 0.036, 0.0268, 0.0225],
        2.0,
    )
    keep = np.linspace(start, end, LIMB_ROWS) * 95
    path = np.stack([np.interp(keep, np.arange(96), line[:, i]) for i in range(3)], -1).astype(np.float32)
    radius = np.interp(keep, np.arange(96), girth).astype(np.float32) * build.limbs * k
    side, front = frames(path, limb.pole)
    return loft(path, side, front, radius * 0.96, radius * 1.04, LIMB_COLUMNS, 2.0, _grid(ease))


def leg(moment: Moment, build: Build, index: int, start: float, end: float, ease: F | float = 0.0) -> F:
    """Return a leg's surface between two shares of its length: 0 hip, 0.5 knee, 1 ankle."""
    now = moment.skeleton()
    limb = now.legs[index]
    k = build.scale
    hip = limb.root + now.pelvis_turn @ vector(-SIDES[index] * 0.006 * k, 0.04 * k, 0)
    path = path_through([hip, limb.middle, limb.end], [0, 0.5, 1], 96, 3.0)
    girth = curve(
        96,
        [0, 0.1, 0.25, 0.42, 0.5, 0.62, 0.72, 0.88, 1.0],
        [0.072, 0.080, 0.075, 0.061, 0.056, 0.058, 0.055, 0.04, 0.038],
        2.0,
    )
    keep = np.linspace(start, end, LIMB_ROWS) * 95
    path = np.stack([np.interp(keep, np.arange(96), path[:, i]) for i in range(3)], -1).astype(np.float32)
    radius = np.interp(keep, np.arange(96), girth).astype(np.float32) * (0.5 * build.limbs + 0.5 * build.hips) * k
    side, front = frames(path, now.pelvis_turn[:, 2] * 0.3 + limb.pole)
    return loft(path, side, front, radius * 0.97, radius * 1.05, LIMB_COLUMNS, 2.0, _grid(ease))


def _grid(ease: F | float) -> F:
    return np.full((LIMB_ROWS, LIMB_COLUMNS), ease, np.float32) if isinstance(ease, int | float) else ease


def palm(moment: Moment, build: Build, index: int) -> F:
    """Return the hand without its fingers."""
    direction, _, normal, wrist, k = _hand(moment.skeleton(), build, index)
    u = np.linspace(-0.035, 0.1, 24, dtype=np.float32)[:, None]
    path = wrist + u * k * direction + 0.004 * k * normal
    side, front = frames(path, normal)
    width = curve(24, [0, 0.3, 0.5, 0.8, 1], [0.020, 0.0275, 0.038, 0.0425, 0.038]) * k
    depth = curve(24, [0, 0.3, 0.5, 0.85, 1], [0.016, 0.020, 0.0175, 0.0135, 0.010]) * k
    closing = rounded(24, 0.02, 0.12)
    return loft(path, side, front, width * closing, depth * closing, 25, 2.5)


def finger(moment: Moment, build: Build, index: int, which: int, curl: float, spread: float) -> F:
    """Return one finger: 0 is the thumb, 1 to 4 index to little finger."""
    direction, across, normal, wrist, k = _hand(moment.skeleton(), build, index)
    if which == 0:
        base = wrist + k * (0.028 * direction + 0.026 * across + 0.006 * normal)
        first = unit(direction + (0.75 - 0.4 * curl) * across + (0.25 + 0.5 * curl) * normal)
        lengths, radius, bends = (0.042, 0.034, 0.026), 0.0112, (0.0, 0.25 + 0.5 * curl, 0.2 + 0.4 * curl)
        hinge = unit(np.cross(first, normal - across).astype(np.float32))
    else:
        order = which - 2.5
        base = wrist + k * (0.09 * direction - order * 0.0205 * across - 0.004 * abs(order) * direction)
        first = unit(direction - order * spread * across)
        size = (0.0, 0.94, 1.06, 1.0, 0.8)[which] * 0.026
        lengths, radius = (1.55 * size, size, 0.85 * size), (0.0, 0.0088, 0.0092, 0.0088, 0.0076)[which]
        bends = (1.15 * curl + 0.04 * which * curl, 1.35 * curl, 0.8 * curl)
        hinge = across
    points, heading = [base - 0.012 * k * first, base], first
    for length, angle in zip(lengths, bends, strict=True):
        turned = heading * np.cos(angle) + _perpendicular(hinge, heading, normal) * np.sin(angle)
        heading = unit(turned.astype(np.float32))
        points.append(points[-1] + length * k * heading)
    total = sum(lengths) + 0.012
    stops = [0.0, 0.012 / total, *(0.012 / total + np.cumsum(lengths) / total)]
    path = path_through(points, stops, 22, 1.0)
    side, front = frames(path, normal)
    girth = curve(22, [0, 0.35, 0.5, 0.65, 0.8, 1], [1.05, 1.0, 0.97, 0.92, 0.86, 0.74], 1.0)
    thickness = girth * rounded(22, 0.05, 0.12) * radius * k
    return loft(path, side, front, thickness * 1.05, thickness * 0.95, 15)


def _perpendicular(hinge: F, heading: F, normal: F) -> F:
    swung = unit(np.cross(hinge, heading).astype(np.float32))
    return swung if float(swung @ normal) > 0 else -swung


def _hand(now: Skeleton, build: Build, index: int) -> tuple[F, F, F, F, float]:
    direction, normal = now.hands[index]
    across = np.asarray(-SIDES[index] * np.cross(direction, normal), np.float32)
    return direction, across, normal, now.arms[index].end, build.scale * (0.8 + 0.2 * build.limbs)


def foot(moment: Moment, build: Build, index: int, sole: float = 0.0) -> F:
    """Return a shoe, or a foot, ``sole`` metres thicker."""
    now = moment.skeleton()
    k = build.scale
    ankle, forward = now.legs[index].end, now.feet[index]
    stops = [0.0, 0.08, 0.25, 0.4, 0.6, 0.8, 0.93, 1.0]
    along = np.linspace(-0.075, 0.185, 40, dtype=np.float32)[:, None]
    middle = curve(40, stops, [-0.045, -0.042, -0.025, -0.025, -0.042, -0.052, -0.057, -0.06], 1.0)[:, None]
    path = ankle + k * (along * forward + middle * vector(0, 1, 0))
    half_height = curve(40, stops, [0.03, 0.044, 0.06, 0.058, 0.043, 0.032, 0.026, 0.02], 1.0) + sole
    half_width = curve(40, stops, [0.026, 0.033, 0.037, 0.037, 0.043, 0.046, 0.039, 0.026], 1.0) + sole
    closing = rounded(40, 0.06, 0.1)
    side = np.asarray(np.cross(vector(0, 1, 0), forward), np.float32)
    up = np.asarray(np.cross(forward, side), np.float32)
    n = len(path)
    return loft(
        path, np.tile(side, (n, 1)), np.tile(up, (n, 1)), half_width * closing * k, half_height * closing * k, 33, 2.4
    )


def hands(build: Build, paint: Paint, curl: Callable[[Moment, int], tuple[float, float]]) -> list[Sheet]:
    """Return the sheets of both hands; ``curl`` tells (curl, spread) of a hand at a moment."""
    sheets = []
    for index in range(2):
        sheets.append(Sheet("palm", lambda m, i=index: palm(m, build, i), paint, skin=1.0, gloss=0.06))  # type: ignore[misc]
        for which in range(5):
            sheets.append(
                Sheet(
                    "finger",
                    lambda m, i=index, w=which: finger(m, build, i, w, *curl(m, i)),  # type: ignore[misc]
                    paint,
                    skin=1.0,
                    gloss=0.06,
                )
            )
    return sheets
