"""Shared fixtures: no outside sockets, the checkout's root, the real material where it is at hand."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import pipelines  # noqa: F401  (switches telemetry off before anything else is imported)
from tests.objects_world import S3, point_at, serving

ROOT = Path(__file__).resolve().parent.parent
LOCAL = ("127.0.0.1", "::1", "localhost", "0.0.0.0")

# Two test processes share the cores: how long one example takes says nothing.
hypothesis.settings.register_profile("suite", deadline=None)
hypothesis.settings.load_profile("suite")

# A test process of many is told how wide the terminal is, and the commands' consoles keep what they meet when imported.
os.environ.pop("COLUMNS", None)

# Test processes share the cores: threads that wait for each other there spin. Set before anything imports torch.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# Child processes are not under the patched socket below: give them proxies that refuse.
for _name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
    os.environ[_name] = "http://127.0.0.1:9"
os.environ["no_proxy"] = os.environ["NO_PROXY"] = "127.0.0.1,localhost,::1"


@pytest.fixture(autouse=True, scope="session")
def _no_outside_sockets() -> Iterator[None]:
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOCAL:
            raise PermissionError(f"a test tried to reach {address}: the suite runs without a network")
        connect(self, address)

    patch = pytest.MonkeyPatch()
    patch.setattr(socket.socket, "connect", guarded)
    yield
    patch.undo()


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def realset() -> Path:
    """The folder of real photographs, mattes and clips: skipped where missing, a failure in CI."""
    folder = Path(os.environ.get("CLEANPLATE_REALSET") or ROOT.parent / "shared" / "realset")
    if folder.is_dir():
        return folder
    message = f"the real material is not at {folder}; set CLEANPLATE_REALSET to its folder"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


def write_yolox(path: Path, sides: tuple[int, int], person: tuple[float, float, float, float] | None) -> Path:
    """Write a model with YOLOX's shapes whose answer is fixed: nobody, or one person box in input pixels."""
    import numpy as np

    from curation.detectors.decoders import Yolox

    onnx = pytest.importorskip("onnx")
    count = sum((sides[0] // stride) * (sides[1] // stride) for stride in Yolox.strides)
    rows = np.zeros((1, count, 85), np.float32)
    if person:
        x, y, w, h = person  # in the grid of stride 8, cell 0
        rows[0, 0, :6] = [(x + w / 2) / 8, (y + h / 2) / 8, np.log(w / 8), np.log(h / 8), 0.9, 1.0]
        rows[0, 1, :6] = [(x + w / 2) / 8 - 1, (y + h / 2) / 8, np.log(w / 8), np.log(h / 8), 0.8, 1.0]
    helper = onnx.helper
    kind = onnx.TensorProto.FLOAT
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["rows", "nothing"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "fixed",
        [helper.make_tensor_value_info("images", kind, [1, 3, *sides])],
        [helper.make_tensor_value_info("output", kind, [1, count, 85])],
        [onnx.numpy_helper.from_array(rows, "rows"), onnx.numpy_helper.from_array(np.float32(0), "zero")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    return path


@pytest.fixture
def yolox_file(tmp_path: Path) -> Callable[..., Path]:
    """``yolox_file(name, box, sides)``: a model that always answers with one person, or with nobody."""

    def write(name: str, person: tuple[float, float, float, float] | None, sides: tuple[int, int] = (96, 160)) -> Path:
        return write_yolox(tmp_path / f"{name}.onnx", sides, person)

    return write


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3]:
    """A real S3 API on localhost, one for all tests of a process."""
    with serving() as world:
        yield world


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """That server, as what ``s3://`` means here and in child processes: ``s3.bucket()`` gives a URL to write to."""
    point_at(s3_server, monkeypatch)
    return s3_server
