import os
from pathlib import Path

import pytest

from pipelines.scan import Listing, scan


def listing(root, cache, rehash=False) -> Listing:
    *_, last = scan(root, cache, rehash)
    assert isinstance(last, Listing)
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


def test_names_that_are_not_utf8_are_listed(tree, tmp_path):
    with Path(os.fsdecode(os.fsencode(tree) + b"/\xff.jpg")).open("wb") as file:
        file.write(b"x")
    assert listing(tree, tmp_path / "scan.parquet").files == 4


def test_a_link_that_leads_back_ends(tree, tmp_path):
    (tree / "b" / "loop").symlink_to(tree)
    assert listing(tree, tmp_path / "scan.parquet").files == 3


def test_an_empty_root_is_an_error(tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(FileNotFoundError, match="holds no files"):
        listing(tmp_path / "none", tmp_path / "scan.parquet")
