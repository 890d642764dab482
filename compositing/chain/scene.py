"""The scene that a composite is made in: a crop of a photograph, at its size, in linear light."""

from typing import Any

import cv2
import numpy as np

from compositing.chain.look import Look
from compositing.codec import Image
from compositing.kernels.resample import area_taps, light_of
from compositing.light import Float, bytes_to_linear
from compositing.perturb import contrast


def cut_scene(row: dict[str, Any], background: Image) -> Float:
    """Cut a plan row's crop with its margin out of a photograph, bring it to size and give it its look.

    ``background``: (H', W', 3) uint8. Returns linear light, (H + 2 margin, W + 2 margin, 3), 0 to 1. Raises ValueError
    for a crop outside the photograph.
    """
    x, y, w, h = crop_with_margin(row)
    size = (int(row["width"] + 2 * row["margin"]), int(row["height"] + 2 * row["margin"]))
    cut = _cut(background, x, y, w, h)
    # Exposure and contrast on the photograph's own pixels: there are but 256 values.
    shown = np.arange(256, dtype=np.uint8)[None]
    table = contrast(bytes_to_linear(shown) * np.float32(2.0 ** row["bgr_exposure"]), row["bgr_contrast"]).ravel()
    if w >= size[0] and h >= size[1]:
        # Area averaging is antialiased, but enlarges in blocks.
        across, down = area_taps(w, size[0]), area_taps(h, size[1])
        if row["bgr_flip"]:
            across = across.mirrored(w)
        return light_of(background, (x, y), across, down, table, row["bgr_saturation"])
    light = np.asarray(cv2.LUT(cv2.flip(cut, 1) if row["bgr_flip"] else cut, table), np.float32)
    light = np.asarray(cv2.resize(light, size, interpolation=cv2.INTER_CUBIC), np.float32)
    return Look(np.ones(3), saturation=row["bgr_saturation"])(light, out=light)


def wrong_scene(row: dict[str, Any], plate: Image | None) -> Float:
    """Cut the scene of a captured background that shows another photograph, (H', W', 3) uint8; as :func:`cut_scene`.

    Raises ValueError where that photograph is missing, too.
    """
    if plate is None:
        raise ValueError(f"composite {row['composite_id']} has the plate of another scene: give render its photograph")
    return cut_scene(row | {f"crop_{name}": row[f"plate_crop_{name}"] for name in "xywh"}, plate)


def crop_with_margin(row: dict[str, Any]) -> tuple[int, int, int, int]:
    """Return the crop grown by the margin, whole pixels of the photograph: x, y, width, height."""
    margin, wide, high = row["margin"], row["width"] + 2 * row["margin"], row["height"] + 2 * row["margin"]
    w, h = round(row["crop_w"] * wide / row["width"]), round(row["crop_h"] * high / row["height"])
    return round(row["crop_x"] - margin * w / wide), round(row["crop_y"] - margin * h / high), w, h


def _cut(background: Image, x: int, y: int, w: int, h: int) -> Image:
    height, width = background.shape[:2]
    if x < 0 or y < 0 or x + w > width or y + h > height:
        raise ValueError(f"the crop {w}x{h} at ({x}, {y}) leaves the background of {width}x{height}; plan again")
    return background[y : y + h, x : x + w]
