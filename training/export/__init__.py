"""The refine network as ONNX and TorchScript files, each checked against PyTorch before it counts as made."""

from training.export.check import Difference, ExportError, check_difference, compare, difference, measure
from training.export.files import OPSET, OUTPUTS, export_onnx, export_torchscript
from training.export.inputs import LARGEST, SMALLEST, Pair, other_size, random_pairs, real_pairs
from training.export.making import FILES, ExportTask, card, export_part, read_check
from training.export.reduced import to_fp16, to_int8
from training.export.runners import onnx_runner, openvino_runner, torchscript_runner

__all__ = [
    "FILES",
    "LARGEST",
    "OPSET",
    "OUTPUTS",
    "SMALLEST",
    "Difference",
    "ExportError",
    "ExportTask",
    "Pair",
    "card",
    "check_difference",
    "compare",
    "difference",
    "export_onnx",
    "export_part",
    "export_torchscript",
    "measure",
    "onnx_runner",
    "openvino_runner",
    "other_size",
    "random_pairs",
    "read_check",
    "real_pairs",
    "to_fp16",
    "to_int8",
    "torchscript_runner",
]
