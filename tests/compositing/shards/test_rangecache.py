import contextlib
import errno
import logging
import multiprocessing
import os
import pickle
import random
import shutil
import time
from pathlib import Path

import pytest

from compositing.shards import rangecache
from compositing.shards.rangecache import RangeCache, default_cache
from curation.identity import item_id


def name(number: int) -> str:
    return item_id("range", number)


def content(number: int, size: int = 1000) -> bytes:
    return random.Random(number).randbytes(size)


def stored(folder: Path) -> int:
    """Bytes of what is kept."""
    total = 0
    for path in folder.glob("*/[!.]*"):  # half-written files would count twice while they are renamed
        with contextlib.suppress(FileNotFoundError):  # renamed meanwhile
            total += path.stat().st_size
    return total


def test_what_is_kept_comes_back(tmp_path: Path) -> None:
    cache = RangeCache(tmp_path / "deep" / "cache", 10_000)
    assert cache.get(name(1), 1000) is None
    cache.put(name(1), content(1))
    again = pickle.loads(pickle.dumps(cache))
    assert again.get(name(1), 1000) == content(1)
    assert again.get(name(1), 999) is None, "a range of another size is another"
    assert again.get(name(2), 1000) is None


def test_the_limit_holds_and_the_oldest_goes(tmp_path: Path) -> None:
    cache = RangeCache(tmp_path, 10_000)
    for number in range(9):
        cache.put(name(number), content(number))
        os.utime(cache._path(name(number)), (number, number))
    assert cache.get(name(0), 1000) == content(0)  # used now: the last to go
    for number in range(9, 30):
        cache.put(name(number), content(number))
        assert stored(tmp_path) <= 10_000
        assert cache.get(name(0), 1000) == content(0)
    assert cache.get(name(1), 1000) is None
    assert cache.get(name(29), 1000) == content(29)
    assert stored(tmp_path) > 6_000, "clearing leaves most of it"


def test_a_damaged_range_is_none(tmp_path: Path) -> None:
    cache = RangeCache(tmp_path, 10_000)
    for damage in (
        lambda data: data[:-1],
        lambda data: b"\0" * len(data),
        lambda data: b"",
        lambda data: data[1:] + b"x",
    ):
        cache.put(name(1), content(1))
        path = cache._path(name(1))
        path.write_bytes(damage(path.read_bytes()))
        assert cache.get(name(1), 1000) is None
        assert not path.exists()


def test_room_taken_by_a_killed_process_is_found(tmp_path: Path) -> None:
    cache = RangeCache(tmp_path, 10_000)
    cache.put(name(1), content(1))
    left = cache._path(name(1)).with_name(".x.tmp")
    left.write_bytes(bytes(5000))
    os.utime(left, (1, 1))
    cache._count_down(10_000)
    cache.put(name(2), content(2))
    assert cache.get(name(1), 1000) and cache.get(name(2), 1000)
    assert not left.exists()
    (tmp_path / "taken").write_bytes(b"torn")
    cache.put(name(3), content(3))
    assert cache._count() == stored(tmp_path)


def churn(cache: RangeCache, seed: int) -> int:
    wrong = 0
    for number in random.Random(seed).choices(range(60), k=150):
        kept = cache.get(name(number), 1000)
        if kept is None:
            cache.put(name(number), content(number))
        else:
            wrong += kept != content(number)
    return wrong


def test_many_processes_share_it(tmp_path: Path) -> None:
    cache = RangeCache(tmp_path, 20_000)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        running = pool.starmap_async(churn, [(cache, seed) for seed in range(4)])
        most = 0
        while not running.ready():
            with cache._lock():  # nothing is cleared and taken between two looks
                most = max(most, stored(tmp_path))
            time.sleep(0.005)
    assert running.get() == [0] * 4
    assert 10_000 < most <= 20_000


def test_a_full_disk_is_survived_and_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache = RangeCache(tmp_path, 10_000)
    for number in range(4):
        cache.put(name(number), content(number))
    write = cache._write
    monkeypatch.setattr(cache, "_write", lambda *given: full() if stored(tmp_path) > 2500 else write(*given))

    def full() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    cache.put(name(5), content(5))
    assert cache.get(name(5), 1000) == content(5), "older ranges made room"
    monkeypatch.setattr(cache, "_write", lambda *given: full())
    with caplog.at_level(logging.WARNING):
        cache.put(name(6), content(6))
        cache.put(name(7), content(7))
    assert cache.get(name(6), 1000) is None
    (told,) = [record.getMessage() for record in caplog.records]
    assert str(tmp_path) in told and "No space left" in told and "CLEANPLATE_CACHE" in told


def test_a_folder_that_was_removed_is_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = RangeCache(tmp_path / "cache", 10_000)
    cache.put(name(1), content(1))
    shutil.rmtree(tmp_path / "cache")
    assert cache.get(name(1), 1000) is None
    cache.put(name(2), content(2))
    assert cache.get(name(2), 1000) == content(2)
    shutil.rmtree(tmp_path / "cache")
    (tmp_path / "cache").write_text("a file in its place")
    cache.put(name(3), content(3))
    assert cache.get(name(3), 1000) is None
    assert "takes no more" in caplog.text


def test_no_limit_keeps_nothing(tmp_path: Path) -> None:
    cache = RangeCache(tmp_path / "none", 0)
    cache.put(name(1), content(1))
    assert cache.get(name(1), 1000) is None
    assert not (tmp_path / "none").exists()
    RangeCache(tmp_path, 500).put(name(1), content(1))
    assert not list(tmp_path.glob("*/*")), "larger than the limit"


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"file/x.*set CLEANPLATE_CACHE to another folder"):
        RangeCache(tmp_path / "file" / "x", 100)


def test_the_environment_says_where_and_how_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLEANPLATE_CACHE", raising=False)
    monkeypatch.delenv("CLEANPLATE_CACHE_GB", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = default_cache()
    assert found.folder == tmp_path / "cleanplate" / "shards" and found.limit == rangecache.DEFAULT_GB * 1e9
    monkeypatch.setenv("CLEANPLATE_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("CLEANPLATE_CACHE_GB", "0.5")
    assert default_cache().folder == tmp_path / "own" and default_cache().limit == 500_000_000
    for wrong in ("much", "-1", "nan", "inf"):
        monkeypatch.setenv("CLEANPLATE_CACHE_GB", wrong)
        with pytest.raises(ValueError, match=f"CLEANPLATE_CACHE_GB is '{wrong}'; expected gigabytes"):
            default_cache()
