"""Pictures that claim to be huge, in every reader that takes them; kinds of damage are in tests/curation/corpus.py."""

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from compositing.codec import decode_grey_layer, decode_rgb_layer
from compositing.mattes.clipreader import read_clip
from compositing.mattes.videomatte import find_clips
from compositing.photographs import decode_photograph
from curation.images import MOST_MEGAPIXELS, decode_rgb
from curation.storage.local import LocalStore
from tests.hostile.contained import contained
from training.samples.extra import ExtraReader
from training.testsets.pictures import read_alpha, read_raw

SIDE = 50_000


def png(width: int, height: int, rows: int = 0) -> bytes:
    """A PNG of 1 bit a pixel with any size in its header; ``rows`` of them are there."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    raw = zlib.compress(bytes((width // 8 + 1) * rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", raw) + chunk(b"IEND", b"")


def lying(kind: str) -> bytes:
    """A small file of ``kind`` whose header says 60,000 x 60,000."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48)).save(buffer, kind, **({"lossless": True} if kind == "WEBP" else {}))
    data = bytearray(buffer.getvalue())
    match kind:
        case "JPEG":
            place = data.index(b"\xff\xc0") + 5
            data[place : place + 4] = struct.pack(">HH", 60_000, 60_000)
        case "GIF":
            data[6:10] = struct.pack("<HH", 60_000, 60_000)
            place = data.index(b",") + 5
            data[place : place + 4] = struct.pack("<HH", 60_000, 60_000)
        case "BMP":
            data[18:26] = struct.pack("<ii", 60_000, 60_000)
        case "TIFF":
            for tag, size in ((256, 64), (257, 48)):
                place = data.index(struct.pack("<HHII", tag, 4, 1, size))
                data[place + 8 : place + 12] = struct.pack("<I", 60_000)
        case "WEBP":  # 14 bits a side: the most is 16,384
            place = data.index(b"VP8L") + 9
            data[place : place + 4] = struct.pack("<I", 0x0FFF_FFFF)
        case "JPEG2000":
            place = data.index(b"ihdr") + 4
            data[place : place + 8] = struct.pack(">II", 60_000, 60_000)
            place = data.index(b"\xff\x51") + 6
            data[place : place + 8] = struct.pack(">II", 60_000, 60_000)
        case "PPM":
            data = bytearray(b"P6\n60000 60000\n255\n" + bytes(99))
    return bytes(data)


KINDS = ("JPEG", "GIF", "BMP", "TIFF", "WEBP", "JPEG2000", "PPM")
DECODERS: dict[str, Callable[[bytes], np.ndarray]] = {
    "index": lambda data: decode_rgb(data, MOST_MEGAPIXELS),
    "no limit named": decode_rgb,
    "photograph": decode_photograph,
    "layer": decode_rgb_layer,
    "alpha": decode_grey_layer,
}


@pytest.mark.parametrize("name", DECODERS)
def test_a_picture_that_claims_to_be_huge_is_refused(name: str, tmp_path: Path) -> None:
    files = {"PNG": png(SIDE, SIDE), "whole PNG": png(SIDE, SIDE, SIDE // 5)} | {kind: lying(kind) for kind in KINDS}

    def read() -> dict[str, str]:
        told = {}
        for kind, data in files.items():
            try:
                told[kind] = f"decoded: {DECODERS[name](data).shape}"
            except ValueError as error:
                told[kind] = str(error)
        return told

    outcome = contained(read, folder=tmp_path)
    assert outcome.error == "" and outcome.harmless and outcome.megabytes < 300, outcome
    assert not [told for told in outcome.value.values() if told.startswith("decoded")], outcome.value


def test_frames_of_a_clip_are_bounded_in_bytes_and_pixels(tmp_path: Path) -> None:
    for layer in ("fgr", "pha"):
        folder = tmp_path / layer / "0000"
        folder.mkdir(parents=True)
        (folder / "00000.png").write_bytes(png(SIDE, SIDE))
        (folder / "00001.png").write_bytes(b"")
        os.truncate(folder / "00001.png", 20 * 10**9)  # sparse: no disk is used
    (clip,) = find_clips(LocalStore(tmp_path)).clips
    outcome = contained(lambda: [p.problem for p in read_clip(LocalStore(tmp_path), clip)], folder=tmp_path)
    pixels, size = outcome.value
    assert pixels.startswith("fgr: fgr/0000/00000.png: too large: ")
    assert "too large: 20000000000 bytes" in size


def test_opencv_takes_the_limit_before_it_is_loaded(tmp_path: Path) -> None:
    import subprocess
    import sys

    wide = tmp_path / "wide.png"
    wide.write_bytes(png(14_000, 14_000, 14_000))
    program = (
        "import {room}, cv2\n"
        f"try: print(cv2.imread({str(wide)!r}, cv2.IMREAD_UNCHANGED).shape)\n"
        "except cv2.error as error: print('CV_IO_MAX_IMAGE_PIXELS' in str(error))"
    )
    for room in ("curation", "compositing", "training", "pipelines"):
        answer = subprocess.run(
            [sys.executable, "-c", program.format(room=room)], capture_output=True, text=True, check=True
        )
        assert answer.stdout.strip() == "True", room


def test_alphas_and_rgba_pictures_of_test_sets_are_bounded(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(SIDE, SIDE, SIDE // 5))
    assert contained(read_alpha, tmp_path / "a.png", folder=tmp_path).refused("a.png is not a readable picture")
    assert contained(read_raw, tmp_path / "a.png", folder=tmp_path).value is None


def test_pictures_of_an_extra_source_are_named_before_training(tmp_path: Path) -> None:
    for layer in ("src", "bgr", "pha"):
        (tmp_path / layer).mkdir()
        for number, data in enumerate((png(SIDE, SIDE), lying("TIFF"), b"%!PS-Adobe-3.0 EPSF-3.0\n", b"")):
            (tmp_path / layer / f"{number}.png").write_bytes(data)
    outcome = contained(lambda: ExtraReader("office", tmp_path, 64).check(8), folder=tmp_path)
    assert outcome.refused("extra 'office': 4 of 4 samples cannot be used"), outcome
