"""Detector and matting files from anywhere: ONNX, Darknet, torchvision's weights, calibrations."""

import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compositing.shards.reader import Sample
from curation import onnxfile
from curation.detectors.calibration import read_calibration
from curation.detectors.darknet import DarknetDetector
from curation.detectors.onnx import OnnxDetector
from curation.detectors.torchvision import TorchvisionDetector
from tests.hostile.contained import contained, contained_all
from tests.hostile.test_weights import Evil
from training.evaluation.onnxmodel import OnnxMethod

onnx = pytest.importorskip("onnx")
helper, numpy_helper, FLOAT = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT
PICTURE = np.zeros((64, 64, 3), np.uint8)
NUMBER = helper.make_node("ReduceMean", ["images"], ["number"], keepdims=0)
ROWS = numpy_helper.from_array(np.zeros((1, 84, 85), np.float32), "rows")
"""What a YOLOX of 64 x 64 pixels answers with."""


def model(path: Path, nodes: list[Any], values: list[Any], domain: str = "") -> Path:
    """Write a file whose shapes are a detector's."""
    given = helper.make_tensor_value_info("images", FLOAT, [1, 3, 64, 64])
    answer = helper.make_tensor_value_info("output", FLOAT, [1, 84, 85])
    graph = helper.make_graph(nodes, "hostile", [given], [answer], values)
    known = [helper.make_opsetid("", 17), *([helper.make_opsetid(domain, 1)] if domain else [])]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(helper.make_model(graph, opset_imports=known, ir_version=8).SerializeToString())
    return path


def looked(path: Path) -> int:
    return len(OnnxDetector(path, 0.1).detect([PICTURE])[0].scores)


def matted(path: Path) -> tuple[int, ...]:
    sample = Sample(PICTURE, PICTURE, PICTURE, PICTURE[..., 0], {})
    return OnnxMethod("hostile", path).predict([sample])[0].alpha.shape


@pytest.mark.parametrize(
    "place", ["../secret", "{root}/secret", "../../../../../../etc/passwd", "a/../../secret", "link"]
)
def test_tensors_come_from_the_models_own_folder(place: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"S" * 28_560)
    (tmp_path / "models" / "a").mkdir(parents=True)
    (tmp_path / "models" / "link").symlink_to(tmp_path / "secret")
    outside = onnx.TensorProto(name="rows", data_type=FLOAT, dims=[1, 84, 85])
    outside.data_location = onnx.TensorProto.EXTERNAL
    outside.external_data.add(key="location", value=place.format(root=tmp_path))
    nodes = [NUMBER, helper.make_node("Add", ["number", "rows"], ["output"])]
    path = model(tmp_path / "models" / "m.onnx", nodes, [outside])
    for use in (looked, matted):
        assert contained(use, path, folder=tmp_path).refused("m.onnx is not an ONNX model that can be run"), place


def filled(count: int) -> tuple[list[Any], list[Any]]:
    """A hundred bytes that ask for ``count`` numbers."""
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["many"], value=numpy_helper.from_array(np.ones(1, np.float32))),
        helper.make_node("ReduceMean", ["many"], ["one"], keepdims=0),
        NUMBER,
        helper.make_node("Add", ["one", "number"], ["sum"]),
        helper.make_node("Add", ["sum", "rows"], ["output"]),
    ]
    return nodes, [numpy_helper.from_array(np.array([count], np.int64), "shape"), ROWS]


def endless() -> tuple[list[Any], list[Any]]:
    """A loop of 2**62 turns."""
    kinds = (("turn", onnx.TensorProto.INT64), ("go", onnx.TensorProto.BOOL), ("x", FLOAT))
    given = [helper.make_tensor_value_info(name, kind, []) for name, kind in kinds]
    answers = [helper.make_tensor_value_info(f"{name}2", kind, []) for name, kind in kinds[1:]]
    steps = [helper.make_node("Identity", ["go"], ["go2"]), helper.make_node("Add", ["x", "x"], ["x2"])]
    body = helper.make_graph(steps, "body", given, answers)
    nodes = [
        NUMBER,
        helper.make_node("Loop", ["turns", "yes", "number"], ["last"], body=body),
        helper.make_node("Add", ["last", "rows"], ["output"]),
    ]
    values = {"turns": np.array(2**62, np.int64), "yes": np.array(True)}
    return nodes, [*(numpy_helper.from_array(value, name) for name, value in values.items()), ROWS]


@pytest.mark.parametrize("count", [2 * 10**9, 10**13, 2**62])
def test_a_model_takes_no_more_memory_than_allowed(count: int, tmp_path: Path) -> None:
    path = model(tmp_path / "m.onnx", *filled(count))
    # Address space for all of it: the limit must be the file's, not the machine's.
    outcome = contained(looked, path, folder=tmp_path, megabytes=24_000)
    assert outcome.refused("m@", "the model cannot be run") and outcome.megabytes < 200, outcome


