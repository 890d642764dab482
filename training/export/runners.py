"""Runs exported files on the CPU, other runtimes than PyTorch on one thread: sums hang on the number."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from training.export.files import OUTPUTS, quiet
from training.network import RefineOutput

Runner = Callable[[Tensor, Tensor], RefineOutput]
"""An exported file that can be run: (src, bgr) -> what the network gives."""


def onnx_runner(path: Path) -> Runner:
    """Load an ONNX file with onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def run(src: Tensor, bgr: Tensor) -> RefineOutput:
        found = session.run(list(OUTPUTS), {"src": src.numpy(), "bgr": bgr.numpy()})
        return RefineOutput(*(torch.from_numpy(array) for array in found))

    return run


def openvino_runner(path: Path) -> Runner | None:
    """Load an ONNX file with OpenVINO, in float32 where the file does not say otherwise; None: not installed."""
    if importlib.util.find_spec("openvino") is None:
        return None
    import openvino

    # Left to itself it computes in bfloat16 where the processor can.
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    model = openvino.Core().compile_model(path, "CPU", settings)

    def run(src: Tensor, bgr: Tensor) -> RefineOutput:
        found = model({"src": src.numpy(), "bgr": bgr.numpy()})
        return RefineOutput(*(torch.from_numpy(found[name]) for name in OUTPUTS))

    return run


def torchscript_runner(path: Path) -> Runner:
    """Load a TorchScript file."""
    with quiet():
        module = torch.jit.load(path)  # type: ignore[no-untyped-call]

    def run(src: Tensor, bgr: Tensor) -> RefineOutput:
        with torch.no_grad():
            return RefineOutput(*module(src, bgr))

    return run
