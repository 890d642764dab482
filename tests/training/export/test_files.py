import zipfile
from pathlib import Path

import onnx
import pytest
import torch
from onnx import TensorProto, helper

from training import export
from training.export.files import ABOUT, save_onnx
from training.network import RefineNetwork, build_refine

SIDE = 128


def test_torchscript_agrees(network: RefineNetwork, tmp_path: Path):
    path = tmp_path / "refine.pt"
    export.export_torchscript(network, path, SIDE, SIDE + 32)
    found = export.compare(network, export.torchscript_runner(path), export.random_pairs(SIDE, SIDE + 32))
    assert found.pha_mean < 1e-5
    assert found.fgr_mean < 1e-5


def test_torchscript_names_no_folder_of_its_maker(network: RefineNetwork, tmp_path: Path, root: Path):
    path = tmp_path / "refine.pt"
    export.export_torchscript(network, path, SIDE, SIDE)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert not [name for name in names if name.endswith(".debug_pkl")]
        assert not [name for name in names if str(root).encode() in archive.read(name)]
    assert {name.split("/")[0] for name in names} == {"refine"}


def test_a_file_of_other_weights_is_refused(network: RefineNetwork, tmp_path: Path):
    other = build_refine("mobilenetv2", 0.5, "sampling", 2048).eval()
    with torch.no_grad():
        for parameter in other.decoder.parameters():
            parameter.mul_(1.5)
    path = tmp_path / "refine.pt"
    export.export_torchscript(other, path, SIDE, SIDE)
    found = export.compare(network, export.torchscript_runner(path), export.random_pairs(SIDE, SIDE))
    with pytest.raises(export.ExportError, match=r"refine\.pt differs"):
        export.check_difference(path.name, found, 1e-5, "float32", "report it")


@pytest.mark.parametrize("size", [(130, 128), (64, 128), (128, 8196)])
def test_sizes_that_do_not_fit_are_named(network: RefineNetwork, tmp_path: Path, size: tuple[int, int]):
    for write in (export.export_torchscript, export.export_onnx):
        with pytest.raises(ValueError, match=f"{size[1]}x{size[0]}.*multiples of 4"):
            write(network, tmp_path / "x", *size)


def test_thresholding_is_refused_for_onnx(tmp_path: Path):
    network = build_refine("mobilenetv2", refine_mode="thresholding")
    with pytest.raises(ValueError, match="thresholding"):
        export.export_onnx(network, tmp_path / "x", SIDE, SIDE)


def test_saved_models_have_no_metadata_but_ours(tmp_path: Path):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    node = helper.make_node("Relu", ["x"], ["y"])
    graph = helper.make_graph([node], "g", values[:1], values[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", export.OPSET)])
    for part in (model, graph, model.graph.node[0], model.graph.input[0]):
        entry = part.metadata_props.add()
        entry.key, entry.value = "stack_trace", "/home/somebody/checkout/file.py"
    save_onnx(model, tmp_path / "x.onnx", {"b": 1, "a": "two"})
    assert b"somebody" not in (tmp_path / "x.onnx").read_bytes()
    found = onnx.load(tmp_path / "x.onnx").metadata_props
    assert [(entry.key, entry.value) for entry in found] == [(ABOUT, '{"a": "two", "b": 1}')]
