"""A jointed skeleton: where every joint of a figure is, from a pose of few numbers. Metres, y up, z to the camera."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

F = NDArray[np.floating[Any]]
"""Points, vectors and maps; float32 wherever there are many."""
SIDES = (-1, 1)
"""Left of the picture, right of the picture, for a figure that faces the camera."""


def vector(*values: float) -> F:
    """Return a float32 vector."""
    return np.array(values, np.float32)


def unit(values: F) -> F:
    """Scale vectors along the last axis to length one."""
    length = np.sqrt((values * values).sum(-1, keepdims=True))
    return np.asarray(values / np.maximum(length, 1e-8), np.float32)


def rotation(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> F:
    """Return the 3x3 matrix that rolls about z, then pitches about x (a nod), then turns about y. Radians."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (np.cos, np.sin))
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    nod = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    lean = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(turn @ nod @ lean, np.float32)


def mirrored(side: int, point: F) -> F:
    """Turn (outward, up, forward) of one side of the body into (x, y, z)."""
    return point * vector(side, 1, 1)


@dataclass(frozen=True)
class Build:
    """The proportions of one person; lengths in metres."""

    stature: float = 1.72
    """Height without hair; all lengths scale with it."""
    shoulders: float = 0.172
    """Half the distance between the shoulder joints at 1.75 m."""
    hips: float = 1.0
    """Girth of the pelvis, relative."""
    waist: float = 1.0
    """Girth of the waist, relative."""
    chest: float = 1.0
    """Girth of the chest, relative."""
    bust: float = 0.0
    """How far the bust stands out, metres."""
    limbs: float = 1.0
    """Thickness of arms and legs, relative."""
    head: float = 1.0
    """Size of the head, relative."""

    @property
    def scale(self) -> float:
        """Size against the 1.75 m figure that the tables of the body describe."""
        return self.stature / 1.75


@dataclass(frozen=True)
class Arm:
    """What one arm does; vectors are (outward, up, forward) in the frame of the chest."""

    wrist: F
    """From the shoulder joint to the wrist, metres at 1.75 m."""
    pole: F
    """Where the elbow points."""
    hand: F | None = None
    """Direction of the hand; None goes on with the forearm."""
    palm: F | None = None
    """Where the palm faces; None is inward."""
    curl: float = 0.35
    """0 flat hand, 1 fist."""
    spread: float = 0.15
    """Angle between neighbouring fingers, radians."""


@dataclass(frozen=True)
class Pose:
    """A figure at one moment; angles in radians."""

    arms: tuple[Arm, Arm]
    """In the order of SIDES."""
    pelvis: F
    """Displacement of the pelvis from its place at rest, metres."""
    turn: float = 0.0
    """The whole figure about the vertical."""
    tilt: float = 0.0
    """Roll of the pelvis: weight on one leg."""
    chest: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Yaw, pitch, roll of the chest against the pelvis."""
    head: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Yaw, pitch, roll of the head against the chest."""
    feet: tuple[F, F] | None = None
    """(outward, up, forward) of each ankle on the floor; None stands still."""


@dataclass(frozen=True)
class Limb:
    """Three joints in a row with the direction that the middle one points to."""

    root: F
    middle: F
    end: F
    pole: F


@dataclass(frozen=True)
class Skeleton:
    """Where everything is: points (3,), rotations (3, 3), world metres."""

    pelvis: F
    pelvis_turn: F
    chest: F
    chest_turn: F
    neck: F
    head: F
    head_turn: F
    arms: tuple[Limb, Limb]
    legs: tuple[Limb, Limb]
    hands: tuple[tuple[F, F], tuple[F, F]]
    """(direction, palm normal) of each hand."""
    feet: tuple[F, F]
    """Direction of each foot."""


def bend(root: F, target: F, upper: float, lower: float, pole: F) -> Limb:
    """Place the middle joint of a limb so that its end reaches the target, as far as it can (law of cosines)."""
    reach = target - root
    distance = float(np.clip(np.linalg.norm(reach), abs(upper - lower) + 1e-3, (upper + lower) * 0.998))
    along = unit(reach)
    across = unit(pole - along * float(pole @ along))
    cosine = (upper**2 + distance**2 - lower**2) / (2 * upper * distance)
    middle = root + upper * (cosine * along + np.sqrt(max(0.0, 1 - cosine**2)) * across)
    return Limb(root, np.asarray(middle, np.float32), root + along * distance, across)


def solve(pose: Pose, build: Build) -> Skeleton:
    """Place every joint of a figure that takes a pose."""
    k = build.scale
    body = rotation(pose.turn)
    pelvis_turn = body @ rotation(0.0, 0.0, pose.tilt)
    pelvis = body @ pose.pelvis + vector(0, 0.935 * k, 0)
    chest_turn = pelvis_turn @ rotation(pose.chest[0], pose.chest[1], pose.chest[2] - pose.tilt)
    chest = pelvis + pelvis_turn @ vector(0, 0.085 * k, 0) + chest_turn @ vector(0, 0.1 * k, 0)
    neck = chest + chest_turn @ vector(0, 0.345 * k, -0.012 * k)
    head_turn = chest_turn @ rotation(*pose.head)
    half = 0.5 * (chest_turn + head_turn)
    head = neck + half @ vector(0, 0.075 * k, 0.012 * k) + head_turn @ vector(0, 0.092 * k * build.head, 0.012 * k)
    arms, hands, legs, feet = [], [], [], []
    for side, arm in zip(SIDES, pose.arms, strict=True):
        shoulder = chest + chest_turn @ vector(side * build.shoulders * k, 0.283 * k, -0.01 * k)
        target = shoulder + chest_turn @ mirrored(side, arm.wrist * k)
        limb = bend(shoulder, target, 0.288 * k, 0.252 * k, chest_turn @ mirrored(side, arm.pole))
        forward = limb.end - limb.middle if arm.hand is None else chest_turn @ mirrored(side, arm.hand)
        palm = chest_turn @ mirrored(side, vector(-1, 0, 0.15) if arm.palm is None else arm.palm)
        direction = unit(unit(forward) + 0.35 * unit(limb.end - limb.middle))
        arms.append(limb)
        hands.append((direction, unit(palm - direction * float(palm @ direction))))
    places = pose.feet or (vector(0.1, 0, 0.0), vector(0.1, 0, 0.02))
    for side, place in zip(SIDES, places, strict=True):
        hip = pelvis + pelvis_turn @ vector(side * 0.079 * k * build.hips**0.5, -0.02 * k, 0)
        ankle = body @ mirrored(side, place * k) + vector(0, 0.085 * k, 0)
        toe = body @ mirrored(side, vector(0.28, -0.02, 1.0))
        legs.append(bend(hip, ankle, 0.425 * k, 0.42 * k, unit(toe)))
        feet.append(unit(toe))
    return Skeleton(
        pelvis, pelvis_turn, chest, chest_turn, neck, head, head_turn,
        (arms[0], arms[1]), (legs[0], legs[1]), (hands[0], hands[1]), (feet[0], feet[1]),
    )  # fmt: skip
