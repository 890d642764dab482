"""The head: a modelled skull with nose, sockets, lips and ears, and the painted face on it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipelines.sample.sheets import Colour, Moment, Patch, Sheet, around, loft
from pipelines.sample.skeleton import SIDES, Build, F, vector
from pipelines.sample.textures import clouds, mix

ROWS, COLUMNS = 150, 181
SKULL = vector(0.0755, 0.118, 0.097)
"""Half axes of the head without nose and jaw, metres."""


@dataclass(frozen=True)
class Face:
    """What makes one face; lengths in metres, colours display RGB."""

    tone: tuple[float, float, float]
    hair: tuple[float, float, float]
    iris: tuple[float, float, float]
    lips: tuple[float, float, float]
    jaw: float = 0.3
    """How far the face narrows to the chin."""
    nose: float = 1.0
    eyes: float = 1.0
    brows: float = 1.0
    mouth: float = 1.0
    smile: float = 0.003
    stubble: float = 0.0
    bald: float = 0.0
    """1 leaves the scalp bare."""
    lashes: float = 0.6


def _bump(x: F, y: F, at: tuple[float, float], wide: float, high: float) -> F:
    return np.asarray(np.exp(-(((x - at[0]) / wide) ** 2) - ((y - at[1]) / high) ** 2), np.float32)


def _ramp(x: F, start: float, end: float) -> F:
    t = np.clip((x - start) / (end - start), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def model(face: Face) -> F:
    """Return the head at rest (ROWS, COLUMNS, 3): origin in its middle, from under the chin up to the crown."""
    polar = np.linspace(0.035, np.pi - 0.001, ROWS)
    c, s = around(COLUMNS)
    # More columns in front: the face needs them.
    y = -np.cos(polar)[:, None] * SKULL[1] * np.ones_like(c)
    ring = np.sin(polar)[:, None] ** 0.86
    x, z = SKULL[0] * ring * c, SKULL[2] * ring * s
    front = _ramp(s[None] * ring, 0.05, 0.75)
    below = np.clip(-(y + 0.01) / 0.108, 0, 1)
    x = x * (1 - face.jaw * below**1.7) * (1 + 0.03 * _bump(y, y, (0.06, 0.06), 0.05, 1.0))
    z = np.where(z < 0, z * (1 - 0.42 * below**1.2), z * (1 - 0.06 * below)) - 0.004 * below
    z = z - 0.012 * _ramp(y, 0.05, 0.13) * front  # the forehead leans back
    z = z - 0.010 * _bump(x, y, (0, -0.012), 0.2, 0.075) * front  # the face is flatter than the skull
    depth = np.zeros_like(z)
    n = face.nose
    ridge = np.interp(y, [-0.034, -0.027, -0.018, 0.0, 0.02, 0.03], [0.0, 0.014, 0.0225, 0.0155, 0.0085, 0.0])
    width = np.interp(y, [-0.03, -0.02, 0.0, 0.03], [0.0125, 0.0115, 0.0085, 0.0095])
    depth += n * ridge * np.exp(-((x / (width * n**0.5)) ** 2))
    for side in SIDES:
        depth += 0.0062 * n * _bump(x, y, (side * 0.0128 * n, -0.0235), 0.0062, 0.007)
        depth -= 0.0105 * _bump(x, y, (side * 0.0325, 0.0145), 0.018, 0.0115)
        depth += 0.0062 * face.eyes * _bump(x, y, (side * 0.0315, 0.013), 0.0125, 0.0085)
        depth += 0.0042 * _bump(x, y, (side * 0.028, 0.034), 0.019, 0.008)
        depth += 0.0045 * _bump(x, y, (side * 0.043, -0.012), 0.02, 0.016)
        depth -= 0.0045 * _bump(x, y, (side * 0.047, -0.045), 0.016, 0.02)
        depth -= 0.0016 * _bump(x - side * 0.35 * (y + 0.03), y, (side * 0.026, -0.036), 0.0035, 0.014)
        depth -= 0.0025 * _bump(x, y, (side * 0.0285 * face.mouth, -0.0545 + face.smile), 0.006, 0.006)
    depth += 0.0060 * _bump(x, y, (0, -0.054), 0.028, 0.017)
    bow = -0.0475 - 0.0016 * np.cos(x / 0.0072) * np.exp(-((x / 0.014) ** 2))
    depth += 0.0032 * np.exp(-(((y - bow) / 0.0045) ** 2) - (x / (0.0185 * face.mouth)) ** 2)
    depth += 0.0042 * _bump(x, y, (0, -0.0605), 0.0155 * face.mouth, 0.0052)
    depth -= 0.0042 * np.exp(-(((y - _lip_line(x, face)) / 0.0017) ** 2) - (x / (0.0225 * face.mouth)) ** 4)
    depth -= 0.0035 * _bump(x, y, (0, -0.0735), 0.018, 0.006)
    depth += 0.0075 * _bump(x, y, (0, -0.094), 0.019, 0.0155)
    depth -= 0.0012 * _bump(x, y, (0, -0.039), 0.0035, 0.006)
    z = z + depth * front
    return np.stack([x, y, z], -1).astype(np.float32)


def _lip_line(x: F, face: Face) -> F:
    return np.asarray(-0.0538 + face.smile * (x / 0.024) ** 2 - 0.0006 * np.cos(x / 0.005), np.float32)


def hairline(place: F) -> F:
    """Return how far (metres) points of the head (..., 3) lie inside the hair; negative is skin."""
    x, y, z = place[..., 0], place[..., 1], place[..., 2]
    temple = 0.062 + 0.012 * np.clip(1 - (np.abs(x) / 0.05) ** 2, -1, 1)
    line = np.interp(z, [-0.1, -0.05, -0.012, 0.012, 0.03, 0.07], [-0.075, -0.07, -0.052, -0.022, 0.035, 0.055])
    return np.asarray(y - np.where(z > 0.03, np.maximum(line, temple), line), np.float32)


def painter(rng: np.random.Generator, face: Face) -> Callable[[Patch], Colour]:
    """Return the paint of a head: skin, eyes, brows, lips, stubble, scalp."""

    def paint(patch: Patch) -> Colour:
        place = patch.place
        x, y, z = place[..., 0], place[..., 1], place[..., 2]
        front = _ramp(z, 0.0, 0.04)
        skin: Colour = np.asarray(
            np.array(face.tone, np.float32) * (1 + 0.03 * clouds(rng, patch, 0.03)[..., None]), np.float32
        )
        skin = skin * (1 + 0.035 * clouds(rng, patch, 0.004, 2)[..., None] * vector(0.5, 1, 1))
        red = sum(_bump(x, y, (s * 0.042, -0.018), 0.02, 0.017) for s in SIDES) + _bump(x, y, (0, -0.02), 0.014, 0.01)
        skin = skin * (1 - np.asarray(red * front, np.float32)[..., None] * vector(0.0, 0.1, 0.09))
        shadow = sum(_bump(x, y, (s * 0.031, 0.002), 0.017, 0.007) for s in SIDES)
        skin = skin * (1 - np.asarray(shadow * front, np.float32)[..., None] * vector(0.1, 0.13, 0.11))
        for s in SIDES:  # nostrils, and the fold beside the nose
            nostril = _bump(x, y, (s * 0.0075 * face.nose, -0.0315), 0.0042, 0.0021) * front
            skin = mix(0.8 * nostril, skin, vector(0.16, 0.07, 0.05))
        skin = _stubble(rng, skin, x, y, z, face)
        skin = _lips(skin, x, y, front, face)
        for s in SIDES:
            skin = _eye(skin, x * s, y, front, face, s)
            skin = _brow(rng, skin, x * s, y, front, face)
        inside = hairline(place) + 0.006 * clouds(rng, patch, 0.012)
        scalp = _ramp(inside, -0.006, 0.012) * (1 - face.bald)
        return mix(np.asarray(scalp, np.float32), skin, np.array(face.hair, np.float32) * 0.42)

    return paint


def _stubble(rng: np.random.Generator, skin: Colour, x: F, y: F, z: F, face: Face) -> Colour:
    if not face.stubble:
        return skin
    edge = np.interp(np.abs(x), [0, 0.02, 0.05, 0.07], [-0.036, -0.04, -0.045, -0.02])
    region = _ramp(edge - y, -0.004, 0.012) * _ramp(z, -0.02, 0.02)
    dots = 0.75 + 0.25 * rng.standard_normal(x.shape).astype(np.float32)
    share = np.clip(face.stubble * region * dots, 0, 0.85)
    return mix(np.asarray(share, np.float32), skin, np.array(face.hair, np.float32) * 0.6 + 0.05)


def _lips(skin: Colour, x: F, y: F, front: F, face: Face) -> Colour:
    middle = _lip_line(x, face)
    half = 0.0255 * face.mouth
    taper = np.sqrt(np.clip(1 - (x / half) ** 2, 0, 1))
    upper = (0.0082 - 0.0022 * np.exp(-((x / 0.004) ** 2))) * taper**1.2
    lower = 0.0098 * taper
    share = np.where(
        y > middle, _ramp(upper - (y - middle), -0.001, 0.0016), _ramp(lower - (middle - y), -0.001, 0.0022)
    )
    lips = np.array(face.lips, np.float32) * (1 + 0.25 * (y < middle) - 0.1 * np.abs(x) / half)[..., None]
    shine = _bump(x, y, (0.003, -0.0605), 0.008, 0.0016)
    lips = np.clip(lips + 0.1 * shine[..., None], 0, 1).astype(np.float32)
    skin = mix(np.asarray(0.85 * share * front, np.float32), skin, lips)
    line = np.exp(-(((y - middle) / 0.0011) ** 2)) * _ramp(half * 1.06 - np.abs(x), 0.0, 0.004)
    return mix(np.asarray(0.75 * line * front, np.float32), skin, vector(0.2, 0.07, 0.06))


def _eye(skin: Colour, x: F, y: F, front: F, face: Face, side: int) -> Colour:
    cx, cy, half = 0.0315, 0.0125, 0.0145
    t = np.clip((x - cx) / half, -1, 1)
    arch = np.clip(1 - t * t, 0, 1)
    lid = cy + 0.0058 * face.eyes * arch**0.75 + 0.0012 * t
    under = cy - 0.0042 * face.eyes * arch**0.9 + 0.0012 * t
    inside = _ramp(lid - y, -0.0003, 0.0007) * _ramp(y - under, -0.0003, 0.0007) * (np.abs(x - cx) < half)
    distance = np.hypot(x - cx - 0.0006 * side, y - cy - 0.0008)
    white = vector(0.86, 0.83, 0.8) * (0.72 + 0.28 * _ramp(lid - y, 0.0, 0.004))[..., None]
    white = mix(np.asarray(0.4 * np.exp(-(((t + 1) / 0.12) ** 2)), np.float32), white, vector(0.75, 0.45, 0.42))
    ring = 0.55 + 0.45 * np.clip(1 - np.abs(distance - 0.0035) / 0.0025, 0, 1)
    iris = np.array(face.iris, np.float32) * ring[..., None]
    eye = mix(_ramp(0.0063 - distance, -0.0004, 0.0006), white, iris.astype(np.float32))
    eye = mix(_ramp(0.0027 - distance, -0.0003, 0.0005), eye, vector(0.03, 0.025, 0.025))
    eye = eye * (1 - 0.45 * np.exp(-(((lid - y) / 0.0018) ** 2)))[..., None]
    glint = np.hypot(x * side - cx * side + 0.0022, y - cy - 0.0030)
    eye = mix(0.9 * _ramp(0.0012 - glint, -0.0004, 0.0005), eye.astype(np.float32), vector(1, 1, 1))
    skin = mix(np.asarray(inside * front, np.float32), skin, eye)
    reach = _ramp(half * 1.12 - np.abs(x - cx - 0.001), 0, 0.003)
    lash = np.exp(-(((y - lid - 0.0006) / (0.0009 + 0.0008 * face.lashes)) ** 2)) * reach
    skin = mix(np.asarray((0.55 + 0.4 * face.lashes) * lash * front, np.float32), skin, vector(0.07, 0.05, 0.045))
    lower = np.exp(-(((y - under + 0.0003) / 0.0007) ** 2)) * reach
    skin = mix(np.asarray(0.4 * lower * front, np.float32), skin, vector(0.25, 0.13, 0.11))
    crease = np.exp(-(((y - lid - 0.0042) / 0.0012) ** 2)) * reach
    return mix(np.asarray(0.33 * crease * front, np.float32), skin, np.array(face.tone, np.float32) * 0.45)


def _brow(rng: np.random.Generator, skin: Colour, x: F, y: F, front: F, face: Face) -> Colour:
    t = (x - 0.0125) / 0.036
    centre = 0.0335 + 0.0065 * np.sin(np.clip(t, 0, 1) * 2.3) - 0.004 * t
    half = 0.0043 * face.brows * np.clip(1.15 - 0.85 * t, 0, 1) * _ramp(t, -0.06, 0.1)
    strokes = 0.72 + 0.28 * np.sin((x * 0.8 + (y - centre) * 0.9) / 0.0005 + 3 * rng.standard_normal(x.shape))
    share = (
        _ramp(half - np.abs(y - centre), -0.0015, 0.0018)
        * strokes
        * front
        * _ramp(1.05 - t, 0, 0.2)
        * _ramp(t, -0.08, 0.06)
    )
    return mix(np.asarray(0.86 * share, np.float32), skin, np.array(face.hair, np.float32) * 0.55)


def place_head(moment: Moment, build: Build, rest: F, lag: float = 0.0) -> F:
    """Carry points of the head's own frame (..., 3) to where the head is, ``lag`` seconds ago."""
    now = moment.skeleton(lag)
    return np.asarray(now.head + (rest * (build.scale * build.head)) @ now.head_turn.T, np.float32)


