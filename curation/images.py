"""Bytes of an image file -> RGB pixels, or the reason why not."""

import io
import warnings
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

from curation.signatures import is_cut, name_content, objection_to_jpeg

Rgb: TypeAlias = npt.NDArray[np.uint8]
"""An image: (H, W, 3) uint8, RGB, rows from the top."""

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF", "JPEG2000")
"""What is decoded, told by content. Pillow knows more, among them EPS, which it would hand to Ghostscript to run."""
MOST_MEGAPIXELS = 170
"""More than any camera makes, and less than Pillow refuses by itself."""
BYTES_A_PIXEL = 4
"""What an uncompressed picture needs at most, but for rare 16-bit colour."""
SPARE_BYTES = 64_000_000
"""For what a picture may hold besides its first page: metadata, previews, further frames."""
_ROWS = 256
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def max_bytes(max_megapixels: float) -> int:
    """Size that no file needs whose picture is within the limit."""
    return int(max_megapixels * 1e6) * BYTES_A_PIXEL + SPARE_BYTES


def decode_rgb(data: bytes, max_megapixels: float | None = None, least_side: int | None = None) -> Rgb:
    """Decode an image file to (H, W, 3) uint8 RGB, turned as its EXIF orientation says.

    With ``least_side`` a JPEG may come at 1/2, 1/4 or 1/8 of its size, as long as its long side keeps that many pixels:
    several times as fast, for whoever does not need more.

    Only content counts: a picture of one of :data:`FORMATS` with another's name is fine. Grey, palette, CMYK and
    16-bit files are converted; of an animation or several pages the first is taken; what follows a picture's end is
    ignored. Colour profiles are not applied. Raises ValueError whose text starts with a kind and a colon, fit for a
    table's status: ``empty``, ``not an image``, ``truncated`` (cut off or damaged: some pixels are not what was
    photographed), ``too large`` (above ``max_megapixels``, found before any pixel is decoded, or a compressed text that
    unpacks to more than Pillow's MAX_TEXT_CHUNK), ``transparent`` (a see-through picture shows no scene there) or
    ``unsupported`` (a picture, but of a kind that is not decoded).
    """
    if not data:
        raise ValueError("empty: the file has no bytes")
    with warnings.catch_warnings():
        # Size is judged below, against the caller's limit; Pillow's own guess only adds a warning.
        warnings.simplefilter("ignore")
        try:
            if objection := objection_to_jpeg(data):
                raise _Refused(objection)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            _check_size(image.size, max_megapixels)
            if least_side is not None:
                share = min(1.0, least_side / max(image.size))
                image.draft(None, (round(image.width * share), round(image.height * share)))
            image.load()
            return _to_rgb(_turn(image))
        except _Refused as refused:
            raise ValueError(str(refused)) from None
        except MemoryError:
            raise  # says nothing about the file
        except Image.DecompressionBombError as error:
            raise ValueError(f"too large: {error}") from error
        except UnidentifiedImageError as error:
            raise ValueError(name_content(data)) from error
        except Exception as error:
            # Decoders meet arbitrary bytes and raise nearly everything, from struct.error to KeyError.
            words = str(error) or type(error).__name__
            raise ValueError(f"{_kind(words, data)}: {words}") from error


class _Refused(Exception):
    pass


def _kind(words: str, data: bytes) -> str:
    if "MAX_TEXT" in words:
        return "too large"
    damaged = any(
        hint in words.lower()
        for hint in ("truncat", "broken", "unexpected end", "not enough", "data stream", "decoder error")
    )
    return "truncated" if damaged or is_cut(data) else "unsupported"


def _check_size(size: tuple[int, int], max_megapixels: float | None) -> None:
    width, height = size
    if max_megapixels is not None and width * height > max_megapixels * 1e6:
        raise _Refused(f"too large: {width}x{height} is {width * height / 1e6:.0f} megapixels, over {max_megapixels:g}")


def _turn(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # a broken EXIF block is common and says nothing about the pixels
        orientation = 1
    method = _TURNS.get(orientation)
    return image if method is None else image.transpose(method)


def _to_rgb(image: Image.Image) -> Rgb:
    if image.mode.startswith("I;16"):
        deep = np.asarray(image)
        rgb = np.empty((*deep.shape, 3), np.uint8)
        for top in range(0, len(deep), _ROWS):  # all at once would take four times the picture
            rgb[top : top + _ROWS] = ((deep[top : top + _ROWS].astype(np.uint32) + 128) // 257)[:, :, None]
        return rgb
    if image.mode in ("I", "F"):
        raise _Refused(f"unsupported: {image.mode} pixels of 32 bits, whose range is not known; save it with 8 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        clear = float(np.mean(np.asarray(image)[:, :, 3] < 255))
        if clear > 0:
            raise _Refused(f"transparent: {100 * clear:.3g}% of the pixels are see-through")
    return np.array(image.convert("RGB"))
