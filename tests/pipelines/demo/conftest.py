"""Small networks whose alpha is the difference of the two pictures, so that what the page shows can be reckoned."""

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from curation.identity import rng
from pipelines.demo.model import Model
from pipelines.demo.runtime import NAME, find_runtime, has_runtime
from pipelines.demo.server import DemoServer
from pipelines.paths import WEIGHTS
from tests.chromium import open_chromium
from tests.conftest import ROOT

GAIN, FLOOR = 4.0, 0.5
"""Alpha is GAIN times the largest difference of a channel, less FLOOR: 0 up to 32 levels, 1 from 96."""


def write_difference(
    path: Path,
    size: tuple[int | str, int | str] = ("height", "width"),
    names: tuple[str, str, str, str] = ("src", "bgr", "pha", "fgr"),
    channels: int = 3,
) -> Path:
    """Write a network of the export's signature: alpha as above, foreground the source itself."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    src, bgr, pha, fgr = names
    nodes = [
        helper.make_node("Sub", [src, bgr], ["difference"]),
        helper.make_node("Abs", ["difference"], ["distance"]),
        helper.make_node("ReduceMax", ["distance"], ["largest"], axes=[1], keepdims=1),
        helper.make_node("Mul", ["largest", "gain"], ["steep"]),
        helper.make_node("Sub", ["steep", "floor"], ["raw"]),
        helper.make_node("Clip", ["raw", "zero", "one"], [pha]),
        helper.make_node("Clip", [src, "zero", "one"], [fgr]),
    ]
    values = {"gain": GAIN, "floor": FLOOR, "zero": 0.0, "one": 1.0}
    inputs = [helper.make_tensor_value_info(name, kind, [1, channels, *size]) for name in (src, bgr)]
    outputs = [helper.make_tensor_value_info(pha, kind, [1, 1, *size])]
    outputs.append(helper.make_tensor_value_info(fgr, kind, [1, channels, *size]))
    constants = [onnx.numpy_helper.from_array(np.float32(value), name) for name, value in values.items()]
    graph = helper.make_graph(nodes, "difference", inputs, outputs, constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    return path


def write_convolution(path: Path) -> Path:
    """Write a network that begins as the real ones do, with a convolution of 6 channels; alpha has no meaning."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weights = rng(1, "demo convolution").normal(0, 0.3, (32, 6, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Concat", ["src", "bgr"], ["both"], axis=1),
        helper.make_node("Conv", ["both", "weights"], ["features"], pads=[1, 1, 1, 1], kernel_shape=[3, 3]),
        helper.make_node("Abs", ["features"], ["strength"]),
        helper.make_node("ReduceMean", ["strength", "channels"], ["mean"], keepdims=1),
        helper.make_node("Clip", ["mean", "zero", "one"], ["pha"]),
        helper.make_node("Clip", ["src", "zero", "one"], ["fgr"]),
    ]
    constants = {"weights": weights, "channels": np.array([1], np.int64), "zero": np.float32(0), "one": np.float32(1)}
    signature = [("src", 3), ("bgr", 3), ("pha", 1), ("fgr", 3)]
    values = [helper.make_tensor_value_info(name, kind, [1, count, "height", "width"]) for name, count in signature]
    initial = [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "convolution", values[:2], values[2:], initial)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


@pytest.fixture(scope="session")
def runtime() -> Path:
    """The pinned onnxruntime-web, fetched beforehand: skipped where it is missing, a failure in CI."""
    for cache in (Path(os.environ.get("CLEANPLATE_WEIGHTS") or WEIGHTS), ROOT / WEIGHTS):
        if has_runtime(cache):
            return find_runtime(cache=cache).resolve()
    message = f"no {NAME} in .weights; 'python -m pipelines.demo.runtime' fetches it once, 33 MB"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def serve(runtime: Path):
    """``with serve(path, space) as url``: a demo of this model."""

    @contextlib.contextmanager
    def start(path: Path, space: str = "display") -> Iterator[str]:
        with DemoServer(Model(path, space), runtime) as server:  # type: ignore[arg-type]
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield server.url
            server.shutdown()

    return start


@pytest.fixture(scope="module")
def difference(tmp_path_factory):
    return write_difference(tmp_path_factory.mktemp("net") / "difference.onnx")


@pytest.fixture(scope="module")
def page(runtime, tmp_path_factory):
    from tests.pipelines.demo.page_driver import Page

    with open_chromium(tmp_path_factory.mktemp("chromium"), "--window-size=1300,900") as window:
        yield Page(window)
