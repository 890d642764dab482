import io

import numpy as np
import PIL.Image
import pytest

from compositing.photographs import decode_photograph
from curation.images import decode_rgb
from tests.compositing.composite_world import photograph


def jpeg(mode="RGB", orientation=None, **options):
    exif = PIL.Image.Exif()
    if orientation:
        exif[0x112] = orientation
    file = io.BytesIO()
    image = PIL.Image.fromarray(photograph(5, 83, 131)).convert(mode)
    image.save(file, options.pop("format", "JPEG"), exif=exif, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        *(jpeg(subsampling=sampling) for sampling in (0, 1, 2)),
        jpeg(progressive=True),
        jpeg("L"),
        jpeg("CMYK"),
        *(jpeg(orientation=turn) for turn in range(1, 9)),
        jpeg(format="PNG"),
        jpeg(format="WEBP", lossless=True),
    ],
)
def test_photographs_are_decoded_to_the_pixels_that_were_indexed(data):
    assert (decode_photograph(data) == decode_rgb(data)).all()


def test_plain_jpegs_take_the_short_way(monkeypatch):
    plain, turned = jpeg(), jpeg(orientation=6)
    monkeypatch.setattr("compositing.photographs.decode_rgb", lambda data: np.zeros((1, 1, 3), np.uint8))
    assert decode_photograph(plain).shape == (83, 131, 3)
    assert decode_photograph(turned).shape == (1, 1, 3)


def test_what_cannot_be_decoded_still_says_why():
    with pytest.raises(ValueError, match="not an image"):
        decode_photograph(b"no picture at all")


def test_a_jpeg_without_an_end_is_not_filled_up_with_grey():
    with pytest.raises(ValueError, match="truncated"):
        decode_photograph(jpeg()[:-500])