def ear(side: int) -> F:
    """Return an ear at rest: a thick, hollowed disc."""
    u = np.linspace(0, 1, 26)
    c, s = around(25)
    profile = np.interp(u, [0, 0.25, 0.5, 0.7, 0.85, 1.0], [0.0, 0.55, 0.85, 1.0, 1.0, 0.8])
    hollow = np.interp(u, [0, 0.35, 0.6, 0.8, 0.92, 1.0], [0.001, 0.0015, 0.002, 0.0075, 0.0075, 0.0])
    tall = np.where(s > 0, 0.032, 0.031)
    wide = 0.0175 + 0.004 * s
    back = -profile[:, None] * wide * c
    up = profile[:, None] * tall * s
    out = hollow[:, None] * (0.6 + 0.4 * np.clip(-c + 0.4 * s + 0.3, 0, 1)) + 0.35 * np.clip(-back, 0, 1)
    # The first rows of the disc are its middle, so its outside is where the sheet faces.
    x = side * (0.0705 + out)
    return np.stack([x, up + 0.002, back - 0.004], -1).astype(np.float32)


def sheets(rng: np.random.Generator, build: Build, face: Face) -> list[Sheet]:
    """Return the sheets of head, neck and ears."""
    rest = model(face)
    paint = painter(rng, face)

    def skin(patch: Patch) -> Colour:
        blotch = 1 + 0.035 * clouds(rng, patch, 0.03)
        return np.asarray(np.array(face.tone, np.float32) * blotch[..., None], np.float32)

    def ear_skin(patch: Patch) -> Colour:
        depth = np.linspace(0.55, 1.05, patch.rows, dtype=np.float32)[:, None]
        return np.asarray(skin(patch) * depth[..., None] * vector(1.02, 0.9, 0.88), np.float32)

    def neck(moment: Moment) -> F:
        now = moment.skeleton()
        k = build.scale
        low = now.chest + now.chest_turn @ vector(0, 0.325 * k, -0.022 * k)
        high = now.head + now.head_turn @ vector(0, -0.015 * k, -0.024 * k)
        path = np.linspace(0, 1, 24, dtype=np.float32)[:, None] * (high - low) + low
        girth = np.interp(np.linspace(0, 1, 24), [0, 0.3, 0.7, 1], [0.066, 0.055, 0.051, 0.053])
        girth = (girth * (0.55 + 0.45 * build.limbs) * k).astype(np.float32)
        side = np.tile(now.chest_turn[:, 0], (24, 1))
        return loft(path, side, np.tile(now.chest_turn[:, 2], (24, 1)), girth, girth * 0.98, 49)

    found = [
        Sheet("head", lambda m: place_head(m, build, rest), paint, gloss=0.10, skin=1.0, rest=lambda m: rest),
        Sheet("neck", neck, skin, gloss=0.04, skin=1.0),
    ]
    for side in SIDES:
        disc = ear(side)
        found.append(Sheet("ear", lambda m, d=disc: place_head(m, build, d), ear_skin, skin=1.0, open=True))  # type: ignore[misc]
    return found
