import json
import logging
import pickle
from pathlib import Path

import numpy as np
import pytest

from compositing.shards.parquet import write_parquet
from compositing.shards.rangecache import RangeCache
from compositing.shards.reader import ShardReader
from compositing.shards.remote import PUBLISHED, THREADS
from compositing.tables import LAYERS, SHARDS
from curation.identity import file_id, item_id
from curation.storage import StorageError, open_store
from curation.tables import write_table
from tests.objects_world import S3, point_at, serving
from tests.shards_world import write_shards

COUNT = 20


def sample(number: int) -> dict[str, bytes]:
    rng = np.random.default_rng(number)
    return {member: rng.bytes(600 + number) for member in LAYERS[:-1]} | {
        "json": json.dumps({"strength": ("mild", "hard")[number % 2]}).encode()
    }


@pytest.fixture(scope="module", params=["tar", "parquet"])
def shards(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "tar":
        return write_shards(folder, {"base": [sample(number) for number in range(COUNT)]})
    (folder / "shards").mkdir()
    keys = [item_id("base", number) for number in range(COUNT)]
    places = write_parquet(folder / "shards" / "base.parquet", zip(keys, map(sample, range(COUNT)), strict=True))
    rows = [
        dict.fromkeys(SHARDS.columns)
        | {"set": "base", "ordinal": number, "composite_id": key, "member": member, "shard": "base.parquet"}
        | places[key]._asdict()
        for number, key in enumerate(keys)
        for member in LAYERS
    ]
    write_table(SHARDS, rows, folder / "shards.parquet")
    return folder


def local(shards: Path) -> ShardReader:
    return ShardReader(shards / "shards", shards / "shards.parquet", "base")


def remote(shards: Path, url: str, cache: RangeCache, **options: object) -> ShardReader:
    return ShardReader(url, shards / "shards.parquet", "base", cache=cache, **options)


def test_samples_are_the_local_ones_cold_and_warm(shards: Path, tmp_path: Path, s3: S3) -> None:
    url = s3.fill(f"{s3.bucket()}/of/mine", shards / "shards")
    here, cache = local(shards), RangeCache(tmp_path, 1 << 20)
    for warm in (False, True):
        there = pickle.loads(pickle.dumps(remote(shards, url, cache)))
        order = np.random.default_rng(1).permutation(COUNT).tolist()
        s3.asked.clear()
        there.prefetch(order[:5])
        assert [there.read_members(position) for position in order] == [here.read_members(p) for p in order]
        assert there.read_members(3, ("json",)) == here.read_members(3, ("json",))
        assert there.recipes().equals(here.recipes())
        found = there.traffic()
        assert found is not None and found.reads > 0
        assert (found.fetched == 0 and found.hits == found.reads) if warm else found.fetched > 0
        assert [path for method, path, _ in s3.asked if method == "GET" and "base" in path] == [] or not warm
    hard = remote(shards, url, cache, where={"strength": "hard"})
    assert hard.ordinals.tolist() == list(range(1, COUNT, 2))
    assert here.traffic() is None


def test_a_sample_is_one_request_and_samples_come_together(tmp_path: Path, s3: S3) -> None:
    shards = write_shards(tmp_path / "made", {"base": [sample(number) for number in range(COUNT)]})
    there = remote(shards, s3.fill(s3.bucket(), shards / "shards"), RangeCache(tmp_path / "cache", 0))
    s3.asked.clear()
    s3.delay = 0.2
    try:
        there.prefetch(range(THREADS))
        for position in range(THREADS):
            there.read_members(position, LAYERS[:-1])
    finally:
        s3.delay = 0.0
    spans = [span for method, _, span in s3.asked]
    assert len(spans) == len(set(spans)) == THREADS
    found = there.traffic()
    assert found is not None and found.waited < THREADS * 0.2 / 2, "one after the other they would wait 3.2 s"
    assert found.waited > 0.1, "and what was waited for is counted"


def test_recipes_come_together(tmp_path: Path, s3: S3) -> None:
    shards = write_shards(tmp_path / "made", {"base": [sample(number) for number in range(COUNT)]})
    there = remote(shards, s3.fill(s3.bucket(), shards / "shards"), RangeCache(tmp_path / "cache", 0))
    s3.asked.clear()
    s3.delay = 0.1
    try:
        assert len(there.recipes()) == COUNT
    finally:
        s3.delay = 0.0
    assert len(s3.asked) == COUNT
    found = there.traffic()
    assert found is not None and found.waited < COUNT * 0.1 / 2


def test_another_render_is_refused(shards: Path, tmp_path: Path, s3: S3, caplog: pytest.LogCaptureFixture) -> None:
    url, cache = s3.fill(s3.bucket(), shards / "shards"), RangeCache(tmp_path, 1 << 20)
    with caplog.at_level(logging.WARNING):
        remote(shards, url, cache)
    assert f"{url} has no {PUBLISHED}" in caplog.text
    caplog.clear()
    store = open_store(url)
    store.put(PUBLISHED, json.dumps({"table": file_id(shards / "shards.parquet")}).encode())
    remote(shards, url, cache)
    assert caplog.text == ""
    store.put(PUBLISHED, b'{"table": "other"}')
    with pytest.raises(ValueError, match=f"{url} holds the shards of another render than .*dvc pull"):
        remote(shards, url, cache)
    store.put(PUBLISHED, b"[")
    with pytest.raises(ValueError, match=f"{url}/{PUBLISHED} is damaged"):
        remote(shards, url, cache)


def test_the_cache_tells_renders_at_one_url_apart(tmp_path: Path, s3: S3) -> None:
    url, cache = s3.bucket(), RangeCache(tmp_path / "cache", 1 << 20)
    for turn in (0, 100):
        made = write_shards(tmp_path / str(turn), {"base": [sample(number + turn) for number in range(2)]})
        s3.fill(url, made / "shards")
        assert remote(made, url, cache).read_members(0) == sample(turn)


def test_a_missing_or_short_shard_is_named(shards: Path, tmp_path: Path, s3: S3) -> None:
    there = remote(shards, s3.bucket(), RangeCache(tmp_path, 1 << 20))
    with pytest.raises(FileNotFoundError, match=r"s3://made-\d+/base\.(tar|parquet) is missing; .*CLEANPLATE_SHARDS"):
        there.read_members(0)
    url = s3.fill(s3.bucket(), shards / "shards")
    (name,) = [path.name for path in (shards / "shards").iterdir()]
    open_store(url).put(name, (shards / "shards" / name).read_bytes()[:3000])
    with pytest.raises(ValueError, match=name):
        remote(shards, url, RangeCache(tmp_path, 1 << 20)).read_members(COUNT - 1)


def test_a_store_that_stops_is_named(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as world:
        point_at(world, monkeypatch)
        monkeypatch.setenv("CLEANPLATE_STORAGE_PATIENCE", "0.2")
        url = world.fill(world.bucket(), shards / "shards")
        there = remote(shards, url, RangeCache(tmp_path, 1 << 20))
        assert there.read_members(0) == sample(0)
        world.stop()
        there.prefetch([18, 19])
        with pytest.raises(StorageError, match=rf"{url}/base.*: no answer from {world.endpoint}"):
            there.read_members(19)
        if shards.name.startswith("tar"):
            assert there.read_members(0) == sample(0), "what is kept needs no store"
