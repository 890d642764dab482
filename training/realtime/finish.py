"""What users do to a matte afterwards: smooth it in time, keep one person, choke, feather, take spill out."""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Spill = Literal["green", "blue"]

SOLID = 128
"""Alpha from which a pixel belongs to a person for sure."""
STILL = 6.0
"""8-bit change of the blurred frame at which smoothing has fallen to 1/e: what moves is not smoothed."""


@dataclass(frozen=True)
class Finish:
    """What to do, in the order of the fields; as it stands here it does nothing."""

    smooth: float = 0.0
    """How much of the matte before stays where the picture stands still, 0 to below 1; 0.7 takes most flicker out."""
    largest: bool = False
    """Whether only the largest person stays."""
    choke: float = 0.0
    """Pixels by which the edge goes inward; negative: outward."""
    feather: float = 0.0
    """Pixels (standard deviation) by which the edge becomes softer."""
    despill: Spill | None = None
    """The screen's colour, of which no more is left in the foreground than of the other two."""

    def __post_init__(self) -> None:
        """Raise ValueError for a value that means nothing."""
        if not 0 <= self.smooth < 1:
            raise ValueError(f"smooth: {self.smooth:g} is not from 0 to below 1; 0.7 takes most flicker out")
        if self.feather < 0:
            raise ValueError(f"feather: {self.feather:g} pixels are fewer than none; to sharpen, choke")


class Finisher:
    """Finishes the mattes of one clip, in order."""

    def __init__(self, finish: Finish) -> None:
        self.finish = finish
        self._before: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None

    def __call__(self, frame: Bytes, alpha: Bytes, foreground: Bytes) -> tuple[Bytes, Bytes]:
        """Alpha (H, W) and foreground (H, W, 3) of a frame (H, W, 3), all uint8, finished."""
        wanted = self.finish
        if wanted.smooth:
            alpha = self._smooth(frame, alpha)
        if wanted.largest:
            alpha = keep_largest(alpha)
        alpha = feather(choke(alpha, wanted.choke), wanted.feather)
        return alpha, foreground if wanted.despill is None else despill(foreground, wanted.despill)

    def _smooth(self, frame: Bytes, alpha: Bytes) -> Bytes:
        small, now = cv2.GaussianBlur(frame, (0, 0), 2.0).astype(np.float32), alpha.astype(np.float32)
        if self._before is not None and self._before[0].shape == small.shape:
            changed = np.abs(small - self._before[0]).max(axis=2) / STILL
            now += self.finish.smooth * np.exp(-changed * changed) * (self._before[1] - now)
        self._before = (small, now)
        return np.rint(now).astype(np.uint8)


def keep_largest(alpha: Bytes) -> Bytes:
    """Alpha (H, W) of the largest connected person; soft pixels stay with whoever is nearest."""
    solid = (alpha >= SOLID).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(solid, connectivity=8)
    if count <= 2:
        return alpha
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    # Distances are to the nearest zero: of each person alone, so that every soft pixel knows who is closer.
    own, other = (
        cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
        for mask in (labels != largest, (labels == 0) | (labels == largest))
    )
    return np.where(own <= other, alpha, 0).astype(np.uint8)


def choke(alpha: Bytes, pixels: float) -> Bytes:
    """Alpha (H, W) whose edge went inward by ``pixels``, or outward where negative; fractions of a pixel count."""
    if not pixels:
        return alpha
    act = cv2.erode if pixels > 0 else cv2.dilate
    whole, part = divmod(abs(pixels), 1)
    # OpenCV's border value is neutral here: what the frame cuts off is not an edge.
    moved = alpha if not whole else act(alpha, _disc(int(whole)))
    if part:
        moved = cv2.addWeighted(moved, 1 - part, act(moved, _disc(1)), part, 0)
    return np.asarray(moved, np.uint8)


def _disc(radius: int) -> Bytes:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1)), np.uint8)


def feather(alpha: Bytes, pixels: float) -> Bytes:
    """Alpha (H, W) blurred by a Gaussian of ``pixels`` standard deviation."""
    return alpha if pixels <= 0 else np.asarray(cv2.GaussianBlur(alpha, (0, 0), pixels), np.uint8)


def despill(foreground: Bytes, screen: Spill) -> Bytes:
    """A foreground (H, W, 3) with no more of the screen's colour than the mean of the other two channels."""
    own = 1 if screen == "green" else 2
    one, two = (channel for channel in range(3) if channel != own)
    limit = (foreground[..., one].astype(np.uint16) + foreground[..., two] + 1) // 2
    clean = foreground.copy()
    clean[..., own] = np.minimum(foreground[..., own], limit)
    return clean
