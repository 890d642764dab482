"""Training from shards in an object store: the same batches, and nothing that the log does not show."""

import logging
from pathlib import Path

import pytest
import torch

from compositing.shards.rangecache import RangeCache
from compositing.shards.reader import ShardReader
from curation.storage import StorageError
from pipelines import samples
from tests.objects_world import S3, point_at, serving
from training.samples import data
from training.samples.data import Batch, Order, Reader, Steps, batches
from training.samples.mixing import Mixture

STEPS = Steps(Order(1, 10), batch=4, crop=(32, 64), first=0, last=6)


def taken(reader: Reader, loaders: int) -> list[Batch]:
    return list(batches(reader, 1, STEPS, loaders=loaders))


def alike(one: list[Batch], two: list[Batch]) -> bool:
    return len(one) == len(two) and all(
        torch.equal(a, b) for left, right in zip(one, two, strict=True) for a, b in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("loaders", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_the_same_batches_and_a_cache_within_its_limit(
    disc_shards: Path, disc_reader, tmp_path: Path, s3: S3, caplog: pytest.LogCaptureFixture, loaders: int, monkeypatch
) -> None:
    monkeypatch.setattr(data, "TOLD_EVERY", 0.0)
    url = s3.fill(s3.bucket(), disc_shards / "shards")
    cache = RangeCache(tmp_path / "cache", 40_000)  # a few samples of ten
    reader = Mixture(ShardReader(url, disc_shards / "shards.parquet", "base", cache=cache), [])
    with caplog.at_level(logging.INFO):
        found = taken(reader, loaders)
    assert alike(found, taken(disc_reader("base"), 0))
    kept = sum(path.stat().st_size for path in (tmp_path / "cache").glob("*/*"))
    assert 0 < kept <= 40_000
    total = reader.traffic()
    assert total is not None and total.reads >= 24  # also of loaders that ended
    assert total.fetched > 40_000 and 0 < total.hits < total.reads
    told = [record.getMessage() for record in caplog.records if "MB fetched" in record.getMessage()]
    assert told and "of reads from the cache" in told[0] and "s waited" in told[0]


@pytest.mark.parametrize("loaders", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_server_that_stops_ends_training_with_its_name(
    disc_shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaders: int
) -> None:
    with serving() as world:
        point_at(world, monkeypatch)
        monkeypatch.setenv("CLEANPLATE_STORAGE_PATIENCE", "0.2")
        url = world.fill(world.bucket(), disc_shards / "shards")
        reader = ShardReader(url, disc_shards / "shards.parquet", "base", cache=RangeCache(tmp_path, 0))
        world.after(6, world.stop)
        with pytest.raises(StorageError, match=rf"{url}/base.tar: no answer from {world.endpoint}"):
            taken(reader, loaders)


def test_a_stall_is_told(disc_shards: Path, tmp_path: Path, s3: S3, caplog, monkeypatch) -> None:
    monkeypatch.setattr(data, "STALL", 0.1)
    reader = ShardReader(
        s3.fill(s3.bucket(), disc_shards / "shards"),
        disc_shards / "shards.parquet",
        "base",
        cache=RangeCache(tmp_path, 0),
    )
    s3.delay = 0.3
    try:
        next(batches(reader, 1, STEPS, loaders=0))
    finally:
        s3.delay = 0.0
    assert any("no batch for" in text and "MB fetched" in text for text in caplog.messages)


def test_the_environment_says_where_shards_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLEANPLATE_SHARDS", raising=False)
    assert samples.shard_root() == Path("data/shards")
    monkeypatch.setenv("CLEANPLATE_SHARDS", "s3://bucket/shards")
    assert samples.shard_root() == "s3://bucket/shards"
    for text in (str(tmp_path), tmp_path.as_uri()):
        monkeypatch.setenv("CLEANPLATE_SHARDS", text)
        assert samples.shard_root() == tmp_path
