import pytest
from onnx import helper

from training.export.reduced import float_nodes


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
