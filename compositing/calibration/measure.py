"""Measures what a camera did between a plate and a source: motion, exposure, colour, tone, focus, noise, compression.

Everything is measured outside the person, in the units of the plan's columns, on real pairs and on rendered ones alike.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.calibration.compression import blockiness, jpeg_quality
from compositing.calibration.focus import focus_difference
from compositing.calibration.metering import Light, measure_light
from compositing.calibration.pairnoise import measure_noise
from compositing.calibration.registration import STILL, Motion, bring, moved_by, register
from compositing.calibration.tone import Tone, fit_tone, predict
from compositing.chain.camera import uneven
from compositing.codec import Image
from compositing.light import bytes_to_linear, to_bytes, to_display
from curation.images import decode_rgb

Mask = NDArray[np.bool_]
Box = tuple[float, float, float, float]

REFERENCE = 512
"""Shift is given in pixels at this long side, as ``plan.*.shift`` is."""
LEAST_OUTSIDE = 0.1
"""Share of the frame that has to be free of people."""
DARKEST_MEAN = 12.0
"""Mean level of a picture that is too dark to measure."""
ROUNDS = 2
"""Times that person, motion and tone are found from one another."""
EVEN = 0.03
"""Stops from corner to corner that are left alone: a second rounding costs more."""
FEWEST_LEVELS = 5.0
"""A difference of less than this many levels is noise, not a person."""


def measure(src: Image, bgr: Image, outside: Mask | None = None, boxes: tuple[Box, ...] = ()) -> dict[str, Any]:
    """Measure one captured pair: the columns of MEASURES but for names and compression of the files.

    ``src``, ``bgr``: (H, W, 3) uint8 RGB of one size. ``outside``: (H, W), True where no person is, from a true
    alpha; what differs is left out besides, as in a real pair, where nothing else tells the person. ``boxes``: people
    that a detector found, (x, y, w, h) shares of the frame, left out too. Raises ValueError with the reason where a
    pair cannot be measured.
    """
    if src.shape != bgr.shape:
        raise ValueError(f"source is {_size(src)} and plate {_size(bgr)}; capture both with the same settings")
    for name, image in (("source", src), ("plate", bgr)):
        if image.mean() < DARKEST_MEAN:
            raise ValueError(f"the {name} is too dark to measure (mean level {image.mean():.0f})")
    given = None if outside is None else outside & ~_inside(boxes, src)
    motion, tone, free, evened = _settle(src, bgr, given, boxes)
    height, width = src.shape[:2]
    predicted = predict(evened, tone) * np.float32(255)
    nearest = np.asarray(bring(bgr, motion, nearest=True), np.float32)
    brought = np.asarray(bring(bgr, motion), np.float32)
    light = measure_light(predict(src, tone) * np.float32(255), brought, free, in_both(src, motion))
    noise = measure_noise(src.astype(np.float32), predicted, nearest, free, _left(motion, width, height))
    scale = REFERENCE / max(width, height)
    return {
        "width": width,
        "height": height,
        "outside": float(free.mean()),
        "shift_x": motion.x * scale,
        "shift_y": motion.y * scale,
        "shift": float(np.hypot(motion.x, motion.y)) * scale,
        "rotate": motion.rotate,
        "scale": motion.scale,
        "gain": tone.gain,
        "gain_red": tone.red,
        "gain_blue": tone.blue,
        "gamma": tone.gamma,
        "perspective": motion.perspective * scale,
        "focus": focus_difference(predicted, brought, free) * scale,
        "shading": light.uneven,
        "subject": light.subject,
        "subject_red": light.subject_red,
        "subject_blue": light.subject_blue,
        "src_noise": noise.src,
        "bgr_noise": noise.bgr,
        "noise_correlation": noise.correlation,
        "noise_by_brightness": [None if np.isnan(level) else level for level in noise.by_brightness],
        "src_blockiness": blockiness(src),
        "bgr_blockiness": blockiness(bgr),
    }


def measure_bytes(src: bytes, bgr: bytes, outside: Mask | None = None, boxes: tuple[Box, ...] = ()) -> dict[str, Any]:
    """Measure a pair of encoded pictures: :func:`measure` with the JPEG qualities of the files. Raises ValueError."""
    found = measure(decode_rgb(src), decode_rgb(bgr), outside, boxes)
    return found | {"src_quality": jpeg_quality(src), "bgr_quality": jpeg_quality(bgr)}


def free_of_people(src: Image, expected: Image, boxes: tuple[Box, ...] = ()) -> Mask:
    """Find where no person is: (H, W), from what differs between a source and its plate brought onto it.

    The difference is blurred against noise and thresholded at what the best-fitting quarter shows. Holes are filled,
    since clothes may have the wall's colour, and 3 % of the long side is added for soft edges and contact shadow.
    """
    side = max(src.shape[:2])
    wrong = cv2.GaussianBlur(src.astype(np.float32) - expected.astype(np.float32), (0, 0), max(1.0, side / 400))
    size = np.abs(wrong).max(2)
    # The person may be the larger part of the frame, so it is the least quarter that tells what noise does.
    limit = max(FEWEST_LEVELS, 5 * float(np.quantile(size, 0.25)))
    differs = (size > limit).astype(np.uint8)
    differs = cv2.morphologyEx(differs, cv2.MORPH_OPEN, _disc(side / 250))
    differs = cv2.morphologyEx(differs, cv2.MORPH_CLOSE, _disc(side / 25))
    outlines, _ = cv2.findContours(differs, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros_like(differs), outlines, -1, 1, thickness=cv2.FILLED)
    return np.asarray((cv2.dilate(filled, _disc(0.03 * side)) == 0) & ~_inside(boxes, src))


def outside_alpha(pha: Image) -> Mask:
    """Where a true alpha, (H, W) uint8, is nothing, and a few pixels from where it is something."""
    return np.asarray(cv2.dilate((pha > 0).astype(np.uint8), _disc(0.01 * max(pha.shape))) == 0)


def _settle(src: Image, bgr: Image, given: Mask | None, boxes: tuple[Box, ...]) -> tuple[Motion, Tone, Mask, Image]:
    """Find motion, tone, where no person is, and the source in even light."""
    free = given
    if given is None and boxes:
        free = ~_inside(boxes, src)
    motion, tone, evened = STILL, Tone(0.0, 0.0, 0.0, 1.0), src
    for _ in range(ROUNDS):
        motion = register(evened, bgr, free)
        brought = np.asarray(bring(bgr, motion), np.uint8)
        seen = in_both(src, motion)
        tone = fit_tone(evened, brought, seen if free is None else free & seen)
        expected = np.rint(predict(evened, tone) * 255).astype(np.uint8)
        free = free_of_people(expected, brought, boxes)
        if given is not None:
            free &= given
        if free.mean() < LEAST_OUTSIDE:
            raise ValueError(
                f"only {free.mean():.0%} of the frame is free of people or looks the same in both; "
                "is this the plate of this source?"
            )
        predicted = predict(src, tone) * np.float32(255)
        evened = _evened(src, measure_light(predicted, brought.astype(np.float32), free & seen, seen))
    brought = np.asarray(bring(bgr, motion), np.uint8)
    assert free is not None
    free &= in_both(src, motion)
    return motion, fit_tone(evened, brought, free), free, evened


def _evened(src: Image, light: Light) -> Image:
    """Take uneven light out, which would pass for a gain, a tone curve and a motion."""
    if not light.uneven > EVEN:
        return src
    field = uneven(src.shape[1], src.shape[0], -light.uneven, light.angle)
    return to_bytes(to_display(bytes_to_linear(src) * field[:, :, None]))


def in_both(src: Image, motion: Motion) -> Mask:
    """Where the plate shows what the source does, (H, W)."""
    inside = np.ones(src.shape[:2], np.uint8)
    size = (src.shape[1], src.shape[0])
    moved = cv2.warpPerspective(inside, motion.warp, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    return cv2.erode(moved, np.ones((5, 5), np.uint8), borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0


def _left(motion: Motion, width: int, height: int) -> float:
    """How far apart whole pixels leave the two, mean over the frame, pixels."""
    x, y = np.meshgrid(np.linspace(0, width - 1, 24), np.linspace(0, height - 1, 24))
    far = moved_by(motion, np.column_stack([x.ravel(), y.ravel()]))
    return float(np.hypot(*(far - np.rint(far)).T).mean())


def _inside(boxes: tuple[Box, ...], image: Image) -> Mask:
    height, width = image.shape[:2]
    inside = np.zeros((height, width), bool)
    for x, y, w, h in boxes:
        # A tenth more on each side: detectors cut off hair and feet.
        left, top = max(0, int((x - 0.1 * w) * width)), max(0, int((y - 0.1 * h) * height))
        inside[top : int(np.ceil((y + 1.1 * h) * height)), left : int(np.ceil((x + 1.1 * w) * width))] = True
    return inside


def _disc(radius: float) -> NDArray[np.uint8]:
    side = 2 * max(1, round(radius)) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)


def _size(image: Image) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
