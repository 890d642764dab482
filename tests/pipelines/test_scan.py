import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import scan as scanning
from pipelines.scan import Listing, record, scan


def listing(root, cache, rehash=False, agreed=None) -> Listing:
    *_, last = scan(root, cache, rehash, agreed)
    assert isinstance(last, Listing)
    record(last, cache)
    return last


@pytest.fixture
def tree(tmp_path):
    for name in ("b/1.jpg", "a.x", "a/2.jpg"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).write_bytes(b"12345")
    return tmp_path / "data"


def test_same_tree_elsewhere_has_the_same_digest(tree, tmp_path):
    import shutil

    first = listing(tree, tmp_path / "one.parquet")
    shutil.copytree(tree, tmp_path / "copy")
    assert listing(tmp_path / "copy", tmp_path / "two.parquet").digest == first.digest
    assert (first.files, first.bytes, first.added) == (3, 15, 3)


def test_counts_what_came_and_went(tree, tmp_path):
    cache = tmp_path / "scan.parquet"
    before = listing(tree, cache)
    (tree / "a.x").unlink()
    (tree / "b/1.jpg").write_bytes(b"longer than before")
    (tree / "c.jpg").write_bytes(b"new")
    now = listing(tree, cache)
    assert (now.added, now.removed, now.changed) == (1, 1, 1)
    assert now.digest != before.digest


def test_same_size_with_another_time_is_suspicious_until_rehashed(tree, tmp_path):
    cache = tmp_path / "scan.parquet"
    before = listing(tree, cache)
    (tree / "a.x").write_bytes(b"54321")
    os.utime(tree / "a.x", ns=(1, 1))
    for _ in range(2):
        now = listing(tree, cache)
        assert now.suspicious == ["a.x"]
        assert now.digest == before.digest
    sure = listing(tree, cache, rehash=True)
    assert sure.suspicious == []
    assert sure.digest != before.digest
    assert listing(tree, cache).digest == sure.digest


def test_names_that_are_not_utf8_are_listed_and_known_again(tree, tmp_path):
    with Path(os.fsdecode(os.fsencode(tree) + b"/\xff.jpg")).open("wb") as file:
        file.write(b"x")
    first = listing(tree, tmp_path / "scan.parquet")
    assert first.files == 4
    again = listing(tree, tmp_path / "scan.parquet")
    assert (again.added, again.removed, again.digest) == (0, 0, first.digest)


def test_what_came_and_went_leaves_the_digest_of_a_fresh_scan(tree, tmp_path):
    cache = tmp_path / "scan.parquet"
    first = listing(tree, cache)
    (tree / "a/2.jpg").rename(tree / "a/3.jpg")
    (tree / "b/new.jpg").write_bytes(b"new")
    assert listing(tree, cache).digest != first.digest
    (tree / "a/1.jpg").write_bytes(b"1")
    now = listing(tree, cache)
    assert now.digest == listing(tree, tmp_path / "fresh.parquet").digest


def test_only_suspicious_files_are_read_and_what_was_read_is_remembered(tree, tmp_path, monkeypatch):
    cache = tmp_path / "scan.parquet"
    read = []
    monkeypatch.setattr(scanning, "stream_id", lambda file: read.append(Path(file.name).name) or file.read().decode())
    listing(tree, cache, rehash=True)
    assert read == []
    os.utime(tree / "a.x", ns=(1, 1))
    marked = listing(tree, cache, rehash=True)
    assert read == ["a.x"] and marked.changed == 1 and "+" in marked.digest
    assert listing(tree, cache, rehash=True).digest == marked.digest and read == ["a.x"]
    os.utime(tree / "a.x", ns=(2, 2))  # touched: read once more, found the same
    same = listing(tree, cache, rehash=True, agreed=marked.digest)
    assert (same.changed, same.digest, read) == (0, marked.digest, ["a.x", "a.x"])
    (tree / "a.x").write_bytes(b"other")
    other = listing(tree, cache, rehash=True, agreed=marked.digest)
    assert other.changed == 1 and other.digest not in (marked.digest, marked.digest.partition("+")[0])


def test_a_teammates_fresh_scan_agrees_with_a_digest_that_has_a_mark(tree, tmp_path):
    mine = tmp_path / "mine.parquet"
    listing(tree, mine)
    os.utime(tree / "a.x", ns=(1, 1))
    marked = listing(tree, mine, rehash=True).digest
    theirs = tmp_path / "theirs.parquet"
    assert listing(tree, theirs, agreed=marked).digest == marked
    assert listing(tree, theirs, agreed=marked).digest == marked
    assert listing(tree, theirs, agreed="0" * 32 + "+12345678").digest == marked.partition("+")[0]
    (tree / "a/2.jpg").write_bytes(b"54321")
    os.utime(tree / "a/2.jpg", ns=(1, 1))
    assert listing(tree, theirs, rehash=True, agreed=marked).digest not in (marked, marked.partition("+")[0])


def test_a_scan_that_stops_before_its_digest_is_stored_finds_the_change_again(tree, tmp_path):
    cache = tmp_path / "scan.parquet"
    agreed = listing(tree, cache).digest
    (tree / "a.x").write_bytes(b"54321")
    os.utime(tree / "a.x", ns=(1, 1))
    *_, lost = scan(tree, cache, True, agreed)
    assert isinstance(lost, Listing) and lost.digest != agreed
    assert listing(tree, cache, True, agreed).digest == lost.digest


def test_a_suspicious_file_that_cannot_be_read_stays_suspicious(tree, tmp_path, monkeypatch):
    cache = tmp_path / "scan.parquet"
    listing(tree, cache)
    os.utime(tree / "a.x", ns=(1, 1))

    def locked(file):
        raise PermissionError(file)

    monkeypatch.setattr(scanning, "stream_id", locked)
    assert listing(tree, cache, rehash=True).suspicious == ["a.x"]


def test_a_listing_of_an_earlier_version_counts_as_none(tree, tmp_path):
    cache = tmp_path / "scan.parquet"
    pq.write_table(pa.table({"path": ["a.x"], "size": [5]}), cache)
    assert listing(tree, cache).added == 3


def test_a_link_that_leads_back_ends(tree, tmp_path):
    (tree / "b" / "loop").symlink_to(tree)
    assert listing(tree, tmp_path / "scan.parquet").files == 3


def test_an_empty_root_is_an_error(tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no files"):
        listing(tmp_path / "none", tmp_path / "scan.parquet")
