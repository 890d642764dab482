import os
import pickle
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.sources import Source, locator_of, parse, read_bytes

names = st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name).map(os.fsdecode)


@given(names)
def test_every_name_survives_the_table(name: str) -> None:
    locator = locator_of(name)
    locator.encode("utf-8")
    try:
        assert parse(locator).path == name
    except ValueError:
        assert name.startswith(("/", "\\")) or ".." in name or name[1:2] == ":"


@given(names, st.integers(0, 2**62), st.integers(0, 2**62))
def test_a_span_survives_the_table(name: str, offset: int, size: int) -> None:
    if ".." in name or name.startswith(("/", "\\")) or name[1:2] == ":":
        return
    assert parse(locator_of(name, offset, size)) == (name, offset, size)


def test_a_plain_path_is_its_own_locator() -> None:
    assert locator_of("data_large/c/church/indoor/1 ü%20.jpg") == "data_large/c/church/indoor/1 ü%20.jpg"


@pytest.mark.parametrize(
    "locator",
    [
        "../secret",
        "a/../../secret",
        "/etc/passwd",
        "a/..",
        "",
        "a\\..\\b",
        "C:\\x",
        "a\0b",
        "bytes:%2e%2e/x",
        "../a.tar#0+10",
    ],
)
def test_nothing_outside_the_root_is_read(tmp_path: Path, locator: str) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    root = tmp_path / "root"
    root.mkdir()
    with pytest.raises(ValueError, match="locator"):
        Source(root).read(locator)


def test_reads_files_and_members_of_a_packed_tar(tmp_path: Path) -> None:
    (tmp_path / "plain.jpg").write_bytes(b"plain")
    with tarfile.open(tmp_path / "pack.tar", "w") as tar:
        tar.add(tmp_path / "plain.jpg", "deep/name.jpg")
    with tarfile.open(tmp_path / "pack.tar") as tar:
        member = tar.getmembers()[0]
    locator = locator_of("pack.tar", member.offset_data, member.size)
    source = pickle.loads(pickle.dumps(Source(tmp_path)))
    assert source.read("plain.jpg") == source.read(locator) == read_bytes(tmp_path, locator) == b"plain"


def test_a_span_past_the_end_is_an_error_not_an_allocation(tmp_path: Path) -> None:
    (tmp_path / "pack.tar").write_bytes(b"x" * 100)
    with pytest.raises(ValueError, match="the archive ends at byte 100"):
        Source(tmp_path).read(f"pack.tar#50+{10**15}")


def test_a_pipe_or_a_missing_file_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "missing"):
        with pytest.raises(FileNotFoundError, match=name):
            Source(tmp_path).read(name)


def test_a_link_that_the_user_placed_is_followed(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").write_bytes(b"photo")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link.jpg").symlink_to(tmp_path / "photos" / "1.jpg")
    assert Source(tmp_path / "root").read("link.jpg") == b"photo"
