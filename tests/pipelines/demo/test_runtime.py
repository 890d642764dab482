"""onnxruntime-web is taken from a cache, an archive or a folder, and never more of it than is known by name."""

import hashlib
import io
import tarfile

import pytest

from pipelines.demo import runtime as module
from pipelines.demo.runtime import FILES, NAME, find_runtime, has_runtime
from pipelines.fetch import FetchError


def write_archive(path, names=FILES, link=None):
    with tarfile.open(path, "w:gz") as tar:
        for name in ("../../escaped.txt", "/tmp/escaped-absolute.txt", "lib/unused.mjs", *names):
            member = tarfile.TarInfo(f"package/dist/{name}" if name in FILES else name)
            content = name.encode()
            if name == link:
                member.type, member.linkname, content = tarfile.SYMTYPE, "/etc/passwd", b""
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def trust(monkeypatch):
    def pin(archive):
        monkeypatch.setattr(module, "SHA256", hashlib.sha256(archive.read_bytes()).hexdigest())
        return archive

    return pin


def test_an_archive_gives_the_files_known_by_name_and_nothing_else(tmp_path, trust):
    cache = tmp_path / "deep" / "cache"
    folder = find_runtime(trust(write_archive(tmp_path / "web.tgz")), cache)
    assert {path.name: path.read_text() for path in folder.iterdir()} == {name: name for name in FILES}
    below = {path for path in tmp_path.rglob("*") if path.is_file()}
    assert below == {tmp_path / "web.tgz", *folder.iterdir()}, "something was written elsewhere"
    (tmp_path / "web.tgz").unlink()
    assert find_runtime(cache=cache) == folder, "the next time neither network nor archive is needed"


def test_another_archive_is_refused_with_both_checksums(tmp_path):
    archive = write_archive(tmp_path / "web.tgz")
    with pytest.raises(FetchError, match=f"SHA-256 is {hashlib.sha256(archive.read_bytes()).hexdigest()}.*{NAME}"):
        find_runtime(archive, tmp_path / "cache")
    assert not has_runtime(tmp_path / "cache")


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"names": FILES[:2]}, "ort-wasm-simd-threaded.wasm.*not found"),
        ({"link": FILES[0]}, "no plain file"),
    ],
)
def test_an_archive_without_a_plain_file_of_each_name_is_said(tmp_path, trust, made, words):
    with pytest.raises(FetchError, match=words):
        find_runtime(trust(write_archive(tmp_path / "web.tgz", **made)), tmp_path / "cache")
    assert not has_runtime(tmp_path / "cache")


@pytest.mark.parametrize("below", [".", "dist", "package/dist"])
def test_a_folder_is_used_where_it_is(tmp_path, below):
    (tmp_path / below).mkdir(parents=True, exist_ok=True)
    for name in FILES:
        (tmp_path / below / name).write_text(name)
    assert find_runtime(tmp_path, tmp_path / "cache") == tmp_path / below
    (tmp_path / below / FILES[3]).unlink()
    with pytest.raises(FetchError, match=f"no {FILES[3]} in it"):
        find_runtime(tmp_path, tmp_path / "cache")


def test_without_a_network_the_way_round_is_said(tmp_path, monkeypatch):
    with pytest.raises(FetchError, match="no such file or folder"):
        find_runtime(tmp_path / "gone.tgz", tmp_path)
    monkeypatch.setattr(module, "URL", "http://127.0.0.1:9/web.tgz")
    with pytest.raises(FetchError, match="fetch it elsewhere and run 'cleanplate demo --runtime FILE'"):
        find_runtime(cache=tmp_path)
