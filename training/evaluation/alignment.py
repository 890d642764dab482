"""Bringing a captured background back onto the source: geometry first, then tone, both blind to the person."""

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

COARSE_SIDE = 160
"""Long side of the first alignment, pixels: small enough that a few pixels of shift are less than one."""
FINE_SIDE = 448
"""Long side of the last alignment, pixels."""
LARGEST_SHIFT = 0.08
"""A found shift beyond this share of the long side is a mistake, not a camera that was nudged."""
SATURATION = 20.0
"""8-bit difference beyond which a pixel is the person's: how much more says nothing about the fit."""
MIN_PIXELS = 64
"""Fewer pixels than this do not make a fit."""
DARKEST, BRIGHTEST = 6, 249
"""8-bit values outside are clipped or noise and say nothing about gain."""
GAMMAS = (0.7, 1.4)
"""Tone curves outside are a failed fit."""


@dataclass(frozen=True)
class Alignment:
    """Where the captured background lies against the source."""

    warp: Floats
    """(2, 3): takes a pixel of the source (x, y, 1) to the pixel of the background that shows the same place."""
    method: Literal["ecc", "phase", "none"]
    """How it was found; ``none``: leaving it alone fits best."""
    offset: float
    """Mean length of the displacement over the frame, pixels."""


def align(source: Bytes, background: Bytes) -> Alignment:
    """Find the affine motion between two photographs of one scene, one of which has a person in it.

    ``source``, ``background``: (H, W, 3) RGB uint8 of one size. Phase correlation of edge maps gives a shift; ECC
    (Evangelidis and Psarakis, 2008; it ignores brightness and contrast) refines it to an affine motion, at a
    small and then at the full size, without the pixels that differ most. Of no motion, the shift and the affine
    motion, the one that leaves the smallest difference is returned, each pixel counting up to a limit: a failed fit
    does no harm. Raises ValueError for sizes that differ.
    """
    if source.shape != background.shape:
        raise ValueError(f"source is {source.shape} and background {background.shape}; resize one to the other first")
    fine = min(1.0, FINE_SIDE / max(source.shape[:2]))
    one, two = _grey(source, fine), _grey(background, fine)
    still = np.eye(2, 3, dtype=np.float32)
    candidates: list[tuple[Literal["ecc", "phase", "none"], Floats]] = [("none", still)]
    shifted = _phase(one, two)
    if shifted is not None:
        candidates.append(("phase", shifted))
    start = min((warp for _, warp in candidates), key=lambda warp: _misfit(one, two, warp))
    refined = _ecc(one, two, start)
    if refined is not None:
        candidates.append(("ecc", refined))
    method, warp = min(candidates, key=lambda item: _misfit(one, two, item[1]))
    warp = warp.copy()
    warp[:, 2] /= fine
    return Alignment(warp, method, _offset(warp, source.shape[1], source.shape[0]))


def apply(alignment: Alignment, background: Bytes) -> Bytes:
    """Resample a background (H, W, 3) uint8 onto the source; what lies outside repeats the nearest edge pixel."""
    if alignment.method == "none":
        return background
    return np.asarray(_warp(background, alignment.warp), dtype=np.uint8)


