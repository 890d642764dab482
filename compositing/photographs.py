"""Photographs to pixels, the plain ones on a short way."""

import io

import cv2
import numpy as np
import PIL.Image
from PIL import ExifTags

from compositing.codec import Image
from curation.images import decode_rgb
from curation.signatures import objection_to_jpeg


def decode_photograph(data: bytes) -> Image:
    """Decode a photograph as :func:`curation.images.decode_rgb` does, plain JPEG files in half the time.

    cv2 decodes with the same library to the same pixels, and copies them once where Pillow does three times. It knows
    less of damage, colour spaces and orientation: its way is for files that decode_rgb read before (their hash says so)
    and that need nothing of the kind.
    """
    try:
        head = PIL.Image.open(io.BytesIO(data), formats=("JPEG",))
        plain = head.mode in ("RGB", "L") and objection_to_jpeg(data) is None
        plain = plain and head.getexif().get(ExifTags.Base.Orientation, 1) == 1
    except Exception:  # not a JPEG, or one with a broken header: decode_rgb says what is wrong, or copes
        plain = False
    if plain:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
        if image is not None:
            return np.asarray(image, dtype=np.uint8)
    return decode_rgb(data)
