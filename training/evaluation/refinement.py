"""Classical matting after the aligned difference: what can be had without learning, and without a hand-drawn trimap.

- ``guided``: a guided filter (He, Sun and Tang, 2013) lays the baseline's alpha onto the edges of the source.
- ``closed_form``: closed-form matting (Levin, Lischinski and Weiss, 2008) fills a band around the baseline's edge. It
  solves a system with an unknown for each pixel, so it works at a reduced size, and its alpha is enlarged along the
  source's edges by the guided filter.

Both start from ``classical``, with the settings tuned on ``valid``; nothing of their own is tuned. Their foreground is
the source.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.shards.reader import Sample
from training.evaluation.classical import ClassicalMethod
from training.evaluation.methods import Floats, Prediction, colour

RADIUS = 0.01
"""Half side of the guided filter's windows, share of the long side."""
EPSILON = 1e-4
"""Variance of the source, of values 0 to 1, below which a window counts as flat."""
SOLVED_SIDE = 256
"""Long side at which closed-form matting is solved, pixels."""
BAND = 6
"""Pixels at that size that a threshold's edge may be off to either side."""
SURE = 0.1
"""Alpha within this of 0 or 1 counts as known, away from the edge."""


class GuidedMethod:
    """``guided``: the baseline's alpha under a guided filter."""

    name = "guided"

    def __init__(self, classical: ClassicalMethod) -> None:
        self._classical = classical

    def predict(self, samples: Sequence[Sample]) -> list[Prediction]:
        """Filter what the baseline says."""
        return [
            Prediction(guided_filter(sample.src, found.pha), found.fgr)
            for sample, found in zip(samples, self._classical.predict(samples), strict=True)
        ]


class ClosedFormMethod:
    """``closed_form``: closed-form matting with a trimap made of the baseline's alpha. Needs the extra ``eval``."""

    name = "closed_form"

    def __init__(self, classical: ClassicalMethod) -> None:
        """Raise ImportError with the line that installs what is missing."""
        import importlib.util

        if importlib.util.find_spec("pymatting") is None:
            raise ImportError("method 'closed_form' needs pymatting; run: pip install 'cleanplate[eval]'")
        self._classical = classical

    def predict(self, samples: Sequence[Sample]) -> list[Prediction]:
        """Solve each sample; one whose baseline has no edge keeps the baseline's alpha."""
        return [
            Prediction(_closed_form(sample.src, found.pha), colour(sample.src))
            for sample, found in zip(samples, self._classical.predict(samples), strict=True)
        ]


def guided_filter(guide: NDArray[np.uint8], alpha: Floats) -> Floats:
    """Filter alpha (H, W) in [0, 1] so that it is locally linear in the colours of a guide (H, W, 3) RGB uint8.

    Returns (H, W) float32 in [0, 1]. He, Sun and Tang, *Guided Image Filtering*, 2013, section 3.5.
    """
    image = guide.astype(np.float32) / np.float32(255)
    radius = max(1, round(RADIUS * max(alpha.shape)))

    def mean(values: Floats) -> Floats:
        size = (2 * radius + 1, 2 * radius + 1)
        return np.asarray(cv2.boxFilter(values, cv2.CV_32F, size, borderType=cv2.BORDER_REFLECT), np.float32)

    colours, level = mean(image), mean(alpha)
    # The window's covariance matrix, six of its nine entries, and its covariance with alpha.
    products = mean(np.stack([image[..., i] * image[..., j] for i, j in _UPPER[:3]], axis=-1))
    others = mean(np.stack([image[..., i] * image[..., j] for i, j in _UPPER[3:]], axis=-1))
    entries = np.concatenate([products, others], axis=-1)
    matrix = np.empty((*alpha.shape, 3, 3), np.float32)
    for at, (i, j) in enumerate(_UPPER):
        matrix[..., i, j] = matrix[..., j, i] = entries[..., at] - colours[..., i] * colours[..., j]
    matrix += np.float32(EPSILON) * np.eye(3, dtype=np.float32)
    shared = mean(image * alpha[..., None]) - colours * level[..., None]
    slope = np.linalg.solve(matrix, shared[..., None])[..., 0].astype(np.float32)
    offset = level - np.einsum("hwc,hwc->hw", slope, colours)
    filtered = np.einsum("hwc,hwc->hw", mean(slope), image) + mean(offset.astype(np.float32))
    return np.asarray(np.clip(filtered, 0, 1), np.float32)


_UPPER = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


def _closed_form(source: NDArray[np.uint8], alpha: Floats) -> Floats:
    scale = min(1.0, SOLVED_SIDE / max(alpha.shape))
    small = cv2.resize(source, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    rough = cv2.resize(alpha, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    trimap = rough_trimap(np.asarray(rough, np.float32))
    if not ((trimap == 0).any() and (trimap == 1).any() and (trimap == 0.5).any()):
        return alpha
    from pymatting import estimate_alpha_cf

    solved = np.asarray(np.clip(estimate_alpha_cf(small.astype(np.float64) / 255, trimap), 0, 1), np.float32)
    if scale == 1:
        return solved
    height, width = alpha.shape
    large = cv2.resize(solved, (width, height), interpolation=cv2.INTER_LINEAR)
    return guided_filter(source, np.asarray(large, np.float32))


def rough_trimap(alpha: Floats) -> NDArray[np.float64]:
    """Turn a rough alpha (h, w) into a trimap: 0, 1, or 0.5 in a band of BAND pixels around its edge."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * BAND + 1, 2 * BAND + 1))
    inside = cv2.erode((alpha > 1 - SURE).astype(np.uint8), kernel, borderValue=1)
    outside = cv2.erode((alpha < SURE).astype(np.uint8), kernel, borderValue=1)
    return np.where(inside > 0, 1.0, np.where(outside > 0, 0.0, 0.5))
