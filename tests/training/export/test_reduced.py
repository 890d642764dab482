from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from training.export.reduced import float_nodes, to_fp16


@pytest.mark.parametrize(
    ("weight", "kept"),
    [
        ("backbone.features.0.0.weight", True),  # MobileNetV2's first layer
        ("backbone.features.3.conv.1.weight", True),
        ("backbone.features.4.conv.1.weight", False),
        ("backbone.features.17.conv.1.weight", False),
        ("backbone.conv1.weight", True),  # ResNet's
        ("backbone.layer1.2.conv3.weight", True),
        ("backbone.layer2.0.conv1.weight", False),
        ("cat_3", True),  # the first layer's, where it is shown a difference as well
        ("aspp.project.0.weight", False),
        ("decoder.conv3.weight", False),
        ("decoder.conv4.weight", True),
        ("refiner.conv1.weight", False),
        ("refiner.conv4.weight", True),
    ],
)
def test_what_finds_small_differences_and_what_makes_the_result_stay_in_float32(weight: str, kept: bool):
    nodes = [
        helper.make_node("Conv", ["x", weight], ["y"], "one"),
        helper.make_node("Mul", ["x", weight], ["z"], "two"),
    ]
    model = helper.make_model(helper.make_graph(nodes, "g", [], []))
    assert float_nodes(model) == (["one"] if kept else [])


def test_a_constant_output_is_named_where_it_cannot_be_halved(tmp_path: Path):
    value = helper.make_tensor_value_info("ref_sm", TensorProto.FLOAT, [1])
    graph = helper.make_graph([], "g", [], [value], [numpy_helper.from_array(np.ones(1, np.float32), "ref_sm")])
    onnx.save(helper.make_model(graph), tmp_path / "full.onnx")
    with pytest.raises(ValueError, match=r"full\.onnx: output ref_sm is a constant"):
        to_fp16(tmp_path / "full.onnx", tmp_path / "half.onnx", {})
