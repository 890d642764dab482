"""Tars with names, links and sizes that lead elsewhere: listed in place, never unpacked."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from curation.places365 import find_images
from curation.sources import Source
from curation.tarlist import HEADER_BYTES, list_tar
from tests.hostile.contained import Outcome, contained


def header(name: str, size: int, kind: bytes = b"0") -> bytes:
    """A tar header whose size is whatever it is said to be."""
    info = tarfile.TarInfo(name)
    info.type = kind
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\x80" + size.to_bytes(11, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def attributes(*lines: str, kind: bytes = b"x") -> bytes:
    body = b""
    for line in lines:
        length = len(line) + 2
        while len(f"{length} {line}\n") != length:
            length += 1
        body += f"{length} {line}\n".encode()
    return header("pax", len(body), kind) + body + bytes(-len(body) % 512)


def listed(folder: Path, data: bytes, size: int | None = None) -> Outcome:
    path = folder / "root" / "x.tar"
    path.parent.mkdir()
    path.write_bytes(data)
    if size:
        os.truncate(path, size)  # sparse: no disk is used
    outcome = contained(lambda: [(m.name, m.reason) for m in list_tar(path.parent, "x.tar")], folder=path.parent)
    assert outcome.error == "" and outcome.harmless, outcome
    return outcome


BIG = 20 * 10**9
HEADERS = f"the headers of a member claim over {HEADER_BYTES:,} bytes"
SPARSE = attributes("GNU.sparse.major=1", "GNU.sparse.minor=0") + header("a.jpg", 512)


@pytest.mark.parametrize(
    ("data", "size", "words"),
    [
        (header("x", BIG, b"L"), BIG + 10**9, HEADERS),
        (header("x", BIG, b"x"), BIG + 10**9, HEADERS),
        (SPARSE + b"99999999999\n" + b"0\n" * (HEADER_BYTES // 2 + 9), None, HEADERS),
        (header("a.jpg", 10**15) + b"abc", None, "get it again"),
        (header("a.jpg", 2**87), None, "get it again"),
        (attributes("size=-99999") + header("a.jpg", 0), None, "a size below zero"),
        (attributes("size=9999999999999999999999") + header("a.jpg", 0), None, "get it again"),
        (attributes("a=b", kind=b"g") * 5000 + header("a.jpg", 0), None, "recursion"),
    ],
    ids=["name", "attributes", "sparse map", "member", "offset", "below zero", "no number", "nested"],
)
def test_a_size_that_lies_is_a_row_and_takes_no_memory(tmp_path: Path, data: bytes, size: int, words: str) -> None:
    name, reason = listed(tmp_path, data, size).value[-1]
    assert name == "x.tar" and reason.startswith("archive: ") and words in reason


def test_no_member_is_ever_unpacked(jpeg: bytes, tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    kinds = {"soft": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "device": tarfile.CHRTYPE, "block": tarfile.BLKTYPE}
    kinds |= {"pipe": tarfile.FIFOTYPE, "old": tarfile.GNUTYPE_SPARSE}
    with tarfile.open(root / "x.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("../up.jpg", "/tmp/absolute.jpg", "a/../../../b.jpg", "C:\\c.jpg", "nul\0.jpg"):
            info = tarfile.TarInfo(name)
            info.size = len(jpeg)
            tar.addfile(info, io.BytesIO(jpeg))
        for name, kind in kinds.items():
            info = tarfile.TarInfo(f"{name}.jpg")
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)

    def read() -> dict[str, int | str | None]:
        found = find_images(root).records
        return {r.name: r.reason or len(Source(root).read(r.locator)) for r in found}

    outcome = contained(read, folder=root)
    assert outcome.error == "" and outcome.harmless
    assert sum(size == len(jpeg) for size in outcome.value.values()) == 4
    assert outcome.value["nul"] == "not an image: the name has no suffix"
    refused = {name: str(outcome.value[f"{name}.jpg"]) for name in kinds if name != "old"}
    assert all(reason.startswith("not an image: a ") for reason in refused.values()), refused
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["root", "x.tar"]
