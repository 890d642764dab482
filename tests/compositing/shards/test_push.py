import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from compositing.shards import push as pushing
from compositing.shards.push import PUSHING, Pushed, push
from compositing.shards.rangecache import RangeCache
from compositing.shards.reader import ShardReader
from compositing.shards.remote import PUBLISHED
from compositing.tables import LAYERS, SHARDS
from curation.identity import file_id
from curation.storage import StorageError, open_store
from curation.storage.local import LocalStore
from curation.tables import read_table, write_table
from tests.objects_world import S3
from tests.shards_world import write_shards

SETS = ("base", "refine", "test", "valid")


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Four shards, one a set, and their table with the hashes that ``render`` writes."""
    rng = np.random.default_rng(0)
    folder = write_shards(tmp_path / "made", {name: [{m: rng.bytes(300) for m in LAYERS}] * 2 for name in SETS})
    rows = read_table(SHARDS, folder / "shards.parquet").to_pylist()
    digests = {name: file_id(folder / "shards" / f"{name}.tar") for name in SETS}
    write_table(SHARDS, [row | {"shard_digest": digests[row["set"]]} for row in rows], folder / "shards.parquet")
    return folder


def parts(made: Path) -> tuple[Path, Path]:
    return made / "shards", made / "shards.parquet"


def test_what_was_pushed_is_read_and_not_put_again(made: Path, tmp_path: Path, s3: S3) -> None:
    url = f"{s3.bucket()}/shards"
    told: list[int] = []
    whole = sum(path.stat().st_size for path in (made / "shards").iterdir())
    assert push(*parts(made), url, told.append) == Pushed(4, 0, whole)
    assert told == [4]
    there = ShardReader(url, made / "shards.parquet", "test", cache=RangeCache(tmp_path / "cache", 0))
    assert there.read_members(1) == ShardReader(*parts(made), "test").read_members(1)
    puts = [path.rpartition("/")[2] for method, path, _ in s3.asked if method == "PUT" and "/shards/" in path]
    assert puts[-2:] == ["shards.parquet", PUBLISHED], "the note is last"
    assert push(*parts(made), url) == Pushed(0, 4, 0)
    # Another size, or another hash in the note: put again.
    store = open_store(url)
    store.put("base.tar", b"short")
    store.put(PUSHING, json.dumps(json.loads(store.read(PUSHING)) | {"test.tar": "other"}).encode())
    assert push(*parts(made), url)[:2] == (2, 2)
    assert store.read("base.tar") == (made / "shards" / "base.tar").read_bytes()


def test_a_push_that_stopped_goes_on(made: Path, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushing, "NOTED", 1)
    monkeypatch.setenv("CLEANPLATE_STORAGE_PATIENCE", "0")
    url = s3.bucket()
    store = open_store(url)
    store.put(PUBLISHED, b"of an older render")
    done: list[int] = []

    def fails_after_two(count: int) -> None:
        done.append(count)
        if len(done) == 2:
            s3.fail_on, s3.failures = "PUT", 1000

    try:
        with pytest.raises(StorageError, match=r"s3://made-\d+/test.tar: no answer"):
            push(*parts(made), url, fails_after_two)
    finally:
        s3.fail_on, s3.failures = "", 0
    assert not store.exists(PUBLISHED), "half a push is no published one"
    assert push(*parts(made), url)[:2] == (2, 2)
    assert json.loads(store.read(PUBLISHED)) == {"table": file_id(made / "shards.parquet"), "shards": 4}


def test_a_note_does_not_speak_of_what_was_overwritten(made: Path, tmp_path: Path, monkeypatch) -> None:
    target = tmp_path / "target"
    push(*parts(made), target)
    other = tmp_path / "other"
    shutil.copytree(made, other)
    data = bytearray((other / "shards" / "base.tar").read_bytes())
    data[600] ^= 1
    (other / "shards" / "base.tar").write_bytes(data)
    rows = read_table(SHARDS, made / "shards.parquet").to_pylist()
    digest = file_id(other / "shards" / "base.tar")
    changed = [row | ({"shard_digest": digest} if row["set"] == "base" else {}) for row in rows]
    write_table(SHARDS, changed, other / "shards.parquet")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):  # killed before its first note
        patch.setattr(pushing, "NOTED", 1)
        put = LocalStore.put_file

        def killed(self: LocalStore, path: str, source: Path) -> None:
            put(self, path, source)
            raise KeyboardInterrupt

        patch.setattr(LocalStore, "put_file", killed)
        push(*parts(other), target)
    assert (target / "base.tar").read_bytes() == bytes(data)
    push(*parts(made), target)
    assert (target / "base.tar").read_bytes() == (made / "shards" / "base.tar").read_bytes()


def test_a_damaged_or_missing_shard_is_not_put(made: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    (made / "shards" / "test.tar").write_bytes(b"x" * 100)
    with pytest.raises(ValueError, match=r"test.tar is not what its table says; run 'cleanplate verify --repair'"):
        push(*parts(made), target)
    (made / "shards" / "test.tar").unlink()
    with pytest.raises(FileNotFoundError, match=r"test.tar is missing; run 'dvc repro render'"):
        push(*parts(made), target)
    assert not (target / PUBLISHED).exists()
