"""A corpus of the files that real folders of photographs hold."""

import io
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

Scene = Callable[..., np.ndarray]


@pytest.fixture(scope="session")
def scene() -> Scene:
    """Draws a textured picture (H, W, 3) uint8 that passes every quality filter; another seed, another picture."""

    def draw(seed: int = 0, height: int = 240, width: int = 320) -> np.ndarray:
        rng = np.random.default_rng(seed)
        picture = np.zeros((height, width, 3), np.float32)
        for cells, weight in ((4, 0.5), (16, 0.25), (150, 0.25)):
            coarse = rng.random((cells, cells, 3 if cells < 20 else 1), np.float32)
            layer = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
            picture += weight * layer.reshape(height, width, -1)
        return (np.clip(picture, 0.02, 0.98) * 250).astype(np.uint8)

    return draw


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def jpeg(scene: Scene) -> bytes:
    return encode(Image.fromarray(scene()), "JPEG", quality=92)


@pytest.fixture(scope="session")
def corpus(scene: Scene, jpeg: bytes) -> dict[bytes, tuple[bytes, str]]:
    """File name -> its bytes and the kind of status its row must have."""
    image = Image.fromarray(scene())
    png = encode(image, "PNG")
    deep = Image.fromarray((np.asarray(image.convert("L")).astype(np.uint16)) * 257)
    turned = Image.Exif()
    turned[0x0112] = 6
    holes = image.convert("RGBA")
    holes.putalpha(Image.fromarray(np.tile(np.arange(320, dtype=np.uint8), (240, 1))))
    return {
        b"good.jpg": (jpeg, "ok"),
        b"cmyk.jpg": (encode(image.convert("CMYK"), "JPEG"), "ok"),
        b"grey.jpg": (encode(image.convert("L"), "JPEG"), "ok"),
        b"deep.png": (encode(deep, "PNG"), "ok"),
        b"palette.png": (encode(image.quantize(64), "PNG"), "ok"),
        b"onebit.png": (encode(image.convert("1"), "PNG"), "ok"),
        b"turned.jpg": (encode(image, "JPEG", exif=turned), "ok"),
        b"black.jpg": (encode(Image.new("RGB", (320, 240)), "JPEG"), "ok"),
        b"tiny.png": (encode(image.resize((1, 1)), "PNG"), "ok"),
        b"caf\xe9.jpg": (encode(Image.fromarray(scene(5)), "JPEG"), "ok"),
        b"odd#12+34": (b"text", "not an image"),
        b"odd.jpg#12+34": (b"text", "not an image"),
        b"truncated.jpg": (jpeg[: len(jpeg) // 2], "truncated"),
        b"almost.jpg": (jpeg[:-200], "truncated"),
        b"truncated.png": (png[: len(png) // 2], "truncated"),
        b"header.jpg": (jpeg[:12], "truncated"),
        b"empty.jpg": (b"", "empty"),
        b"text.jpg": (b"this is no photograph\n" * 20, "not an image"),
        b"page.jpg": (b"<!DOCTYPE html><html>404</html>", "not an image"),
        b"holes.png": (encode(holes, "PNG"), "transparent"),
        b"float.tif": (encode(Image.fromarray(np.ones((9, 9), np.float32)), "TIFF"), "unsupported"),
        b"huge.png": (encode(Image.new("1", (4000, 3000)), "PNG"), "too large"),
        b"readme.txt": (b"notes", "not an image"),
        b"Thumbs": (b"x", "not an image"),
        b"more.zip": (b"PK", "not an image"),
    }


@pytest.fixture()
def corpus_folder(corpus: dict[bytes, tuple[bytes, str]], tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name, (data, _) in corpus.items():
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(data)
    (folder / "gone.jpg").symlink_to("nowhere.jpg")
    os.mkfifo(folder / "pipe.jpg")
    return folder
