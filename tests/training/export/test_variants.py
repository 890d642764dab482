"""The ONNX files themselves: exporting takes long, so that one export serves all tests here."""

import json
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import onnx
import onnxruntime
import pytest
import torch

from training import export
from training.config import ExportParams
from training.export.files import ABOUT
from training.export.reduced import float_nodes
from training.network import RefineNetwork
from training.network.weights import save

SIDE = 128
PARAMS = {
    "variants": ("onnx", "int8"), "width": SIDE, "height": SIDE, "samples": 3, "calibration": 4,
    "tolerance": {"float32": 1e-4, "fp16": 0.01, "int8": 0.1},
}  # fmt: skip

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def files(network: RefineNetwork, shards: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Each made as a part of the stage."""
    folder = tmp_path_factory.mktemp("export")
    weights = folder / "refine.safetensors"
    save(network, weights, {"space": "linear"})
    made: dict[str, Path] = {}
    for variant in ("onnx", "static", "fp16", "int8"):
        (folder / variant).mkdir()
        task = export.ExportTask(
            variant, weights, shards / "shards", shards / "shards.parquet", ExportParams(**PARAMS), made.get("onnx")
        )
        export.export_part(task, folder / variant)
        made[variant] = folder / variant / export.FILES[variant]
    return made


def test_any_size_agrees_with_pytorch(network: RefineNetwork, files: dict[str, Path]):
    run = export.onnx_runner(files["onnx"])
    sizes = [(SIDE, SIDE), export.other_size(SIDE, SIDE), (132, 260)]
    pairs = [pair for size in sizes for pair in export.random_pairs(*size)]
    found = export.compare(network, run, pairs)
    assert found.pha_mean < 1e-5
    assert found.fgr_mean < 1e-5


def test_each_is_one_file_with_its_names_opset_and_description(files: dict[str, Path]):
    for variant, path in files.items():
        assert sorted(file.name for file in path.parent.iterdir()) == sorted(["check.json", path.name])
        model = onnx.load(path)
        onnx.checker.check_model(model)
        assert [o.version for o in model.opset_import if o.domain == ""] == [export.OPSET]
        assert {o.domain for o in model.opset_import} <= {"", "ai.onnx.ml"}
        for values, names in ((model.graph.input, ["src", "bgr"]), (model.graph.output, list(export.OUTPUTS))):
            assert [value.name for value in values] == names
            assert {value.type.tensor_type.elem_type for value in values} == {onnx.TensorProto.FLOAT}
        (entry,) = model.metadata_props
        assert entry.key == ABOUT
        about = json.loads(entry.value)
        assert about["variant"] == variant and about["space"] == "linear" and about["refine_sample_pixels"] == 2048


def test_static_has_its_size_alone(network: RefineNetwork, files: dict[str, Path]):
    shape = onnx.load(files["static"]).graph.input[0].type.tensor_type.shape.dim
    assert [each.dim_value for each in shape] == [1, 3, SIDE, SIDE]
    run = export.onnx_runner(files["static"])
    assert export.compare(network, run, export.random_pairs(SIDE, SIDE)).pha_mean < 1e-5
    with pytest.raises(Exception, match="Got invalid dimensions"):
        run(*(torch.zeros(1, 3, SIDE, SIDE + 4) for _ in range(2)))


def test_reduced_files_are_small_and_near(files: dict[str, Path], shards: Path):
    whole = files["onnx"].stat().st_size
    for variant, share in (("fp16", 0.55), ("int8", 0.35)):
        found = export.read_check(files[variant].parent)
        assert found["bytes"] == files[variant].stat().st_size < share * whole
        assert found["inputs"] == 3
        assert 0 < found["real"]["pha_mean"] <= found["bound"] == PARAMS["tolerance"][variant]
        assert 0 < found["random"]["pha_mean"] <= found["bound"]
        assert found["mad"] > 0
        assert found["mad_loss"] == pytest.approx(found["mad"] - found["mad_pytorch"], abs=0.0015)
    assert export.read_check(files["fp16"].parent)["real"]["pha_max"] < 0.05
    exact = export.read_check(files["onnx"].parent)
    assert exact["real"]["pha_mean"] < 1e-5 and exact["mad_loss"] == 0


def test_what_computes_in_what(files: dict[str, Path]):
    half = onnx.load(files["fp16"])
    weights = {each.name: each.data_type for each in half.graph.initializer}
    assert weights["decoder.conv1.weight"] == weights["refiner.conv4.weight"] == onnx.TensorProto.FLOAT16

    whole, eight = onnx.load(files["onnx"]), onnx.load(files["int8"])
    kept = float_nodes(whole)
    names = {node.input[1] for node in whole.graph.node if node.name in kept}
    assert {"backbone.features.0.0.weight", "decoder.conv4.weight", "refiner.conv4.weight"} < names
    assert "backbone.features.4.conv.0.0.weight" not in names and "refiner.conv1.weight" not in names
    convolutions = [node for node in eight.graph.node if node.op_type == "Conv"]
    given = {node.output[0]: node.op_type for node in eight.graph.node}
    still = {node.input[1] for node in convolutions if given.get(node.input[1]) != "DequantizeLinear"}
    assert still == names
    assert len(convolutions) - len(still) > 40
    bytes_ = [each for each in eight.graph.initializer if each.name == "refiner.conv1.weight_quantized"]
    assert bytes_[0].data_type == onnx.TensorProto.INT8
    assert abs(onnx.numpy_helper.to_array(bytes_[0])).max() <= 64  # 7 bits


def test_the_same_bytes_every_time(files: dict[str, Path], shards: Path, tmp_path: Path):
    about = json.loads(onnx.load(files["fp16"]).metadata_props[0].value)
    export.to_fp16(files["onnx"], tmp_path / "fp16", about)
    assert (tmp_path / "fp16").read_bytes() == files["fp16"].read_bytes()
    pairs = list(export.real_pairs(shards / "shards", shards / "shards.parquet", SIDE, SIDE, 4, "refine"))
    export.to_int8(files["onnx"], tmp_path / "int8", pairs, {**about, "variant": "int8"})
    assert (tmp_path / "int8").read_bytes() == files["int8"].read_bytes()


def test_ranges_come_from_what_calibration_shows(files: dict[str, Path], network: RefineNetwork, tmp_path: Path):
    black = export.Pair("black", *(torch.zeros(1, 3, SIDE, SIDE) for _ in range(2)))
    export.to_int8(files["onnx"], tmp_path / "black.onnx", [black], {})
    noise = export.random_pairs(SIDE, SIDE)
    good, bad = (
        export.compare(network, export.onnx_runner(p), noise) for p in (files["int8"], tmp_path / "black.onnx")
    )
    assert bad.pha_mean + bad.fgr_mean > 1.5 * (good.pha_mean + good.fgr_mean)


@pytest.mark.skipif(find_spec("openvino") is None, reason="openvino is not installed; it is no part of the lock file")
@pytest.mark.parametrize("variant", ["onnx", "static", "fp16", "int8"])
def test_openvino_agrees(network: RefineNetwork, files: dict[str, Path], variant: str):
    run = export.openvino_runner(files[variant])
    assert run is not None
    found = export.compare(network, run, export.random_pairs(SIDE, SIDE))
    assert found.pha_mean < {"fp16": 0.01, "int8": 0.1}.get(variant, 1e-5)


class StandIn:
    """As much of OpenVINO as is used, on ONNX Runtime."""

    def __init__(self, add: float) -> None:
        self.add, self.settings = add, {}

    def compile_model(self, path: Path, device: str, settings: dict[str, Any]) -> Any:
        assert device == "CPU"
        self.settings.update(settings)
        session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        return lambda given: {k: v + self.add for k, v in zip(export.OUTPUTS, session.run(None, given), strict=True)}


@pytest.mark.parametrize("add", [0.0, 0.01])
def test_openvino_is_asked_where_it_is_installed(
    network: RefineNetwork, files: dict[str, Path], shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    add: float,
):  # fmt: skip
    core = StandIn(add)
    module = ModuleType("openvino")
    module.__spec__ = ModuleSpec("openvino", None)
    module.Core = lambda: core  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "openvino", module)
    from training.export import making

    task: Any = SimpleNamespace(
        variant="static", params=ExportParams(**PARAMS), shards=shards / "shards", table=shards / "shards.parquet"
    )
    run = export.openvino_runner(files["static"])
    assert run is not None
    if add:
        with pytest.raises(export.ExportError, match=r"refine\.static\.onnx in OpenVINO differs"):
            making._check_openvino(network, task, files["static"], run)
    else:
        assert making._check_openvino(network, task, files["static"], run)["pha_mean"] < 1e-5
    assert core.settings["INFERENCE_PRECISION_HINT"] == "f32"
