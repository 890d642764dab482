import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from curation.images import decode_rgb


def test_the_corpus_decodes_or_says_why(corpus: dict[bytes, tuple[bytes, str]]) -> None:
    for name, (data, kind) in corpus.items():
        if kind == "ok":
            image = decode_rgb(data)
            assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3, name
            assert image.flags["C_CONTIGUOUS"] and image.flags["WRITEABLE"], name
        else:
            with pytest.raises(ValueError) as error:
                decode_rgb(data, max_megapixels=10)
            if b"." in name and name.endswith((b".jpg", b".png", b".tif")):
                assert str(error.value).startswith(f"{kind}: "), name


def test_colours_survive_each_way_of_storing_them(corpus: dict[bytes, tuple[bytes, str]], scene) -> None:
    want = scene().astype(int)
    for name, bound in ((b"good.jpg", 6), (b"cmyk.jpg", 8), (b"palette.png", 25)):
        assert np.abs(decode_rgb(corpus[name][0]) - want).mean() < bound, name
    grey = np.asarray(Image.fromarray(scene()).convert("L"))
    assert np.array_equal(decode_rgb(corpus[b"deep.png"][0])[:, :, 1], grey)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(orientation: int) -> None:
    image = np.zeros((20, 40, 3), np.uint8)
    image[:10, :10] = 255  # bright in the top left corner
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", exif=exif)
    turned = decode_rgb(buffer.getvalue())
    assert turned.shape[:2] == ((20, 40) if orientation < 5 else (40, 20))
    # The EXIF standard: where the stored first row and first column end up on the upright picture.
    top, left = {1: (1, 1), 2: (1, 0), 3: (0, 0), 4: (0, 1), 5: (1, 1), 6: (1, 0), 7: (0, 0), 8: (0, 1)}[orientation]
    corner = turned[2 if top else -3, 2 if left else -3]
    assert corner.min() == 255


def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    buffer = io.BytesIO()
    Image.new("1", (13_000, 13_000)).save(buffer, "PNG")
    with pytest.raises(ValueError, match="too large"):
        decode_rgb(buffer.getvalue(), max_megapixels=120)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_damaged_file_never_raises_anything_else(jpeg: bytes, data: st.DataObject) -> None:
    broken = bytearray(jpeg)
    for _ in range(data.draw(st.integers(1, 20))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(broken)))
    try:
        decode_rgb(bytes(broken[:cut]), max_megapixels=50)
    except ValueError as error:
        assert ": " in str(error)
