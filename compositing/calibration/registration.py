"""How a camera moved between two photographs of one scene, one of them with a person in it."""

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.codec import Image
from compositing.light import Float

Mask = NDArray[np.bool_]

LIKELY_SCENE = 0.6
"""Share of the frame taken for the scene before the person is known."""
SIDES = (192, 640, 1280)
"""Long sides of the pyramid of the search, pixels."""
FURTHEST = 0.08
"""A motion beyond this share of the long side is a failed fit, not a camera that was bumped."""
ROUNDS = 40
"""Steps of ECC at each size."""
LIKELY_DRIFT = 20.0
"""Levels: a small drift of exposure is likelier than a large one."""
LEAST_PERSPECTIVE = 0.6
"""Pixels at 512, at a corner, below which it is none: a fixed camera seemed to have 0.1 to 0.57 behind a video codec,
and its shift was found four times worse with it."""
LEAST_TEXTURE = 0.4
"""Standard deviation of the gradient, levels a pixel, below which a picture tells no motion."""


class Motion(NamedTuple):
    """Where the captured background's content lies against the source's, as a plan row has it."""

    x: float
    """Shift of the centre, pixels, to the right."""
    y: float
    """Pixels, down."""
    rotate: float
    """Degrees, counter-clockwise."""
    scale: float
    """Factor."""
    tilt_x: float
    """Perspective, as ``chain.viewpoint.Viewpoint`` has it: pixels at the corners by a turn to the side."""
    tilt_y: float
    """By a turn up or down."""
    warp: NDArray[np.float64]
    """(3, 3): takes a source pixel (x, y, 1) to the plate's pixel that shows the same place, up to a factor."""

    @property
    def perspective(self) -> float:
        """How far a corner moves by perspective, pixels."""
        return math.sqrt(2) * math.hypot(self.tilt_x, self.tilt_y)


STILL = Motion(0.0, 0.0, 0.0, 1.0, 0.0, 0.0, np.eye(3))


def register(src: Image, bgr: Image, outside: Mask | None = None) -> Motion:
    """Measure the motion between a source and its plate to a fraction of a pixel.

    ``src``, ``bgr``: (H, W, 3) uint8 of one size. ``outside``: (H, W), where no person is; None: unknown, and the
    pixels that differ most are left out. Affine ECC (Evangelidis and Psarakis, 2008), coarse to fine, from a phase
    correlation; brightness and contrast do not matter to it. Perspective is looked for last, and left at none where
    that does not converge. Raises ValueError where there is nothing to hold on to.
    """
    one, two = (np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), np.float32) for image in (src, bgr))
    if min(_texture(one), _texture(two)) < LEAST_TEXTURE:
        raise ValueError("too little texture to register by; capture a scene with some detail")
    warp = _phase(one, two)
    for side in SIDES:
        scale = min(1.0, side / max(one.shape))
        found = _refine(one, two, outside, warp, scale)
        if found is not None:
            warp = found
        if scale == 1:
            break
    level = found is not None
    whole = _refine(one, two, outside, warp, scale, cv2.MOTION_HOMOGRAPHY) if level else None
    motion = _decompose(warp, one.shape[1], one.shape[0])
    if whole is not None:
        tilted = _decompose(whole, one.shape[1], one.shape[0])
        if tilted.perspective * 512 >= LEAST_PERSPECTIVE * max(one.shape):
            motion = tilted
    if not level or _length(motion, one.shape[1], one.shape[0]) > FURTHEST * max(one.shape):
        raise ValueError("source and plate could not be registered; they may show different scenes")
    return motion


