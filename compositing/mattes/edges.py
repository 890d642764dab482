"""What lies at the edge of alpha: straight colours, a fill, or the old background of a photograph.

Keyed mattes such as VideoMatte240K's come with colours that go on past the edge of alpha: nothing to do. A photograph
used as foreground still holds its old background there: a soft pixel is ``pha * fgr + (1 - pha) * old``, and a
halo of the old scene would follow the subject into every composite.
"""

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.codec import Image
from compositing.mattes.foreground import Plane, reduce_pair
from compositing.mattes.levels import Alpha

JUDGED_SIDE = 640
"""Long side, pixels, at which edges are judged: the criterion counts pixels, so it needs one scale."""
REACHES = (4, 8, 16)
"""How far to look for the colours on both sides of the edge, pixels at that size: no further than needed, because
extended colours may end soon; but over a blurred edge nothing nearer is opaque."""
STEP = 38.0
"""Smallest step over the edge, 0 to 255, beyond the subject's own texture, that makes the outside something else."""
MIXED = 0.5
"""Least part of that difference found in the soft pixels that calls them mixed."""
ENOUGH = 200
"""Soft pixels needed to judge."""


class Treatment(StrEnum):
    """What is done to the foreground of a clip."""

    KEEP = "keep"
    """Colours go on past the edge: nothing to do."""
    EXTEND = "extend"
    """Soft pixels hold straight colours, but outside lies something else: only the outside is filled."""
    ESTIMATE = "estimate"
    """Soft pixels are mixed with an old background: estimated anew, and the outside filled."""


@dataclass(frozen=True)
class Edge:
    """Evidence of what lies at the edge of alpha, summed over soft pixels; add the frames of a clip together."""

    pixels: int = 0
    """Soft pixels with subject and outside both in reach."""
    step2: float = 0.0
    """Sum of the squared difference between subject and outside, mean over channels, (0-255)^2."""
    within: int = 0
    """Places inside the subject where its own texture was measured."""
    texture2: float = 0.0
    """Sum of the squared difference between both sides of such a place, mean over channels, (0-255)^2."""
    mixture: float = 0.0
    """Sum of the part of that difference found in the soft pixels, times what full mixture would give."""
    full: float = 0.0
    """Sum that ``mixture`` would reach where every soft pixel is mixed as alpha says."""

    def __add__(self, other: "Edge") -> "Edge":
        return Edge(
            self.pixels + other.pixels,
            self.step2 + other.step2,
            self.within + other.within,
            self.texture2 + other.texture2,
            self.mixture + other.mixture,
            self.full + other.full,
        )

    @property
    def step(self) -> float:
        """Difference between the colours on both sides of the edge beyond what the subject's own texture explains.

        Root of the mean square over the edge less the mean square over places inside the subject; 0 to 255.
        """
        over = self.step2 / self.pixels if self.pixels else 0.0
        inside = self.texture2 / self.within if self.within else 0.0
        return float(np.sqrt(max(over - inside, 0.0)))

    @property
    def mixed(self) -> float:
        """How much of the outside's colour is in the soft pixels: 0 straight colours, 1 as in a photograph."""
        return self.mixture / self.full if self.full > 0 else 0.0


def measure_edge(fgr: Image, pha: Alpha) -> Edge:
    """Compare the soft pixels of a frame with the colours just inside and just outside the edge of alpha.

    ``fgr`` (H, W, 3) uint8 RGB, ``pha`` (H, W) uint8. Near each soft pixel the mean colour F of opaque pixels and the
    mean colour B of empty pixels are taken, and the same is done over places inside the subject, so that a check shirt
    is not taken for a step. Then the mixture m minimises ``|I - (F - m (1 - pha)(F - B))|^2`` over all
    of them. In a photograph m is near 1, on straight colours over a plain fill near 0.
    """
    fgr, pha = reduce_pair(fgr, pha, JUDGED_SIDE, mixed=True)
    image, alpha = fgr.astype(np.float32), pha.astype(np.float32)
    for reach in REACHES:
        edge = _measure_within(image, alpha, reach)
        if edge.pixels >= ENOUGH:
            break
    return edge


def _measure_within(image: Plane, alpha: Plane, reach: int) -> Edge:
    inside, has_inside = _mean_nearby(image, alpha >= 250, reach)
    outside, has_outside = _mean_nearby(image, alpha <= 5, reach)
    soft = (alpha > 12) & (alpha < 243) & has_inside & has_outside
    if not soft.any():
        return Edge()
    within, texture2 = _texture(image, alpha, reach)
    difference = (inside - outside)[soft].astype(np.float64)
    expected = (1 - alpha[soft].astype(np.float64) / 255)[:, None] * difference
    found = (inside - image)[soft].astype(np.float64)
    return Edge(
        pixels=int(soft.sum()),
        step2=float((difference**2).mean(axis=1).sum()),
        within=within,
        texture2=texture2,
        mixture=float((found * expected).sum()),
        full=float((expected**2).sum()),
    )


def _texture(image: Plane, alpha: Plane, reach: int) -> tuple[int, float]:
    """Compare the mean colours on both sides of places inside the subject, as if the edge ran there."""
    side, gap = 2 * reach + 1, 2
    inner = cv2.erode((alpha >= 250).astype(np.uint8), np.ones((side, side), np.uint8), borderValue=0) > 0
    total = 0.0
    for axis, window, anchor in ((1, (reach - gap + 1, side), (0, reach)), (0, (side, reach - gap + 1), (reach, 0))):
        mean = np.asarray(cv2.blur(image, window, anchor=anchor), dtype=np.float32)
        # The blur starts at its pixel: gap pixels on for the one side, reach pixels back for the other.
        difference = np.roll(mean, -gap, axis)[inner] - np.roll(mean, reach, axis)[inner]
        total += float((difference.astype(np.float64) ** 2).mean(axis=1).sum())
    return 2 * int(inner.sum()), total


def judge(edge: Edge) -> Treatment:
    """Decide from the evidence of a clip what its foreground needs.

    A step below :data:`STEP` means that the outside looks like the subject (or that it matters little): keep. Above it,
    the soft pixels tell a photograph from straight colours that merely stop at the edge. Measured: real photographs
    have steps from 58 to 192 and mixtures from 0.94 to 1.08, a keyed clip with extended colours steps from 11 to 19.
    A clip with hardly any edge is kept as it is.
    """
    if edge.pixels < ENOUGH or edge.step < STEP:
        return Treatment.KEEP
    return Treatment.ESTIMATE if edge.mixed >= MIXED else Treatment.EXTEND


def _mean_nearby(image: Plane, where: NDArray[np.bool_], reach: int) -> tuple[Plane, NDArray[np.bool_]]:
    """Mean colour of the marked pixels within reach, and where there are enough of them (one in twenty)."""
    window = (2 * reach + 1, 2 * reach + 1)
    weight = where.astype(np.float32)
    share: Plane = np.asarray(cv2.blur(weight, window), dtype=np.float32)
    total: Plane = np.asarray(cv2.blur(image * weight[..., None], window), dtype=np.float32)
    mean = (total / np.maximum(share, 1e-6)[..., None]).astype(np.float32)
    return mean, share > 0.05
