"""Weights from a server on this machine: checksums, cache, conversion, and every way it can go wrong."""

import functools
import hashlib
import http.server
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from pipelines import fetch as module
from pipelines.cli import app
from pipelines.fetch import KNOWN, FetchError, Known, fetch
from training.network import build_base, build_refine, weights


class Server(http.server.ThreadingHTTPServer):
    """Counts what it was asked for."""

    asked: list[str]


class Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        super().do_GET()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    torch.save(build_refine("mobilenetv2").state_dict(), folder / "model.pth")
    return folder


@pytest.fixture
def server(site: Path) -> Iterator[Server]:
    server = Server(("127.0.0.1", 0), functools.partial(Handler, directory=str(site)))
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.fixture
def url(server: Server) -> str:
    return f"http://127.0.0.1:{server.server_address[1]}"


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_download_is_converted_kept_and_checked_next_time(
    server: Server, url: str, site: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "weights"
    found = fetch(f"{url}/model.pth", folder=cache)
    assert found.path == cache / "model.safetensors"
    assert found.sha256 == sha(site / "model.pth")
    assert "refine network, mobilenetv2" in found.words
    weights.load_refine(found.path)
    assert fetch(f"{url}/model.pth", folder=cache) == found
    assert server.asked == ["/model.pth"]
    checked = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=cache, check=False)
    assert checked.returncode == 0
    # Another file under the same address, and the cached one gone: that is said, not taken.
    (cache / "downloads/model.pth").unlink()
    torch.save(build_base("mobilenetv2").state_dict(), site / "model.pth")
    with pytest.raises(FetchError, match=r"expected .* --sha256"):
        fetch(f"{url}/model.pth", folder=cache)
    assert not (cache / "downloads/model.pth").exists()
    assert "base network" in fetch(f"{url}/model.pth", sha256=sha(site / "model.pth"), folder=cache).words


def test_a_torn_cache_is_fetched_again(server: Server, url: str, tmp_path: Path) -> None:
    cache = tmp_path / "weights"
    fetch(f"{url}/model.pth", folder=cache)
    path = cache / "downloads/model.pth"
    path.write_bytes(path.read_bytes()[:-9])
    fetch(f"{url}/model.pth", folder=cache)
    assert len(server.asked) == 2


def test_a_name_is_held_to_its_published_checksum(
    url: str, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KNOWN, "mine", Known(f"{url}/model.pth", "a test", sha(site / "model.pth")[:8]))
    assert fetch("mine", folder=tmp_path / "a").path.name == "mine.safetensors"
    monkeypatch.setitem(KNOWN, "mine", Known(f"{url}/model.pth", "a test", "0123abcd"))
    with pytest.raises(FetchError, match="expected 0123abcd"):
        fetch("mine", folder=tmp_path / "b")


def test_a_local_file_needs_no_server(site: Path, tmp_path: Path) -> None:
    assert fetch(str(site / "model.pth"), folder=tmp_path / "weights").path.is_file()
    (site / "detector.onnx").write_bytes(b"onnx")
    assert fetch(str(site / "detector.onnx"), folder=tmp_path / "weights").path.read_bytes() == b"onnx"


@pytest.mark.parametrize(
    ("source", "words"),
    [("bgmv3", "none of the known weights: bgmv2-mobilenetv2"), ("{url}/none.pth", "cannot be downloaded .*404")],
)
def test_what_cannot_be_had_says_so(source: str, words: str, url: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=words):
        fetch(source.format(url=url), folder=tmp_path)


def test_a_file_without_weights_says_so(site: Path, tmp_path: Path) -> None:
    (site / "page.pth").write_text("<html>")
    with pytest.raises(FetchError, match=r"page\.pth cannot be read as weights"):
        fetch(str(site / "page.pth"), folder=tmp_path)
    with pytest.raises(FetchError, match="hexadecimal"):
        fetch(str(site / "model.pth"), sha256="xyz", folder=tmp_path)


def test_the_command_lists_and_fetches(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = CliRunner().invoke(app, ["fetch-weights"], env={"COLUMNS": "200"})
    assert all(name in listed.output for name in KNOWN)
    monkeypatch.chdir(tmp_path)
    found = CliRunner().invoke(app, ["fetch-weights", str(site / "model.pth")])
    assert found.exit_code == 0
    assert ".weights/model.safetensors: refine network" in found.output


def test_listing_the_names_loads_no_torch() -> None:
    assert module.KNOWN
    code = "import sys, pipelines.fetch; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_torchvisions_detectors_come_by_name(
    url: str, site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their file names end in the beginning of their checksum."""
    from curation.detectors import torchvision

    torch.save({"a": torch.zeros(3)}, site / "ssd.pth")
    name = f"ssd-{sha(site / 'ssd.pth')[:8]}.pth"
    (site / "ssd.pth").rename(site / name)
    monkeypatch.setattr(torchvision, "published", lambda _: f"{url}/{name}")
    assert fetch("torchvision:ssd", folder=tmp_path / "weights").path == tmp_path / "weights" / "ssd.pth"
    (site / "ssd-00000000.pth").write_bytes((site / name).read_bytes())
    monkeypatch.setattr(torchvision, "published", lambda _: f"{url}/ssd-00000000.pth")
    with pytest.raises(FetchError, match="expected 00000000"):
        fetch("torchvision:ssd", folder=tmp_path / "weights")
