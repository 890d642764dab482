"""What a file's first bytes say it is, whatever its name says."""

import struct

_BMFF_PICTURES = {b"heic": "HEIC", b"heix": "HEIC", b"hevc": "HEIC", b"hevx": "HEIC", b"mif1": "HEIF", b"msf1": "HEIF"}
_UNREAD = (
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"8BPS", "Photoshop"),
)
_OTHERS = (
    (b"%PDF", "PDF"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"PK\x03\x04", "ZIP"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"7z\xbc\xaf", "7z"),
    (b"Rar!", "RAR"),
    (b"\x1aE\xdf\xa3", "Matroska or WebM"),
    (b"version https://git-lfs", "Git LFS pointer: run 'git lfs pull'"),
)
_PICTURES = (b"\xff\xd8", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"RIFF", b"\0\0\0\x0cjP  ")
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LOSSLESS_OR_HIERARCHICAL = frozenset((0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF))
_PROGRESSIVE = frozenset((0xC2, 0xCA))
_MOST_SCANS = 64
"""Encoders write up to about twenty; each costs a pass over all pixels, so that a small file could take hours."""


def name_content(data: bytes) -> str:
    """Say what bytes are that no decoder took, as a status: ``unsupported``, ``truncated`` or ``not an image``."""
    text = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if data.startswith(_PICTURES):
        if is_cut(data):
            return f"truncated: it ends in the header, after {len(data)} bytes"
        return f"unsupported: the header is damaged or of a rare kind ({len(data)} bytes)"
    if data[4:8] == b"ftyp":
        if data[8:12] in (b"avif", b"avis"):
            return f"unsupported: the header is damaged or of a rare kind ({len(data)} bytes)"
        brand = _BMFF_PICTURES.get(data[8:12])
        return (
            f"unsupported: {brand} pictures are not read; convert it" if brand else "not an image: MP4 or another video"
        )
    for start, name in _UNREAD:
        if data.startswith(start):
            return f"unsupported: {name} pictures are not read; convert it"
    for start, name in _OTHERS:
        if data.startswith(start):
            return f"not an image: {name}"
    if text.startswith((b"<!doctype html", b"<html", b"<head")):
        return "not an image: HTML, such as an error page saved in its place"
    if text.startswith((b"<?xml", b"<svg")):
        return "not an image: SVG or XML"
    if not data.strip(b"\0"):
        return "not an image: all bytes are zero, as a broken download or copy leaves them"
    return f"not an image: starts with {data[:8]!r}"


def is_cut(data: bytes) -> bool:
    """Whether a picture certainly ends too early: a JPEG with no scan, a PNG with no end, a RIFF of too few bytes."""
    if data.startswith(b"\xff\xd8"):
        place = frame_of(data)
        return place is None or b"\xff\xda" not in data[place:]
    if data.startswith(b"\x89PNG"):
        return b"IEND" not in data[-64:]
    return data.startswith(b"RIFF") and (len(data) < 8 or struct.unpack("<I", data[4:8])[0] + 8 > len(data))


def frame_of(data: bytes) -> int | None:
    """Where a JPEG's frame header (ITU T.81, SOFn) begins, at its 0xFF; None where no frame comes."""
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in _FRAMES:
            return place
        if marker in (0xDA, 0xD9):
            return None
        # Fill bytes and markers without a length.
        place += (
            1 if marker == 0xFF else 2 if marker == 0x01 else 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        )
    return None


def objection_to_jpeg(data: bytes) -> str | None:
    """Why a JPEG must not be decoded: a coding that no decoder knows, no end, or more passes than photographs have."""
    place = frame_of(data) if data.startswith(b"\xff\xd8") else None
    if place is None:
        return None
    marker, precision = data[place + 1], data[place + 4]
    if marker in _LOSSLESS_OR_HIERARCHICAL:
        return f"unsupported: a lossless or hierarchical JPEG (frame {marker:#x}); convert it"
    if precision != 8:
        return f"unsupported: a JPEG of {precision} bits; convert it to 8"
    if data.find(b"\xff\xd9", place) < 0:
        # Decoders fill up with grey without a word where the end is missing but bytes are not, as in a download whose
        # file was made at full size and never filled.
        return f"truncated: no end marker in {len(data)} bytes"
    scans = data.count(b"\xff\xda") if marker in _PROGRESSIVE else 1
    if scans > _MOST_SCANS:
        return f"unsupported: a progressive JPEG of {scans} scans, over {_MOST_SCANS}; it would take too long"
    return None
