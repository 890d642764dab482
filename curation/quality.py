"""What an image's pixels say about it: size, sharpness, exposure, colour, borders, flatness, perceptual hash."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from curation.images import Rgb

SHORT_SIDE = 256

ALIKE = 12
"""Levels that a bar's pixels may differ by: JPEG's ringing, where a bar ends within a block ..."""
STRAY = 0.02
"""... but for this share of a line."""
STEP = 24
"""Levels by which the picture differs from its bar ..."""
MOST = 0.6
"""... over at least this share of the line inside it: a skyline below a clipped sky does so only here and there."""
INSIDE = 10
"""Pixels inside a bar that its edge may be smeared over by JPEG's blocks."""

BLOCK = 8
CRISP = 96
"""Levels between the darkest and brightest pixel of a block that holds letters or lines."""


def measure(image: Rgb) -> dict[str, Any]:
    """Measure an image (H, W, 3): the columns width to phash of IMAGES."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    mean, spread = cv2.meanStdDev(grey)
    clipped = cv2.countNonZero(cv2.inRange(image, (0, 0, 0), (2, 2, 2)))
    clipped += cv2.countNonZero(cv2.inRange(image, (253, 253, 253), (255, 255, 255)))
    return {
        "width": image.shape[1],
        "height": image.shape[0],
        "sharpness": sharpness(grey),
        "luma_mean": float(mean[0, 0]) / 255,
        "luma_spread": float(spread[0, 0]) / 255,
        "clipped": clipped / grey.size,
        "chroma": chroma(image),
        "border": border(image),
        "drawn": drawn(grey),
        "phash": perceptual_hash(grey),
    }


def _reduced(image: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """An image on at most 256 pixels on the short side; never enlarged."""
    height, width = image.shape[:2]
    scale = SHORT_SIDE / min(height, width)
    if scale >= 1:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA))


def chroma(image: Rgb) -> float:
    """How far the most colourful hundredth of an image (H, W, 3) is from grey: largest less smallest channel, 0 to 1.

    0 for greyscale. A toned photograph (sepia) is not near 0.
    """
    # Every so many pixels: what is grey is grey at each, and averaging would cost more than all else here.
    step = max(1, min(image.shape[:2]) // SHORT_SIDE)
    red, green, blue = cv2.split(np.ascontiguousarray(image[::step, ::step]))
    most, least = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
    return float(np.percentile(most - least, 99)) / 255


def border(image: Rgb) -> float:
    """Share of an image (H, W, 3) that lies under uniform bars at its edges: letterbox, pillarbox, frame; 0 to 1.

    A bar is a run of lines along an edge, all of one colour, that ends in a step over most of its length, and comes
    with one of the same colour at the opposite edge. A night sky or a white wall ends otherwise, or stands alone; a
    drawn bar that stands alone is not counted either.
    """
    height, width = image.shape[:2]
    high, wide = _bars(image), _bars(image.transpose(1, 0, 2))
    return float(1 - (height - high) * (width - wide) / (height * width))


def _bars(lines: npt.NDArray[np.uint8]) -> int:
    """How many of the lines (N, L, 3) belong to a pair of bars at both ends."""
    if len(lines) < 2:
        return 0
    colours = [np.median(lines[end, ::8], axis=0).astype(np.int16) for end in (0, -1)]
    if np.abs(colours[0] - colours[1]).max() > ALIKE:
        return 0
    # Nearly every photograph ends here, at its first or last line.
    if any(_unlike(lines[end][None], colour, ALIKE)[0] > STRAY for end, colour in zip((0, -1), colours, strict=True)):
        return 0
    near, far = _bar(lines, colours[0]), _bar(lines[::-1], colours[1])
    return near + far if near and far else 0


def _bar(lines: npt.NDArray[np.uint8], colour: npt.NDArray[np.int16]) -> int:
    """How many of the first half of lines (N, L, 3) are a bar."""
    unlike = _unlike(lines[: len(lines) // 2], colour, ALIKE)
    # 0 also where no line differs: a wall of one colour up to the middle is no bar.
    thick = int(np.argmax(unlike > STRAY))
    inside = lines[thick + 1 : thick + INSIDE]
    return thick if thick and np.any(_unlike(inside, colour, STEP) >= MOST) else 0


def _unlike(lines: npt.NDArray[np.uint8], colour: npt.NDArray[np.int16], levels: int) -> npt.NDArray[np.float64]:
    """Share of each line (N, L, 3) that differs from a colour by more than so many levels (N,)."""
    low, high = (tuple(np.clip(colour + sign * levels, 0, 255).tolist()) for sign in (-1, 1))
    alike = cv2.inRange(np.ascontiguousarray(lines), low, high)
    return np.asarray(1 - alike.mean(axis=1) / 255)


def drawn(grey: npt.NDArray[Any]) -> float:
    """How much luma (H, W) uint8 looks drawn by a computer: screenshots, slides, scanned text, diagrams; 0 to 1.

    Blocks of 8x8 pixels are flat, or hold a crisp edge, and little lies between: the share of flat blocks times the
    share of crisp ones among the others.
    """
    height, width = (side // BLOCK * BLOCK for side in grey.shape)
    if not height or not width:
        return 0.0
    whole = grey[:height, :width]
    kernel = np.ones((BLOCK, BLOCK), np.uint8)
    at = slice(BLOCK // 2, None, BLOCK)
    spread = (cv2.dilate(whole, kernel)[at, at] - cv2.erode(whole, kernel)[at, at]).astype(np.uint8)
    flat = spread <= 2
    rest = spread[~flat]
    return float(flat.mean() * (rest >= CRISP).mean()) if rest.size else 0.0


def sharpness(grey: npt.NDArray[Any]) -> float:
    """Variance of the Laplacian of luma (H, W) uint8, on at most 256 pixels on the short side; never enlarged.

    At one size, because the same scene at twice the pixels has a far smaller Laplacian (Pech-Pacheco et al. 2000).
    """
    return float(cv2.Laplacian(_reduced(grey), cv2.CV_64F).var())


def perceptual_hash(grey: npt.NDArray[Any]) -> int:
    """64 bits of luma (H, W) uint8: the 64 lowest DCT frequencies but the mean, each above the median or not.

    Near-duplicates (resized, recompressed, slightly cropped or re-exposed) differ in few bits.
    """
    small = cv2.resize(grey, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    # Rounded: on a flat image only rounding noise is left, and a hash of noise would be no hash.
    low = np.round(cv2.dct(small)[_LOW], 2)
    bits = (low > np.median(low)).astype(np.uint8)
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def _low_frequencies(count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    places = sorted(((v, u) for v in range(16) for u in range(16)), key=lambda p: (p[0] + p[1], p))
    rows, columns = zip(*places[1 : count + 1], strict=True)
    return np.array(rows), np.array(columns)


_LOW = _low_frequencies(64)