def bring(image: Image | Float, motion: Motion, nearest: bool = False) -> Image | Float:
    """Resample a plate onto its source. ``nearest`` takes whole pixels, so that noise keeps its variance."""
    flags = (cv2.INTER_NEAREST if nearest else cv2.INTER_CUBIC) | cv2.WARP_INVERSE_MAP
    size = (image.shape[1], image.shape[0])
    moved = cv2.warpPerspective(image, motion.warp, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return moved.astype(image.dtype, copy=False)  # type: ignore[return-value]


def usual(wrong: Float) -> float:
    """The commonest of differences in levels: a drift of exposure. A person's are spread, and may be the majority."""
    edges = np.linspace(-80, 80, 81)
    middles = (edges[1:] + edges[:-1]) / 2
    counts, _ = np.histogram(wrong, edges)
    dense = np.convolve(counts, np.hanning(7), mode="same") * np.exp(-0.5 * (middles / LIKELY_DRIFT) ** 2)
    return float(middles[int(np.argmax(dense))])


def _texture(grey: Float) -> float:
    smooth = cv2.GaussianBlur(grey, (0, 0), 1.5)  # noise must not pass for texture
    return float(np.hypot(cv2.Sobel(smooth, cv2.CV_32F, 1, 0), cv2.Sobel(smooth, cv2.CV_32F, 0, 1)).std() / 8)


def _phase(one: Float, two: Float) -> NDArray[np.float64]:
    edges = [np.hypot(cv2.Sobel(i, cv2.CV_32F, 1, 0), cv2.Sobel(i, cv2.CV_32F, 0, 1)) for i in (one, two)]
    window = cv2.createHanningWindow((one.shape[1], one.shape[0]), cv2.CV_32F)
    (x, y), _ = cv2.phaseCorrelate(edges[0], edges[1], window)
    if not np.isfinite((x, y)).all() or math.hypot(x, y) > FURTHEST * max(one.shape):
        x = y = 0.0
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1]], np.float64)


def _refine(
    one: Float,
    two: Float,
    outside: Mask | None,
    warp: NDArray[np.float64],
    scale: float,
    kind: int = cv2.MOTION_AFFINE,
) -> NDArray[np.float64] | None:
    size = (round(one.shape[1] * scale), round(one.shape[0] * scale))
    first, second = (cv2.resize(i, size, interpolation=cv2.INTER_AREA) if scale < 1 else i for i in (one, two))
    smaller = np.diag([scale, scale, 1.0])
    start = (smaller @ warp @ np.linalg.inv(smaller)).astype(np.float32)
    start /= start[2, 2]
    if outside is None:
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        moved = cv2.warpPerspective(second, start, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        # A person is a large change: compare blurred, with the commonest change of exposure taken out.
        wrong = cv2.GaussianBlur(first - moved, (0, 0), max(1.0, 0.01 * max(size)))
        wrong = np.abs(wrong - usual(np.asarray(wrong, np.float32)))
        mask = wrong <= max(float(np.quantile(wrong, LIKELY_SCENE)), 4.0)
    else:
        mask = cv2.resize(outside.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, ROUNDS, 1e-5)
    try:
        begin = start if kind == cv2.MOTION_HOMOGRAPHY else start[:2]
        _, found = cv2.findTransformECC(first, second, begin, kind, criteria, mask.astype(np.uint8) * 255, 5)
    except cv2.error:  # it does not converge: no texture here, or another scene
        return None
    refined = np.eye(3)
    refined[: len(found)] = found
    refined = np.linalg.inv(smaller) @ refined @ smaller
    return refined if np.isfinite(refined).all() else None


def _decompose(warp: NDArray[np.float64], width: int, height: int) -> Motion:
    cx, cy = (width - 1) / 2, (height - 1) / 2
    centre = np.array([[1.0, 0.0, cx], [0.0, 1.0, cy], [0.0, 0.0, 1.0]])
    # About the centre it is perspective after an affine motion: the row that makes its last row (0, 0, 1) is sought.
    about = np.linalg.inv(centre) @ warp @ centre
    tilt = np.linalg.solve(about[:2, :2].T, about[2, :2])
    moved = about[:2] / (about[2, 2] - tilt @ about[:2, 2])
    scale = math.sqrt(max(float(np.linalg.det(moved[:, :2])), 1e-9))
    rotate = math.degrees(math.atan2(moved[0, 1] - moved[1, 0], moved[0, 0] + moved[1, 1]))
    reach = math.hypot(cx, cy)
    x, y = (float(value) for value in moved[:, 2])
    return Motion(x, y, rotate, scale, float(tilt[0]) * reach * cx, float(tilt[1]) * reach * cy, warp)


def moved_by(motion: Motion, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how far points of the source, (N, 2) pixels, lie from where the plate shows them, (N, 2)."""
    there = np.column_stack([points, np.ones(len(points))]) @ motion.warp.T
    return np.asarray(there[:, :2] / there[:, 2:] - points)


def _length(motion: Motion, width: int, height: int) -> float:
    corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]], np.float64)
    return float(np.hypot(*moved_by(motion, corners).T).max())
