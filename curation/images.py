"""Bytes of an image file -> RGB pixels, or the reason why not."""

import io
import warnings
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError

Rgb: TypeAlias = npt.NDArray[np.uint8]
"""An image: (H, W, 3) uint8, RGB, rows from the top."""

_SIGNATURES = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def decode_rgb(data: bytes, max_megapixels: float | None = None, least_side: int | None = None) -> Rgb:
    """Decode an image file to (H, W, 3) uint8 RGB, turned as its EXIF orientation says.

    With ``least_side`` a JPEG may come at 1/2, 1/4 or 1/8 of its size, as long as its long side keeps that many pixels:
    several times as fast, for whoever does not need more.

    Grey, palette, CMYK and 16-bit files are converted; of an animation the first frame is taken. Colour profiles are
    not applied. Raises ValueError whose text starts with a short reason and a colon, fit for a table's status:
    ``empty``, ``not an image``, ``truncated``, ``too large`` (above ``max_megapixels``, found before any pixel is
    decoded), ``transparent`` (a see-through picture shows no scene there) or ``unsupported``.
    """
    if not data:
        raise ValueError("empty: the file has no bytes")
    with warnings.catch_warnings():
        # Size is judged below, against the caller's limit; Pillow's own guess only adds a warning.
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(data))
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
            if data.startswith(_SIGNATURES):
                raise ValueError(f"unsupported: the header is cut off or of a rare kind ({len(data)} bytes)") from error
            raise ValueError(f"not an image: starts with {data[:8]!r}") from error
        except Exception as error:
            # Decoders meet arbitrary bytes and raise nearly everything, from struct.error to KeyError.
            words = str(error) or type(error).__name__
            kind = "truncated" if _is_cut(words) else "unsupported"
            raise ValueError(f"{kind}: {words}") from error


class _Refused(Exception):
    pass


def _is_cut(words: str) -> bool:
    return any(hint in words.lower() for hint in ("truncat", "broken", "unexpected end", "not enough", "data stream"))


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
        deep = np.asarray(image).astype(np.uint32)
        grey = ((deep + 128) // 257).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise _Refused(f"unsupported: {image.mode} pixels of 32 bits, whose range is not known; save it with 8 bits")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        clear = float(np.mean(np.asarray(image)[:, :, 3] < 255))
        if clear > 0:
            raise _Refused(f"transparent: {100 * clear:.3g}% of the pixels are see-through")
    return np.array(image.convert("RGB"))
