"""Every kind of bad file gets a row with the right reason, in a folder and in a tar, in bounded time and memory."""

import errno
import inspect
import io
import os
import resource
import struct
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest

from curation.identity import content_id
from curation.images import decode_rgb
from curation.index import Dataset, IndexParams, index_image
from curation.places365 import find_images
from curation.sources import Source
from curation.storage.local import LocalStore
from tests.curation.corpus import OK, Case, cases, encode

DATASET = Dataset("places365", "licence", "source")
PARAMS = IndexParams(group_pattern=None, max_megapixels=20)
SECONDS, MEGABYTES = 2.0, 500
KINDS = {
    "ok",
    "empty",
    "not an image",
    "truncated",
    "too large",
    "transparent",
    "unsupported",
    "not readable",
    "archive",
}


@pytest.fixture(scope="module")
def files(scene) -> list[Case]:
    return list(cases(scene))


def rows_of(root: Path) -> dict[str, dict]:
    """The index's rows by name."""
    source = Source(root)
    return {r.name: index_image(r, source, DATASET, PARAMS) for r in find_images(root).records}


def test_each_file_becomes_the_right_row_folder_or_tar(files: list[Case], tmp_path: Path) -> None:
    assert len({case.name for case in files}) == len(files) >= 90
    (tmp_path / "folder").mkdir()
    (tmp_path / "packed").mkdir()
    with tarfile.open(tmp_path / "packed" / "all.tar", "w") as tar:
        for case in files:
            (tmp_path / "folder" / case.name).write_bytes(case.data)
            tar.add(tmp_path / "folder" / case.name, case.name)
    source = Source(tmp_path / "folder")
    rows = {}
    for record in find_images(tmp_path / "folder").records:
        before, started = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        rows[record.name] = index_image(record, source, DATASET, PARAMS)
        assert time.process_time() - started < SECONDS, record.name
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MEGABYTES * 1e3, record.name
    for case in files:
        row = rows[case.name]
        assert row["status"].startswith(case.status), case.name
        assert row["status"].partition(":")[0] in KINDS, case.name
        assert (row["width"] is None) == (case.status != OK), case.name
        assert row["image_id"] == content_id(case.data), case.name
    packed = rows_of(tmp_path / "packed")
    assert {n: r["status"] for n, r in packed.items()} == {n: r["status"] for n, r in rows.items()}


def test_what_decodes_has_the_right_pixels(files: list[Case]) -> None:
    for case in files:
        if case.pixels is not None:
            got = decode_rgb(case.data)
            assert got.shape == case.pixels.shape, case.name
            assert np.abs(got.astype(int) - case.pixels).mean() <= case.bound, case.name


