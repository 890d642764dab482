import io
import pickle
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from curation.sources import Source
from curation.storage import CutShortError, OversizeError, StorageError, Store, objects, open_store
from curation.storage.local import LocalStore
from tests.objects_world import S3, point_at, serving

FILES = {"a.x": b"1", "a/b.bin": bytes(range(256)) * 40, "a/ü b.txt": b"\xc3", "empty": b"", "a-b/c?d#e": b"odd"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in FILES.items():
        path = tmp_path / "local" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path / "local"


@pytest.fixture(params=["s3", "s3 below a prefix", "file", "folder"])
def store(request: pytest.FixtureRequest, folder: Path) -> Store:
    """The same files behind each kind of root."""
    if request.param == "folder":
        return open_store(folder)
    if request.param == "file":
        return open_store(folder.as_uri())
    s3: S3 = request.getfixturevalue("s3")
    url = s3.bucket() + ("/deep/down/" if "prefix" in request.param else "")
    return open_store(s3.fill(url.rstrip("/"), folder))


def test_lists_alike(store: Store) -> None:
    found = list(store.list())
    assert [(entry.path, entry.size) for entry in found] == sorted((name, len(data)) for name, data in FILES.items())
    assert all(entry.mtime_ns > 0 and entry.ctime_ns > 0 for entry in found)
    assert [entry.path for entry in store.list("a")] == ["a/b.bin", "a/ü b.txt"]
    with pytest.raises(FileNotFoundError):
        list(store.list("none"))


def test_reads_alike(store: Store) -> None:
    again: Store = pickle.loads(pickle.dumps(store))
    for name, data in FILES.items():
        assert again.read(name) == data
        assert again.size(name) == len(data)
        assert again.read(name, 1, max(0, len(data) - 1)) == data[1:] if data else True
    assert store.read("a/b.bin", 100, 20) == FILES["a/b.bin"][100:120]
    assert store.read("a/b.bin", 100, 0) == b""
    assert store.read("empty", most=5) == b""
    assert store.read("a.x", most=1) == b"1"
    with pytest.raises(OversizeError, match=r"^10240 bytes, over 10239$"):
        store.read("a/b.bin", most=10239)
    with pytest.raises(OversizeError, match=f"^{1 << 60} bytes, over 100$"):
        store.read("a/b.bin", 0, 1 << 60, most=100)
    with pytest.raises(CutShortError, match="ends at byte 10240; it is cut short"):
        store.read("a/b.bin", 10239, 2)
    with pytest.raises(CutShortError, match="ends at byte 10240"):
        store.read("a/b.bin", 20000, 2)
    for lost in ("none", "a"):
        with pytest.raises(FileNotFoundError):
            store.read(lost)
        with pytest.raises(FileNotFoundError):
            store.open(lost)
        assert not store.exists(lost)
    assert store.exists("a.x")


def test_seeks(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "BLOCK", 1000)
    data = FILES["a/b.bin"]
    with store.open("a/b.bin") as file:
        assert file.seek(-5, io.SEEK_END) == len(data) - 5
        assert file.read() == data[-5:]
        assert file.read(1) == b""
        assert file.seek(2990) == 2990
        assert file.read(20) == data[2990:3010]
        assert file.tell() == 3010
        file.seek(0)
        assert file.read() == data
    with store.open("empty") as file:
        assert file.read() == b""


def test_puts_and_removes(store: Store, tmp_path: Path) -> None:
    store.put("new/one.bin", b"first")
    store.put("new/one.bin", b"second")
    assert store.read("new/one.bin") == b"second"
    (tmp_path / "made").write_bytes(b"from a file")
    store.put_file("new/two.bin", tmp_path / "made")
    assert store.read("new/two.bin") == b"from a file"
    assert [entry.path for entry in store.list("new")] == ["new/one.bin", "new/two.bin"]
    store.remove("new/one.bin")
    store.remove("new/one.bin")
    assert [entry.path for entry in store.list("new")] == ["new/two.bin"]


def test_a_locator_means_the_same(store: Store, folder: Path) -> None:
    source = Source(folder)
    there = Source(getattr(store, "root", ""))
    for locator in ("a/b.bin#10+7", "a/b.bin", "empty"):
        assert there.read(locator) == source.read(locator)
    for each in (source, there):
        with pytest.raises(ValueError, match=r"^a/b.bin#10\+99999: the archive ends at byte 10240"):
            each.read("a/b.bin#10+99999")


def test_a_listing_of_many_pages(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    url, client = s3.bucket(), s3.client()
    monkeypatch.setattr(objects, "PAGE", 3)
    names = [f"f/{number:04d}" for number in range(8)]
    for name in names:
        client.put_object(Bucket=url.removeprefix("s3://"), Key=name, Body=b"")
    s3.asked.clear()
    assert [entry.path for entry in open_store(url).list()] == names
    assert len(s3.asked) == 3


def test_a_listing_out_of_order_is_refused(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(s3.bucket())
    pages = [(f"{str(store.root).removeprefix('s3://')}/{name}", 1, 1) for name in "ba"]
    monkeypatch.setattr(store, "_pages_s3", lambda inner, top: iter(pages))
    with pytest.raises(StorageError, match=r"lists '.*/a' after '.*/b'; use a bucket whose listings are sorted"):
        list(store.list())


def test_one_request_reads_one_locator(s3: S3) -> None:
    store = open_store(s3.bucket())
    store.put("x", b"0123456789")
    s3.asked.clear()
    assert store.read("x") + store.read("x", 2, 3) + store.read("x", most=10) == b"0123456789" + b"234" + b"0123456789"
    assert [(method, span) for method, _, span in s3.asked] == [
        ("GET", ""),
        ("GET", "bytes=2-4"),
        ("GET", "bytes=0-10"),
    ]


def test_a_large_put_counts_when_it_is_complete(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = s3.bucket()
    store = open_store(url)
    big = tmp_path / "big"
    big.write_bytes(bytes(11 << 20))
    monkeypatch.setattr(objects, "PIECE", 5 << 20)  # S3 takes none that are smaller
    s3.asked.clear()
    store.put_file("whole", big)
    assert store.size("whole") == 11 << 20
    assert [method for method, *_ in s3.asked].count("PUT") == 3
    monkeypatch.setenv("CLEANPLATE_STORAGE_PATIENCE", "0")
    s3.fail_on = "PUT"
    s3.failures = 1
    with pytest.raises(StorageError, match="no answer"):
        store.put_file("half", big)
    s3.fail_on = ""
    assert not store.exists("half")
    assert "Uploads" not in s3.client().list_multipart_uploads(Bucket=url.removeprefix("s3://"))


def test_a_request_that_fails_is_asked_again(s3: S3) -> None:
    store = open_store(s3.bucket())
    store.put("x", b"data")
    s3.failures = 2
    assert store.read("x") == b"data"
    assert s3.failures == 0


def test_a_store_that_never_answers_ends_in_its_name(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(s3.bucket())
    monkeypatch.setenv("CLEANPLATE_STORAGE_PATIENCE", "0.5")
    s3.failures = 1000
    try:
        with pytest.raises(StorageError, match=r"s3://made-\d+/x: no answer from http://127.*check network"):
            store.read("x")
    finally:
        s3.failures = 0


def test_a_patience_that_is_no_number_is_named(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEANPLATE_STORAGE_PATIENCE", "long")
    with pytest.raises(ValueError, match="CLEANPLATE_STORAGE_PATIENCE is 'long'; expected seconds"):
        open_store(s3.bucket()).read("x")


def test_a_server_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving() as world:
        point_at(world, monkeypatch)
        monkeypatch.setenv("CLEANPLATE_STORAGE_PATIENCE", "0.5")
        store = open_store(world.bucket())
        store.put("x", b"1")
        world.stop()
        with pytest.raises(StorageError, match=r"s3://made-\d+/x: no answer"):
            store.read("x")
        with pytest.raises(StorageError, match="no answer"):
            list(store.list())


def test_a_server_that_hangs(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(s3.bucket())
    store.put("x", b"1")
    monkeypatch.setattr(objects, "READ", 0.2)
    monkeypatch.setenv("CLEANPLATE_STORAGE_PATIENCE", "0.3")
    s3.delay = 1.0
    try:
        with pytest.raises(StorageError, match=r"/x: no answer from .*[Tt]imeout"):
            store.read("x")
    finally:
        s3.delay = 0.0


def test_many_threads_share_one_connection(s3: S3) -> None:
    store = open_store(s3.bucket())
    store.put("x", b"0123456789")
    objects._filesystem("s3", False).clear_instance_cache()
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda at: store.read("x", at % 10, 1), range(64)))
    assert found == [b"%d" % (at % 10) for at in range(64)]


def test_what_is_missing_is_told_apart(s3: S3) -> None:
    with pytest.raises(FileNotFoundError, match="s3://no-such-bucket: the bucket does not exist; check the URL"):
        list(open_store("s3://no-such-bucket").list())
    with pytest.raises(FileNotFoundError, match=r"/none: there is no such object"):
        open_store(s3.bucket()).read("none")


def test_no_credentials_name_the_variables(s3: S3, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = s3.bucket()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("HOME", str(tmp_path))
    objects._filesystem("s3", False).clear_instance_cache()
    try:
        with pytest.raises(StorageError, match=r"set AWS_PROFILE, or AWS_ACCESS_KEY_ID .* or write anonymous@"):
            open_store(url).read("x")
    finally:
        objects._filesystem("s3", False).clear_instance_cache()


def test_anonymous_asks_without_a_signature(s3: S3) -> None:
    url = s3.bucket()
    open_store(url).put("x", b"public")
    s3.signed.clear()
    store = open_store(url.replace("s3://", "s3://anonymous@"))
    # Without a signature moto refuses what is not public, as S3 does.
    with pytest.raises(PermissionError, match=r"no rights.*AWS_PROFILE"):
        store.read("x")
    assert s3.signed == [False]
    assert "anonymous" not in str(store.root)


def test_refuses_what_it_cannot_open(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("ftp://host/x", "s3://", "s3:///x", "http://host/x"):
        with pytest.raises(ValueError, match="expected s3://BUCKET/PREFIX"):
            open_store(url)
    with pytest.raises(ValueError, match="'host:9000' is no bucket; an endpoint goes into AWS_ENDPOINT_URL"):
        open_store("s3://host:9000/bucket")
    with pytest.raises(ValueError, match="three slashes"):
        open_store("file://host/x")
    with pytest.raises(ValueError, match="only user a URL may name is 'anonymous'") as told:
        open_store("s3://key:secret@bucket")
    assert "secret" not in str(told.value)
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(ImportError, match="gs://bucket needs gcsfs; run: pip install gcsfs"):
        open_store("gs://bucket")
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ImportError, match=r"pip install 'cleanplate\[s3\]'"):
        open_store("s3://bucket")


def test_a_file_url_is_its_folder(tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    store = open_store((tmp_path / "a b").as_uri())
    assert isinstance(store, LocalStore) and store.root == tmp_path / "a b"
