"""Smaller ONNX files of the same network: half precision, and 8-bit convolutions."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.onnx_model import ONNXModel

from training.export.files import quiet, save_onnx
from training.export.inputs import Pair
from training.realtime.precision import FIRST

PARTS = ("backbone.", "aspp.", "decoder.", "refiner.")
LAST = ("decoder.conv4", "refiner.conv4")
"""The convolutions whose output is the result itself."""


def to_fp16(source: Path, target: Path, about: Mapping[str, Any]) -> None:
    """Write an ONNX file's copy that computes in half precision; inputs and outputs stay float32.

    Raises ValueError for a file with an output that is a constant, as ``static`` has in mode ``full``.
    """
    # Its package puts a folder of modules with everyday names on the import path: only where it is needed.
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = onnx.load(source)
    constants = {each.name for each in model.graph.initializer} & {each.name for each in model.graph.output}
    if constants:
        raise ValueError(
            f"{source}: output {', '.join(sorted(constants))} is a constant; give the file of any size (onnx)"
        )
    with quiet():
        half = ONNXModel(convert_float_to_float16(model, keep_io_types=True))
    # The casts of inputs were put at the end, which ONNX's own checker refuses.
    half.topological_sort()
    save_onnx(half.model, target, about)


def to_int8(source: Path, target: Path, pairs: Iterable[Pair], about: Mapping[str, Any]) -> None:
    """Write an ONNX file's copy whose convolutions multiply bytes, each tensor's range being that which ``pairs`` show.

    The encoder down to stride 4 and the convolutions that make the result stay in float32, and so does everything that
    is no convolution. A weight has 7 bits: processors without VNNI add two products in 16 bits and would cut them off.
    """
    model = onnx.load(source)
    kept = float_nodes(model)
    with quiet():
        quantize_static(
            model,
            target,
            _Calibration(pairs),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=kept,
            calibrate_method=CalibrationMethod.MinMax,
        )
    save_onnx(onnx.load(target), target, about)


def float_nodes(model: onnx.ModelProto) -> list[str]:
    """The convolutions that stay in float32, by node name."""
    first = tuple(f"backbone.{part}." for parts in FIRST.values() for part in parts)
    kept = first + tuple(f"{part}." for part in LAST)
    # A weight joined of two is that of the first layer, where the network is shown a difference as well.
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "Conv" and (node.input[1].startswith(kept) or not node.input[1].startswith(PARTS))
    ]


class _Calibration(CalibrationDataReader):  # type: ignore[misc]  # it comes without types
    def __init__(self, pairs: Iterable[Pair]) -> None:
        self._feeds: Iterator[dict[str, NDArray[np.float32]]] = (
            {"src": pair.src.numpy(), "bgr": pair.bgr.numpy()} for pair in pairs
        )

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._feeds, None)
