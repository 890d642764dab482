"""Pictures as bytes, good, odd and hostile, each with the row it must become; built in code, nothing is stored."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageCms, TiffImagePlugin

Picture = Callable[..., np.ndarray]
OK = "ok"


class Case(NamedTuple):
    """One file."""

    name: str
    data: bytes
    status: str
    """What the row's status begins with."""
    pixels: np.ndarray | None = None
    """What it must decode to, (H, W, 3) uint8, as far as ``bound`` goes; None where only the status counts."""
    bound: float = 0.0
    """Highest mean difference, 0 to 255."""


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def cases(scene: Picture) -> Iterator[Case]:
    """All of them, from one picture."""
    rgb = scene(height=96, width=128)
    image = Image.fromarray(rgb)
    yield from _jpegs(rgb, image)
    yield from _pngs(rgb, image)
    yield from _others(rgb, image)
    yield from _impostors(image)


def _jpegs(rgb: np.ndarray, image: Image.Image) -> Iterator[Case]:
    jpeg = encode(image, "JPEG", quality=95)
    progressive = encode(image, "JPEG", quality=95, progressive=True)
    start, scan = jpeg.index(b"\xff\xc0"), jpeg.index(b"\xff\xda")
    yield Case("good.jpg", jpeg, OK, rgb, 6)
    yield Case("progressive.jpg", progressive, OK, rgb, 6)
    yield Case("cut-header.jpg", jpeg[: start + 6], "truncated: ")
    yield Case("cut-tables.jpg", jpeg[:30], "truncated: ")
    yield Case("cut-scan.jpg", jpeg[: len(jpeg) * 2 // 3], "truncated: ")
    yield Case("cut-progressive.jpg", progressive[: len(progressive) // 2], "truncated: ")
    yield Case("no-end-marker.jpg", jpeg[:-2], "truncated: ")
    yield Case("zero-tail.jpg", jpeg[: len(jpeg) // 2] + bytes(len(jpeg)), "truncated: ")
    yield Case("two-bytes.jpg", jpeg[:2], "truncated: ")
    yield Case("trailing.jpg", jpeg + b"\0" * 5000 + b"from some camera", OK, rgb, 6)
    yield Case("joined.jpg", jpeg + encode(Image.new("RGB", (9, 9)), "JPEG"), OK, rgb, 6)
    other = Image.fromarray(255 - rgb)
    yield Case("mpo.jpg", encode(image, "MPO", save_all=True, append_images=[other], quality=95), OK, rgb, 6)
    yield Case("grey.jpg", encode(image.convert("L"), "JPEG", quality=95), OK, _grey(image), 3)
    inks = encode(image.convert("CMYK"), "JPEG", quality=95)
    yield Case("cmyk.jpg", inks, OK, rgb, 6)
    yield Case("ycck.jpg", _ycck(image), OK, rgb, 6)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    yield Case("profile.jpg", encode(image, "JPEG", quality=95, icc_profile=profile), OK, rgb, 6)
    yield Case("broken-profile.jpg", encode(image, "JPEG", quality=95, icc_profile=b"no profile"), OK, rgb, 6)
    yield Case(
        "broken-exif.jpg", jpeg[:2] + _segment(0xE1, b"Exif\0\0MM\0*\xff\xff\xff\xff junk") + jpeg[2:], OK, rgb, 6
    )
    yield Case("odd-orientation.jpg", encode(image, "JPEG", quality=95, exif=_exif(77)), OK, rgb, 6)
    for orientation in range(1, 9):
        yield Case(f"exif{orientation}.jpg", _turned(rgb, orientation), OK, rgb, 6)
    huge = bytearray(jpeg)
    huge[start + 5 : start + 9] = struct.pack(">HH", 65500, 65500)
    yield Case("huge-header.jpg", bytes(huge), "too large: ")
    for name, marker in (("lossless", 0xC3), ("hierarchical", 0xC5), ("lossless-arithmetic", 0xCB)):
        yield Case(f"{name}.jpg", _marked(jpeg, start, marker), "unsupported: ")
    deep = bytearray(_marked(jpeg, start, 0xC1))
    deep[start + 4] = 12
    yield Case("12-bit.jpg", bytes(deep), "unsupported: ")
    none = bytearray(jpeg)
    none[start + 5 : start + 9] = struct.pack(">HH", 96, 0)
    yield Case("no-width.jpg", bytes(none), "unsupported: ")
    last = progressive.rindex(b"\xff\xda")
    yield Case("many-scans.jpg", progressive[:-2] + progressive[last:-2] * 200 + b"\xff\xd9", "unsupported: ")
    yield Case("no-scan.jpg", jpeg[:scan] + b"\xff\xd9", "truncated: ")
    # libjpeg-turbo decodes arithmetic coding: into noise here, for the data behind the marker is Huffman's.
    yield Case("arithmetic.jpg", _marked(jpeg, start, 0xC9), OK)


def _pngs(rgb: np.ndarray, image: Image.Image) -> Iterator[Case]:
    png = encode(image, "PNG")
    grey = np.asarray(image.convert("L"))
    yield Case("good.png", png, OK, rgb)
    yield Case("grey16.png", encode(Image.fromarray(grey.astype(np.uint16) * 257), "PNG"), OK, _grey(image))
    yield Case("rgb16.png", _png16(rgb), OK, rgb)
    yield Case("onebit.png", encode(image.convert("1"), "PNG"), OK, np.asarray(image.convert("1").convert("RGB")))
    yield Case("grey-alpha.png", encode(image.convert("LA"), "PNG"), OK, _grey(image))
    yield Case("palette.png", encode(image.quantize(128), "PNG"), OK, rgb, 12)
    yield Case("palette-hole.png", encode(image.quantize(16), "PNG", transparency=3), "transparent: ")
    yield Case("rgba-full.png", encode(image.convert("RGBA"), "PNG"), OK, rgb)
    holes = image.convert("RGBA")
    holes.putalpha(200)
    yield Case("rgba-through.png", encode(holes, "PNG"), "transparent: ")
    yield Case("key-colour.png", encode(image, "PNG", transparency=tuple(int(v) for v in rgb[0, 0])), "transparent: ")
    others = [Image.fromarray(255 - rgb)]
    yield Case("animated.png", encode(image, "PNG", save_all=True, append_images=others), OK, rgb)
    yield Case("cut.png", png[: len(png) * 2 // 3], "truncated: ")
    yield Case("cut-header.png", png[:20], "truncated: ")
    wrong = bytearray(png)
    wrong[png.index(b"IDAT") + 200] ^= 0xFF
    yield Case("wrong-crc.png", bytes(wrong), "truncated: ")
    header = bytearray(png)
    header[29] ^= 0xFF
    yield Case("wrong-header-crc.png", bytes(header), "unsupported: ")
    yield Case("no-width.png", _png(0, 96, b""), "unsupported: ")
    yield Case("huge-header.png", _png(2**31 - 1, 2**31 - 1, b""), "too large: ")
    yield Case("huge.png", encode(Image.new("1", (12_000, 12_000)), "PNG"), "too large: ")
    yield Case("text-bomb.png", _text_bomb(png), "too large: ")
    yield Case("inflating.png", _png(8, 8, bytes(100_000_000)), OK)
    yield Case("pixel.png", encode(Image.new("RGB", (1, 1), (9, 8, 7)), "PNG"), OK, np.array([[[9, 8, 7]]], np.uint8))
    thin = np.tile(rgb[:1, :1], (1, 60_000, 1))
    yield Case("thin.png", encode(Image.fromarray(thin), "PNG"), OK, thin)


def _others(rgb: np.ndarray, image: Image.Image) -> Iterator[Case]:
    inverse = Image.fromarray(255 - rgb)
    frames: dict[str, object] = {"save_all": True, "append_images": [inverse]}
    yield Case("good.bmp", encode(image, "BMP"), OK, rgb)
    yield Case("good.ppm", encode(image, "PPM"), OK, rgb)
    yield Case("good.webp", encode(image, "WEBP", lossless=True), OK, rgb)
    yield Case("good.avif", encode(image, "AVIF", quality=95), OK, rgb, 6)
    yield Case("good.jp2", encode(image, "JPEG2000"), OK, rgb, 1)
    yield Case("animated.gif", encode(image, "GIF", **frames), OK, rgb, 15)
    yield Case("animated.webp", encode(image, "WEBP", lossless=True, **frames), OK, rgb)
    yield Case("pages.tif", encode(image, "TIFF", **frames), OK, rgb)
    yield Case("lzw.tif", encode(image, "TIFF", compression="tiff_lzw"), OK, rgb)
    deep = Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    yield Case("deep.tif", encode(deep, "TIFF"), OK, _grey(image))
    yield Case("float.tif", encode(Image.fromarray(np.ones((9, 9), np.float32)), "TIFF"), "unsupported: ")
    yield Case("cut.tif", encode(image, "TIFF")[:-9000], "truncated: ")
    avif = encode(image, "AVIF")
    yield Case("cut-header.avif", avif[:40], "unsupported: ")
    yield Case("cut.avif", avif[:-1500], "unsupported: ")
    lzw = bytearray(encode(image, "TIFF", compression="tiff_lzw"))
    lzw[200:400] = bytes(200)
    yield Case("damaged.tif", bytes(lzw), "truncated: ")
    yield Case("cut.webp", encode(image, "WEBP")[:-500], "truncated: ")
    yield Case("cut.gif", encode(image, "GIF")[:-5000], "truncated: ")
    yield Case("cut.bmp", encode(image, "BMP")[:-5000], "truncated: ")
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[270] = "x" * 200_000
    yield Case("wordy.tif", encode(image, "TIFF", tiffinfo=info), OK, rgb)


def _impostors(image: Image.Image) -> Iterator[Case]:
    yield Case("zero.jpg", b"", "empty: ")
    yield Case("is-png.jpg", encode(image, "PNG"), OK, np.asarray(image))
    yield Case("is-gif.jpg", encode(image, "GIF"), OK)
    yield Case("is-webp.jpg", encode(image, "WEBP"), OK)
    yield Case("is-jpeg.png", encode(image, "JPEG"), OK)
    yield Case("garbage.jpg", np.random.default_rng(1).bytes(5000), "not an image: ")
    yield Case("zeros.jpg", bytes(5000), "not an image: ")
    yield Case("page.jpg", b"\n<!DOCTYPE html><html><title>404</title></html>", "not an image: HTML")
    yield Case("answer.jpg", b'{"error": "rate limited"}', "not an image: ")
    yield Case("text.jpg", b"no photograph\n" * 9, "not an image: ")
    yield Case("svg.jpg", b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>', "not an image: SVG or XML")
    yield Case("pdf.jpg", b"%PDF-1.7\n1 0 obj", "not an image: PDF")
    yield Case("video.jpg", b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(99), "not an image: MP4")
    yield Case("heic.jpg", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99), "unsupported: HEIC")
    yield Case(
        "script.jpg",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(x) print\n",
        "not an image: PostScript",
    )
    yield Case("zip.jpg", b"PK\3\4" + bytes(99), "not an image: ZIP")
    yield Case("gzip.jpg", b"\x1f\x8b\x08" + bytes(99), "not an image: gzip")
    yield Case("target.jpg", encode(image, "TGA"), "not an image: ")
    yield Case("icon.jpg", encode(image, "ICO"), "not an image: ")
    yield Case("pointer.jpg", b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "not an image: Git LFS")


def _grey(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("L").convert("RGB"))


def _segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def _marked(jpeg: bytes, start: int, marker: int) -> bytes:
    return jpeg[: start + 1] + bytes([marker]) + jpeg[start + 2 :]


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def _turned(rgb: np.ndarray, orientation: int) -> bytes:
    """The picture as a camera held that way stores it (EXIF 2.3, tag 0x0112): turning it upright gives ``rgb``."""
    stored = {
        1: rgb,
        2: rgb[:, ::-1],
        3: rgb[::-1, ::-1],
        4: rgb[::-1],
        5: rgb.transpose(1, 0, 2),
        6: rgb[:, ::-1].transpose(1, 0, 2)[::1],
        7: rgb[::-1, ::-1].transpose(1, 0, 2),
        8: rgb[::-1].transpose(1, 0, 2),
    }[orientation]
    return encode(Image.fromarray(np.ascontiguousarray(stored)), "JPEG", quality=95, exif=_exif(orientation))


def _ycck(image: Image.Image) -> bytes:
    """Adobe's YCCK (transform 2). libjpeg gives back 255 minus the RGB behind YCbCr, and Pillow inverts all inks."""
    *inks, black = image.convert("CMYK").split()
    bands = [band.point(lambda v: 255 - v) for band in Image.merge("RGB", inks).convert("YCbCr").split()]
    raw = encode(Image.merge("CMYK", [*bands, black]), "JPEG", quality=95)
    place = raw.index(b"Adobe") + 11
    return raw[:place] + b"\2" + raw[place + 1 :]


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _png(width: int, height: int, raw: bytes, depth: int = 8, colour: int = 0) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(raw, 1)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _png16(rgb: np.ndarray) -> bytes:
    rows = (rgb.astype(np.uint16) * 257).astype(">u2").reshape(len(rgb), -1)
    return _png(rgb.shape[1], rgb.shape[0], b"".join(b"\0" + row.tobytes() for row in rows), 16, 2)


def _text_bomb(png: bytes) -> bytes:
    bomb = _chunk(b"zTXt", b"comment\0\0" + zlib.compress(bytes(50_000_000), 9))
    return png[:33] + bomb + png[33:]