def test_a_model_that_never_ends_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxfile, "MOST_SECONDS", 0.5)
    path = model(tmp_path / "m.onnx", *endless())
    outcome = contained(looked, path, folder=tmp_path, megabytes=3000)
    assert outcome.refused("m@", "does not end within 0.5 s"), outcome


def test_a_model_within_the_limits_runs(tmp_path: Path) -> None:
    assert contained(looked, model(tmp_path / "m.onnx", *filled(10)), folder=tmp_path, megabytes=9000).error == ""


@pytest.mark.parametrize("domain", ["evil", "ai.onnx.contrib", "pyopmulti_2", "com.microsoft"])
def test_an_operator_that_is_not_the_runtimes_own_is_refused(domain: str, tmp_path: Path) -> None:
    node = helper.make_node("PyOp", ["images"], ["output"], domain=domain, module="os", compute="system")
    path = model(tmp_path / "m.onnx", [node], [], domain)
    assert contained(looked, path, folder=tmp_path).refused("m.onnx is not an ONNX model that can be run")


@pytest.mark.parametrize("data", [b"", b"<html>", np.random.default_rng(1).bytes(4000)], ids=["none", "page", "noise"])
def test_what_is_no_model_is_named(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(data)
    for use in (looked, matted):
        assert contained(use, tmp_path / "m.onnx", folder=tmp_path).refused("m.onnx")


@pytest.mark.parametrize("dims", [[10**12], [2**62, 2**62], [-1], [85]])
def test_an_initialiser_that_says_it_is_larger_than_it_is_is_refused(dims: list[int], tmp_path: Path) -> None:
    rows = onnx.TensorProto(name="rows", data_type=FLOAT, dims=dims, raw_data=bytes(16))
    path = model(tmp_path / "m.onnx", [NUMBER, helper.make_node("Add", ["number", "rows"], ["output"])], [rows])
    outcome = contained(looked, path, folder=tmp_path, megabytes=24_000)
    assert outcome.refused("m.onnx") and outcome.megabytes < 200, outcome


NET = "[net]\nwidth={}\nheight={}\nchannels=3\n"
LAYER = "[convolutional]\nbatch_normalize=1\nfilters={}\nsize={}\nstride=1\npad=1\nactivation=leaky\n"
FLOATS = 4 * (4 * 3 * 9 + 4 * 4)
"""Bytes of four filters of 3 x 3 over three channels, with their normalization."""
CFGS = {
    "many filters": NET.format(64, 64) + LAYER.format(2**31 - 1, 3),
    "large filters": NET.format(64, 64) + LAYER.format(8, 20_001),
    "no filters": NET.format(64, 64) + LAYER.format(-5, 3),
    "large input": NET.format(10**9, 10**9) + LAYER.format(4, 3),
    "no input": NET.format(0, 0) + LAYER.format(4, 3),
    "long number": NET.format("9" * 5000, 64) + LAYER.format(4, 3),
    "route": NET.format(64, 64) + LAYER.format(4, 3) + "[route]\nlayers=-99\n",
    "shortcut": NET.format(64, 64) + LAYER.format(4, 3) + "[shortcut]\nfrom=-99\nactivation=linear\n",
    "unknown layer": NET.format(64, 64) + "[evil]\nx=1\n",
    "anchors": NET.format(64, 64) + LAYER.format(255, 1) + "[yolo]\nmask=0\nanchors=1,1\nclasses=80\nnum=99999999\n",
    "weights cut": NET.format(64, 64) + LAYER.format(64, 3),
    "nothing": "",
    "noise": "\0\1\2=\xff[[[",
}


def darknet(folder: Path, cfg: str) -> str:
    (folder / "a.cfg").write_text(cfg)
    (folder / "a.weights").write_bytes(struct.pack("<iiiq", 0, 2, 0, 0) + bytes(FLOATS))
    return DarknetDetector(folder / "a.cfg", folder / "a.weights", 0.1).name


def test_a_darknet_cfg_that_lies_is_refused(tmp_path: Path) -> None:
    cases = {name: (tmp_path, text) for name, text in CFGS.items()}
    for name, outcome in contained_all(darknet, cases, tmp_path).items():
        assert outcome.refused(str(tmp_path / "a.")) and outcome.megabytes < 100, (name, outcome)


def test_a_darknet_file_that_is_whole_is_read(tmp_path: Path) -> None:
    outcome = contained(darknet, tmp_path, NET.format(64, 64) + LAYER.format(4, 3), folder=tmp_path)
    assert outcome.value.startswith("a@"), outcome


def test_torchvisions_weights_run_nothing(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(pickle.dumps(Evil(), protocol=2))
    name = "ssdlite320_mobilenet_v3_large"
    assert contained(TorchvisionDetector, name, path, 0.1, folder=tmp_path).refused("weights.pth does not fit")


def test_a_calibration_that_is_none_is_named(tmp_path: Path) -> None:
    for data in (b"", b"\xff\xfe", b"[" * 100_000, b'{"whole": NaN}', b"5"):
        (tmp_path / "c.json").write_bytes(data)
        with pytest.raises(ValueError, match=r"c\.json is no calibration"):
            read_calibration(tmp_path / "c.json")
