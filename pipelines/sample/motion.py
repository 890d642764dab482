"""How figures move: one function a gesture and a gait, smooth in time, each with phases drawn once a clip."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from pipelines.sample.skeleton import Arm, F, Pose, vector

Gesture = Callable[[float, float], Arm]
"""(seconds, phase) -> what an arm does."""
Gait = Callable[[float, float], Pose]
"""(seconds, phase) -> the body; its arms are replaced by gestures, unless it swings them itself."""
TAU = 2 * np.pi


def _wave(t: float, hertz: float, phase: float = 0.0) -> float:
    return float(np.sin(TAU * (hertz * t + phase)))


def hang(t: float, phase: float) -> Arm:
    """Hang loosely, breathing."""
    swing = 0.03 * _wave(t, 0.6, phase)
    return Arm(vector(0.1, -0.525, 0.03 + swing), vector(0.35, 0, -1), curl=0.4)


def hip(t: float, phase: float) -> Arm:
    """Rest the hand on the hip: the classical hole between arm and body."""
    return Arm(
        vector(0.05, -0.385 + 0.005 * _wave(t, 0.5, phase), 0.045), vector(1, 0.05, -0.4),
        vector(-0.55, -0.75, 0.25), vector(-0.75, 0.5, -0.2), curl=0.3, spread=0.1,
    )  # fmt: skip


def wave(t: float, phase: float) -> Arm:
    """Wave at the camera with an open hand."""
    swing = _wave(t, 1.5, phase)
    return Arm(
        vector(0.2 + 0.11 * swing, 0.17 - 0.02 * swing * swing, 0.16), vector(0.6, -1, -0.1),
        vector(0.1 + 0.55 * _wave(t, 1.5, phase - 0.06), 1, 0.1), vector(0, 0, 1), curl=0.08, spread=0.22,
    )  # fmt: skip


def talk(t: float, phase: float) -> Arm:
    """Speak with the hand in front of the body."""
    return Arm(
        vector(0.06 + 0.06 * _wave(t, 0.7, phase), -0.3 + 0.06 * _wave(t, 1.1, phase + 0.2), 0.3),
        vector(0.7, -1, -0.4), vector(-0.35, 0.45 + 0.25 * _wave(t, 1.1, phase + 0.1), 0.9),
        vector(-0.6, 0.75, 0.2), curl=0.3 + 0.12 * _wave(t, 0.8, phase), spread=0.16,
    )  # fmt: skip


def hair_touch(t: float, phase: float) -> Arm:
    """Run the hand through the hair beside the head: a hole up there."""
    return Arm(
        vector(-0.035, 0.215 + 0.015 * _wave(t, 0.7, phase), -0.005), vector(1, 0.15, 0.1),
        vector(-0.75, 0.6, -0.35), vector(-0.5, -0.4, -0.6), curl=0.35, spread=0.14,
    )  # fmt: skip


def stretch(t: float, phase: float) -> Arm:
    """Reach up, swaying."""
    sway = _wave(t, 0.7, phase)
    return Arm(vector(0.1 + 0.1 * sway, 0.5, 0.05), vector(1, 0, 0.2), None, vector(0, 0, 1), curl=0.15, spread=0.2)


def pocket(t: float, phase: float) -> Arm:
    """Hold the hand at the trouser pocket."""
    lift = 0.004 * _wave(t, 0.6, phase)
    return Arm(
        vector(0.045, -0.475 + lift, 0.03), vector(1, 0, -0.8), vector(-0.2, -1, 0.15), vector(-1, 0, 0.1), curl=0.6
    )


def flow(t: float, phase: float) -> Arm:
    """Dance with wide, round arms."""
    round_ = TAU * (0.75 * t + phase)
    return Arm(
        vector(0.34 + 0.08 * np.cos(round_), 0.12 + 0.26 * np.sin(round_), 0.1), vector(0.5, -0.6, -0.8),
        vector(1, 0.4 * np.cos(round_), 0.1), vector(0.1, -0.8, 0.5), curl=0.16, spread=0.17,
    )  # fmt: skip


def clap(t: float, phase: float) -> Arm:
    """Clap hands in front of the chest. Both arms take the same phase."""
    gap = 0.5 - 0.5 * _wave(t, 1.8, 0.25)
    return Arm(
        vector(-0.125 + 0.13 * gap, -0.1 + 0.03 * gap, 0.34), vector(1, -0.8, -0.2),
        vector(-0.25 + 0.3 * gap, 0.75, 0.6), vector(-1, 0, -0.1 + 0.3 * gap), curl=0.06, spread=0.1,
    )  # fmt: skip


def crown(t: float, phase: float) -> Arm:
    """Frame the head with a raised, rounded arm."""
    return Arm(
        vector(-0.06 + 0.04 * _wave(t, 0.9, phase), 0.4 + 0.03 * _wave(t, 0.9, phase + 0.2), 0.02),
        vector(1, 0.1, 0.25), vector(-1, 0.15, 0.1), vector(-0.1, -1, 0.2), curl=0.2, spread=0.15,
    )  # fmt: skip


def _rest(t: float, phase: float, **changes: object) -> Pose:
    arms = (hang(t, phase), hang(t, phase + 0.3))
    return replace(Pose(arms, vector(0, 0, 0)), **changes)  # type: ignore[arg-type]


def sway(t: float, phase: float) -> Pose:
    """Shift the weight from leg to leg while looking around."""
    s = _wave(t, 0.55, phase)
    return _rest(
        t, phase, pelvis=vector(0.035 * s, -0.012, 0), tilt=0.07 * s, turn=0.12 * _wave(t, 0.4, phase + 0.3),
        chest=(0.06 * s, 0.02, -0.05 * s),
        head=(0.25 * _wave(t, 0.6, phase + 0.4), 0.03 * s, 0.06 * _wave(t, 0.5, phase)),
    )  # fmt: skip


def turn(t: float, phase: float) -> Pose:
    """Turn the whole body from one side to the other, the head ahead of it."""
    angle = 0.75 * _wave(t, 0.5, phase)
    ahead = 0.75 * _wave(t, 0.5, phase + 0.09)
    return _rest(
        t, phase, turn=angle, pelvis=vector(0.01, -0.01, 0), chest=(0.45 * (ahead - angle), 0.02, 0.03),
        head=(0.8 * (ahead - angle), 0.04, -0.05),
    )  # fmt: skip


def look(t: float, phase: float) -> Pose:
    """Turn the head quickly enough that the hair flies."""
    s = _wave(t, 0.8, phase)
    return _rest(
        t, phase, turn=0.15 * s, pelvis=vector(0.02 * s, -0.01, 0), tilt=0.03 * s, chest=(0.12 * s, 0.0, -0.04 * s),
        head=(0.48 * _wave(t, 0.8, phase + 0.05), 0.06 * _wave(t, 1.6, phase), -0.1 * s),
    )  # fmt: skip


def _stride(t: float, phase: float, hertz: float, length: float) -> tuple[F, F]:
    feet = []
    for half in (0.0, 0.5):
        cycle = TAU * (hertz * t + phase + half)
        feet.append(vector(0.075, 0.07 * max(0.0, float(np.sin(cycle))), length * float(np.cos(cycle))))
    return feet[0], feet[1]


def walk(t: float, phase: float) -> Pose:
    """Walk in place, a little to one side, arms swinging."""
    hertz = 0.95
    swing = TAU * (hertz * t + phase)
    arms = tuple(
        Arm(
            vector(0.1, -0.5, -0.02 - sign * 0.17 * float(np.cos(swing))),
            vector(0.4, -0.1, -1), curl=0.45, palm=vector(-1, 0, 0.1),
        )
        for sign in (1.0, -1.0)
    )  # fmt: skip
    s = float(np.cos(swing))
    return Pose(
        (arms[0], arms[1]), vector(0.012 * s, -0.03 + 0.014 * _wave(t, 2 * hertz, 2 * phase), 0),
        0.5 + 0.06 * s, 0.04 * s, (-0.16 * s, 0.05, -0.02 * s), (-0.25 + 0.08 * s, 0.02, 0.02 * s),
        _stride(t, phase, hertz, 0.2),
    )  # fmt: skip


def dance(t: float, phase: float) -> Pose:
    """Dance: knees, hips and shoulders against each other, one turn to and fro."""
    s, c = _wave(t, 0.9, phase), _wave(t, 0.9, phase + 0.25)
    return _rest(
        t, phase, turn=0.5 * _wave(t, 0.45, phase), pelvis=vector(0.07 * s, -0.07 - 0.03 * _wave(t, 1.8, 2 * phase), 0),
        tilt=0.16 * s, chest=(0.25 * c, 0.06, -0.14 * s), head=(-0.3 * c, 0.05 * s, 0.14 * s),
        feet=(vector(0.19, 0.0, 0.03), vector(0.17, 0.05 * max(0.0, s), -0.05)),
    )  # fmt: skip


def spin(t: float, phase: float) -> Pose:
    """Turn half around on the spot, cloth and hair trailing."""
    angle = -0.9 + 2.0 * t
    return _rest(
        t, phase, turn=angle + phase, pelvis=vector(0, -0.01 + 0.01 * _wave(t, 1.2), 0), chest=(0.15, 0.0, 0.04),
        head=(0.25, -0.05, 0.06), feet=(vector(0.09, 0.03, 0.04), vector(0.08, 0.0, -0.04)),
    )  # fmt: skip


def lunge(t: float, phase: float) -> Pose:
    """Sink to one side and rise, as in a slow exercise."""
    s = _wave(t, 0.6, phase)
    return _rest(
        t, phase, turn=-0.25, pelvis=vector(0.09 * s, -0.12 + 0.03 * s, 0), tilt=0.06 * s,
        chest=(0.2 * s, 0.04, 0.2 * s), head=(-0.25 * s, 0.0, -0.05 * s),
        feet=(vector(0.27, 0, 0.03), vector(0.25, 0, -0.03)),
    )  # fmt: skip


TRAIN_GESTURES: tuple[Gesture, ...] = (hang, hip, wave, talk, hair_touch, stretch, pocket)
TEST_GESTURES: tuple[Gesture, ...] = (flow, clap, crown)
TRAIN_GAITS: tuple[Gait, ...] = (sway, turn, look, walk)
TEST_GAITS: tuple[Gait, ...] = (dance, spin, lunge)


@dataclass(frozen=True)
class Motion:
    """A gait with a gesture an arm; None leaves the arm to the gait."""

    gait: Gait
    left: Gesture | None
    right: Gesture | None
    phase: float

    def pose(self, t: float) -> Pose:
        """Return the pose at ``t`` seconds."""
        pose = self.gait(t, self.phase)
        left = pose.arms[0] if self.left is None else self.left(t, self.phase)
        right = pose.arms[1] if self.right is None else self.right(t, self.phase + (0 if self.left is clap else 0.37))
        return replace(pose, arms=(left, right))
