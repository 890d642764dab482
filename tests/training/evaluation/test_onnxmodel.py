"""Tiny models made here, of the layouts that are recognised and of some that are not."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from compositing.shards.reader import Sample
from curation.identity import rng
from training.evaluation.onnxmodel import OnnxMethod

FLOAT = TensorProto.FLOAT


def write(path: Path, inputs: dict[str, list], nodes: list, outputs: dict[str, list]) -> Path:
    values = [[helper.make_tensor_value_info(n, FLOAT, s) for n, s in sides.items()] for sides in (inputs, outputs)]
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    graph = helper.make_graph(nodes, "model", *values, [axes])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


OPEN = [1, 3, "h", "w"]
MEAN = helper.make_node("ReduceMean", ["apart", "axes"], ["pha"])
APART = [helper.make_node("Sub", ["src", "bgr"], ["d"]), helper.make_node("Abs", ["d"], ["apart"]), MEAN]


@pytest.fixture
def sample() -> Sample:
    src, bgr = rng(1, "onnx").integers(0, 256, (2, 30, 46, 3)).astype(np.uint8)
    return Sample(src, bgr, src, src[..., 0], {})


def mean_difference(sample: Sample) -> np.ndarray:
    return np.abs(sample.src.astype(np.float32) - sample.bgr).mean(axis=-1) / 255


def test_source_and_background_by_any_names_and_sizes(tmp_path, sample):
    path = write(tmp_path / "m.onnx", {"src": OPEN, "bgr": OPEN}, APART, {"pha": [1, 1, "h", "w"]})
    (found,) = OnnxMethod("m", path).predict([sample])
    assert found.pha.shape == (30, 46) and found.fgr.shape == (3, 30, 46)
    np.testing.assert_allclose(found.pha, mean_difference(sample), atol=1e-6)
    np.testing.assert_allclose(found.fgr, sample.src.transpose(2, 0, 1) / 255, atol=1e-6)


def test_a_background_that_comes_first_is_told_by_its_name(tmp_path, sample):
    nodes = [helper.make_node("Relu", ["bgr"], ["apart"]), helper.make_node("Identity", ["src"], ["fgr"]), MEAN]
    path = write(tmp_path / "m.onnx", {"bgr": OPEN, "src": OPEN}, nodes, {"pha": [1, 1, "h", "w"], "fgr": OPEN})
    (found,) = OnnxMethod("m", path).predict([sample])
    np.testing.assert_allclose(found.pha, sample.bgr.mean(axis=-1) / 255, atol=1e-6)
    np.testing.assert_allclose(found.fgr, sample.src.transpose(2, 0, 1) / 255, atol=1e-6)


def test_a_picture_alone_of_a_fixed_size(tmp_path, sample):
    nodes = [helper.make_node("ReduceMean", ["image", "axes"], ["pha"])]
    path = write(tmp_path / "m.onnx", {"image": [1, 3, 16, 24]}, nodes, {"pha": [1, 1, 16, 24]})
    (found,) = OnnxMethod("m", path).predict([sample])
    assert found.pha.shape == (30, 46)
    assert found.pha.mean() == pytest.approx(sample.src.mean() / 255, abs=0.01)


def test_a_recurrent_model_starts_empty(tmp_path, sample):
    inputs = {"src": OPEN, "r1i": [1, "c", "rh", "rw"], "downsample_ratio": [1]}
    nodes = [
        helper.make_node("Mul", ["src", "downsample_ratio"], ["a"]),
        helper.make_node("Add", ["a", "r1i"], ["apart"]),
        MEAN,
    ]
    path = write(tmp_path / "m.onnx", inputs, nodes, {"pha": [1, 1, "h", "w"]})
    (found,) = OnnxMethod("m", path).predict([sample])
    np.testing.assert_allclose(found.pha, sample.src.mean(axis=-1) / 255, atol=1e-6)


def test_other_inputs_are_refused_by_name(tmp_path):
    path = write(tmp_path / "m.onnx", {"src": OPEN, "bgr": OPEN, "seg": [1, 1, "h", "w"]}, APART, {"pha": OPEN})
    with pytest.raises(ValueError, match=r"takes src .*, bgr .*, seg .*expected src and bgr"):
        OnnxMethod("m", path)


def test_outputs_without_alpha_are_refused_by_name(tmp_path, sample):
    nodes = [helper.make_node("Relu", ["image"], ["boxes"])]
    path = write(tmp_path / "m.onnx", {"image": OPEN}, nodes, {"boxes": OPEN})
    with pytest.raises(ValueError, match=r"no output is alpha.*boxes"):
        OnnxMethod("m", path).predict([sample])


def test_a_file_that_is_no_model_is_named(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"m\.onnx is not an ONNX model"):
        OnnxMethod("m", tmp_path / "m.onnx")
    with pytest.raises(FileNotFoundError, match=r"none\.onnx is missing"):
        OnnxMethod("m", tmp_path / "none.onnx")