def match_tone(source: Bytes, background: Bytes) -> Bytes:
    """Give an aligned background the source's exposure, white balance and tone curve.

    Both (H, W, 3) RGB uint8. Per channel ``source = gain * background ** gamma``. The start is the commonest ratio of
    the three channels at once: the background's pixels share one, a person's are spread, so it holds also where the
    person fills most of the frame (a median fails there). Then least squares in the logarithm over the pixels close to
    the fit, closer each round. Of no change, the gain and the full curve, the one that explains most pixels is
    applied. Returns a (H, W, 3) uint8 background.
    """
    step = max(1, round(max(source.shape[:2]) / 224))  # a quarter of a million pixels say no more than fifty thousand
    small = [
        cv2.blur(image, (3, 3))[::step, ::step].reshape(-1, 3).astype(np.float64) for image in (source, background)
    ]
    usable = np.logical_and.reduce([((i >= DARKEST) & (i <= BRIGHTEST)).all(axis=1) for i in small])
    if int(usable.sum()) < MIN_PIXELS:
        return background
    target, given = (np.log(pixels[usable] / 255) for pixels in small)
    gain, gamma = _commonest(target - given), np.ones(3)
    curves = [(np.zeros(3), gamma), (gain.copy(), gamma.copy())]
    for band in (0.25, 0.15, 0.1, 0.1):
        inlier = np.abs(target - gain - gamma * given).max(axis=1) < band
        if int(inlier.sum()) < MIN_PIXELS:
            break
        lines = [_line(given[inlier, c], target[inlier, c]) for c in range(3)]
        gain, gamma = np.array([line[0] for line in lines]), np.array([line[1] for line in lines])
    curves.append((gain, gamma))

    def unexplained(curve: tuple[NDArray[np.float64], NDArray[np.float64]]) -> float:
        wrong = np.abs(np.exp(target) - np.exp(curve[0] + curve[1] * given)).max(axis=1) * 255
        return float(np.minimum(wrong, SATURATION).mean())

    gain, gamma = min(curves, key=unexplained)
    levels = np.log(np.maximum(np.arange(256), 0.5) / 255)
    table = np.clip(np.rint(255 * np.exp(gain + gamma * levels[:, None])), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(cv2.LUT(background, table[:, None, :]), dtype=np.uint8)


def _commonest(ratios: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mode of (N, 3) logarithms of ratios, where a drift of less than half a stop is likelier than more."""
    edges = np.linspace(-1.2, 1.2, 49)
    counts, _ = np.histogramdd(ratios, bins=(edges, edges, edges))
    middles = (edges[1:] + edges[:-1]) / 2
    prior = np.exp(-0.5 * (middles / 0.4) ** 2)
    dense = gaussian_filter(counts, 1.0) * prior[:, None, None] * prior[:, None] * prior
    best = np.unravel_index(int(np.argmax(dense)), dense.shape)
    return np.array([middles[i] for i in best])


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float]:
    """Offset and slope of ``y`` over ``x``; a slope that the spread of ``x`` cannot tell is 1."""
    spread = float(x.var())
    slope = float(((x - x.mean()) * (y - y.mean())).mean() / spread) if spread > 0.01 else 1.0
    slope = float(np.clip(slope, *GAMMAS))
    return float(y.mean() - slope * x.mean()), slope


def _grey(image: Bytes, scale: float) -> Floats:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(grey, (0, 0), 1.0).astype(np.float32)


def _warp(image: Bytes | Floats, warp: Floats) -> NDArray[Any]:
    size = (image.shape[1], image.shape[0])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(image, warp, size, flags=flags, borderMode=cv2.BORDER_REPLICATE))


def _difference(one: Floats, two: Floats, warp: Floats) -> Floats:
    moved = _warp(two, warp)
    # One exposure factor for the frame is enough here: it only has to make two motions comparable.
    ratio = np.log(np.maximum(one, 1.0) / np.maximum(moved, 1.0))[::2, ::2]
    counts, edges = np.histogram(ratio, bins=240, range=(-1.2, 1.2))
    likely = np.convolve(counts, np.hanning(11), mode="same") * np.exp(-0.5 * (edges[:-1] / 0.4) ** 2)
    gain = np.float32(np.exp((edges[:-1] + edges[1:])[int(np.argmax(likely))] / 2))
    return np.asarray(np.abs(one - gain * moved), dtype=np.float32)


def _misfit(one: Floats, two: Floats, warp: Floats) -> float:
    return float(np.minimum(_difference(one, two, warp), SATURATION).mean(dtype=np.float64))


def _phase(one: Floats, two: Floats) -> Floats | None:
    # Edges rather than greys: smooth walls and a change of exposure then weigh nothing.
    edges = [np.hypot(cv2.Sobel(i, cv2.CV_32F, 1, 0), cv2.Sobel(i, cv2.CV_32F, 0, 1)) for i in (one, two)]
    height, width = one.shape
    (x, y), _ = cv2.phaseCorrelate(edges[0], edges[1], cv2.createHanningWindow((width, height), cv2.CV_32F))
    if not np.isfinite((x, y)).all() or np.hypot(x, y) > LARGEST_SHIFT * max(height, width):
        return None
    return np.array([[1, 0, x], [0, 1, y]], dtype=np.float32)


def _ecc(one: Floats, two: Floats, start: Floats) -> Floats | None:
    """Refine a motion, coarse to fine; None where ECC does not converge (no texture) or runs away."""
    warp = start
    for side, rounds in ((COARSE_SIDE, 40), (FINE_SIDE, 12)):
        scale = min(1.0, side / max(one.shape))
        size = (round(one.shape[1] * scale), round(one.shape[0] * scale))
        first, second = (_resized(image, size) for image in (one, two))
        scaled = warp.copy()
        scaled[:, 2] *= scale
        wrong = cv2.GaussianBlur(_difference(first, second, scaled), (0, 0), 2.0)
        mask = np.asarray(wrong <= max(float(np.quantile(wrong, 0.7)), 2.0), dtype=np.uint8)
        criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, rounds, 1e-5)
        try:
            _, found = cv2.findTransformECC(first, second, scaled, cv2.MOTION_AFFINE, criteria, mask, 1)
        except cv2.error:
            return None
        warp = np.asarray(found, dtype=np.float32).copy()
        warp[:, 2] /= scale
        if not np.isfinite(warp).all() or _offset(warp, one.shape[1], one.shape[0]) > LARGEST_SHIFT * max(one.shape):
            return None
    return warp


def _resized(image: Floats, size: tuple[int, int]) -> Floats:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.float32)


def _offset(warp: Floats, width: int, height: int) -> float:
    x, y = np.meshgrid(np.linspace(0, width - 1, 9), np.linspace(0, height - 1, 9))
    points = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    moved = warp.astype(np.float64) @ points
    return float(np.hypot(*(moved - points[:2])).mean())