def test_no_content_reaches_ghostscript(files: list[Case], monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import EpsImagePlugin

    def run(*args: object, **kwargs: object) -> None:
        raise AssertionError("PostScript that came as data was run")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", run)
    (script,) = [case for case in files if case.name == "script.jpg"]
    with pytest.raises(ValueError, match="not an image: PostScript"):
        decode_rgb(script.data)


def test_what_a_file_system_can_hold(jpeg: bytes, tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "deep.jpg" / "scene").mkdir(parents=True)
    good = ["deep.jpg/scene/1.jpg", "line\nbreak.jpg", "-rf.jpg", "a#1+2.jpg", " .jpg", "x" * 240 + ".jpg", "UPPER.JPG"]
    for name in good:
        (root / name).write_bytes(jpeg)
    Path(os.fsdecode(os.fsencode(root) + b"/caf\xe9.jpg")).write_bytes(jpeg)
    (root / "bytes:1.jpg").write_bytes(jpeg)
    (root / "gone.jpg").symlink_to("nowhere.jpg")
    (root / "self.jpg").symlink_to("self.jpg")
    (root / "up").symlink_to(root)
    (root / "alias.jpg").symlink_to("UPPER.JPG")
    os.mkfifo(root / "pipe.jpg")
    os.mkfifo(root / "pipe.tar")
    (root / "gone.tar").symlink_to("nowhere.tar")
    with (root / "film.jpg").open("wb") as file:
        file.truncate(40 * 10**9)  # sparse: no disk is used
    for name in (".DS_Store", "Thumbs.db", "MD5SUMS", "train.sha256", "notes.txt", "raw.CR2", "more.tar.gz"):
        (root / name).write_bytes(b"\0\1")
    status = {name: row["status"] for name, row in rows_of(root).items()}
    assert {name for name, words in status.items() if words == OK} == {*good, "caf�.jpg", "bytes:1.jpg", "alias.jpg"}
    missing = "missing or not a regular file"
    assert [status[n] for n in ("gone.jpg", "self.jpg", "pipe.jpg")] == [f"not readable: {missing}"] * 3
    assert status["pipe.tar"] == status["gone.tar"] == f"archive: {missing}; get it again"
    assert status["film.jpg"] == "too large: 40000000000 bytes, over 144000000 for a picture of 20 megapixels"
    assert status["raw.CR2"].startswith("unsupported: .cr2")
    assert status["Thumbs.db"] == "not an image: .db file" and status["MD5SUMS"].startswith("not an image: ")
    assert len(status) == len(list(root.iterdir())) - 1  # all but the link back up


def test_folders_nested_deeper_than_calls_can_be(tmp_path: Path) -> None:
    most = sys.getrecursionlimit()
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=here)
        deeper = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = deeper
    os.close(os.open("1.jpg", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    try:
        sys.setrecursionlimit(len(inspect.stack()) + 150)
        (entry,) = LocalStore(tmp_path).list()
        assert entry.path.count("/") == 300
    finally:
        sys.setrecursionlimit(most)


def test_a_folder_that_may_not_be_listed_is_a_row(jpeg: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a" / "private.tar").mkdir(parents=True)
    (tmp_path / "a" / "1.jpg").write_bytes(jpeg)
    (tmp_path / "2.jpg").write_bytes(jpeg)
    scandir, read = os.scandir, Path.open

    def guarded(path):  # rights do not stop root, whom tests may run as
        if Path(path).name == "private.tar":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    def locked(self: Path, *args, **kwargs):
        if self.name == "2.jpg":
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return read(self, *args, **kwargs)

    monkeypatch.setattr(os, "scandir", guarded)
    monkeypatch.setattr(Path, "open", locked)
    status = {name: row["status"] for name, row in rows_of(tmp_path).items()}
    assert status == {
        "a/1.jpg": OK,
        "2.jpg": "not readable: Permission denied",
        "a/private.tar": "not readable: a folder: Permission denied",
    }


def test_a_file_that_vanishes_or_grows_after_it_was_listed(jpeg: bytes, tmp_path: Path) -> None:
    for name in ("gone.jpg", "grown.jpg", "film.jpg"):
        (tmp_path / name).write_bytes(jpeg)
    records = {record.name: record for record in find_images(tmp_path).records}
    (tmp_path / "gone.jpg").unlink()
    (tmp_path / "grown.jpg").write_bytes(jpeg + b"more")
    with (tmp_path / "film.jpg").open("wb") as file:
        file.truncate(40 * 10**9)
    rows = {name: index_image(record, Source(tmp_path), DATASET, PARAMS) for name, record in records.items()}
    assert rows["gone.jpg"]["status"] == "not readable: missing or not a regular file"
    assert rows["grown.jpg"]["status"] == OK and rows["grown.jpg"]["bytes"] == len(jpeg) + 4
    assert rows["film.jpg"]["status"].startswith("too large: ")


def pack(*members: tuple[str, bytes] | tarfile.TarInfo, form: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                tar.addfile(member)
            else:
                info = tarfile.TarInfo(member[0])
                info.size = len(member[1])
                tar.addfile(info, io.BytesIO(member[1]))
    return buffer.getvalue()


def backward() -> bytes:
    """A header whose size, in base 256, is below zero."""
    head = bytearray(tarfile.TarInfo("back.jpg").tobuf())
    head[124:136] = b"\xff" * 10 + struct.pack(">h", -1024)
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return bytes(head)


def test_what_a_tar_can_hold(jpeg: bytes, tmp_path: Path) -> None:
    links = [tarfile.TarInfo(name) for name in ("hard.jpg", "soft.jpg", "device.jpg")]
    for link, kind in zip(links, (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE), strict=True):
        link.type, link.linkname = kind, "1.jpg"
    long = "l" * 300 + "/é\udcff.jpg"
    inner = pack(("1.jpg", jpeg))
    odd = pack(
        *[(name, jpeg) for name in (long, "../../up.jpg", "/abs.jpg", "same.jpg")],
        *[("same.jpg", b""), ("inner.tar", inner), *links],
        form=tarfile.PAX_FORMAT,
    )
    (tmp_path / "odd.tar").write_bytes(odd)
    rows = rows_of(tmp_path)
    status = {name: row["status"] for name, row in rows.items()}
    assert status[long.replace("\udcff", "�")] == status["../../up.jpg"] == status["/abs.jpg"] == OK
    same = [r for r in find_images(tmp_path).records if r.name == "same.jpg"]
    words = {index_image(r, Source(tmp_path), DATASET, PARAMS)["status"].partition(":")[0] for r in same}
    assert len(same) == 2 and words == {"ok", "empty"}
    assert status["inner.tar"] == "not an image: a tar inside a tar is not read; unpack the outer one"
    assert status["hard.jpg"] == status["soft.jpg"] == "not an image: a link inside a tar is not read"
    assert status["device.jpg"] == "not an image: a special file inside a tar is not read"
    assert not list(tmp_path.parent.glob("up.jpg"))


def test_what_stops_a_tar_is_a_row_and_what_came_before_is_read(jpeg: bytes, tmp_path: Path) -> None:
    import gzip

    whole = pack(("1.jpg", jpeg), ("2.jpg", jpeg))
    second = whole.index(b"2.jpg")
    damaged = bytearray(whole)
    damaged[second] ^= 1
    broken = {
        "cut": (whole[: second + 700], 1, "unexpected end of data"),
        "damaged": (bytes(damaged), 1, "bytes behind its end are not read"),
        "joined": (whole + whole, 2, "bytes behind its end are not read"),
        "backward": (whole[:second] + backward() + bytes(9000), 1, "a size below zero"),
        "zipped": (gzip.compress(whole), 0, "it is compressed (gzip)"),
        "hollow": (pack(("1.jpg", jpeg), ("2.jpg", b""))[: second + 512] + b"junk" * 200, 1, "bytes behind its end"),
        "nothing": (b"", 0, "empty file"),
        "page": (b"<html>404</html>" * 90, 0, "get it again"),
    }
    for name, (data, readable, words) in broken.items():
        root = tmp_path / name
        root.mkdir()
        (root / "x.tar").write_bytes(data)
        status = {name: row["status"] for name, row in rows_of(root).items()}
        stop = status.pop("x.tar")
        assert stop.startswith("archive: ") and words in stop, name
        locators = [record.locator for record in find_images(root).records]
        assert len(set(locators)) == len(locators), name
        ok = [words for words in status.values() if words == OK]
        assert len(ok) == readable and len(status) <= readable + 1, (name, status)


def test_a_deep_grey_picture_takes_little_memory_beside_itself() -> None:
    from PIL import Image

    data = encode(Image.fromarray(np.full((3000, 4000), 257 * 7, np.uint16)), "PNG")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert decode_rgb(data).max() == 7
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 120_000
