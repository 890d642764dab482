"""One exported file: made, checked against PyTorch, measured on composites, described."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training.config import ExportParams, Variant
from training.export.check import Difference, check_difference, compare, measure
from training.export.files import OPSET, OUTPUTS, export_onnx, export_torchscript
from training.export.inputs import LARGEST, SMALLEST, other_size, random_pairs, real_pairs
from training.export.reduced import to_fp16, to_int8
from training.export.runners import Runner, onnx_runner, openvino_runner, torchscript_runner
from training.network import RefineNetwork
from training.network.weights import load_refine, load_space

FILES: dict[str, str] = {
    "onnx": "refine.onnx",
    "static": "refine.static.onnx",
    "fp16": "refine.fp16.onnx",
    "int8": "refine.int8.onnx",
    "torchscript": "refine.torchscript.pt",
}
REDUCED: tuple[Variant, ...] = ("fp16", "int8")
"""Made out of the file ``onnx``."""
FIXED: tuple[Variant, ...] = ("static", "torchscript")
"""Of one size."""
CHECK = "check.json"
OPENVINO = "openvino"
"""Key of the worst differences in OpenVINO, where it is installed; no metric, which every machine has."""
IN_OPENVINO = 3
"""Composites that are run there."""


@dataclass(frozen=True)
class ExportTask:
    """One file to make. Goes to a worker process as it is."""

    variant: Variant
    """A key of ``FILES``."""
    weights: Path
    shards: Path
    table: Path
    params: ExportParams
    source: Path | None = None
    """The file ``onnx``, for those that are made out of it."""


def export_part(task: ExportTask, folder: Path) -> None:
    """Make one file and ``check.json`` in an empty folder.

    Raises ExportError where the file disagrees with PyTorch by more than ``params.tolerance`` allows.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # the order of sums, and with it the last bit, hangs on the number
    try:
        network = load_refine(task.weights).eval()
        path = folder / FILES[task.variant]
        _make(network, task, path)
        found = {"file": path.name, **_check(network, task, path)}
    finally:
        torch.set_num_threads(before)
    (folder / CHECK).write_text(json.dumps(found), encoding="utf-8")


def read_check(folder: Path) -> dict[str, Any]:
    """Read what :func:`export_part` found.

    ``file``, its name; ``bytes``; ``bound`` of the mean differences; ``random`` and ``real``: the worst differences on
    noise and on composites, as of :class:`training.export.check.Difference`; ``inputs``: composites; ``mad``,
    ``mad_pytorch`` and ``mad_loss``: mean absolute difference from true alpha times 1000, of the file, of PyTorch, and
    the first less the second. Where OpenVINO is installed, ``openvino``: the worst differences there.
    """
    return dict(json.loads((folder / CHECK).read_text(encoding="utf-8")))


def describe(weights: Path, variant: Variant | None = None) -> dict[str, Any]:
    """What network a file holds: in ``export.json``, and in the metadata of each ONNX file."""
    network = load_refine(weights)
    about = {
        "backbone": network.backbone_name,
        "backbone_scale": network.backbone_scale,
        "refine_mode": network.refiner.mode,
        "refine_sample_pixels": network.refiner.sample_pixels,
        "space": load_space(weights),
    }
    return about if variant is None else {**about, "variant": variant}


def card(weights: Path, params: ExportParams, checks: Mapping[str, Any]) -> dict[str, Any]:
    """What someone who runs the files must know, as plain values."""
    return {
        **describe(weights),
        "inputs": dict.fromkeys(("src", "bgr"), "float32 (1, 3, H, W) RGB in [0, 1]"),
        "outputs": list(OUTPUTS),
        "files": {FILES[variant]: _shape(variant, params) for variant in params.variants},
        "checked": dict(checks),
    }


def _shape(variant: Variant, params: ExportParams) -> dict[str, Any]:
    opset = {} if variant == "torchscript" else {"opset": OPSET}
    if variant in FIXED:
        return {**opset, "height": params.height, "width": params.width}
    return {**opset, "sides": f"multiples of 4 from {SMALLEST} to {LARGEST}"}


def _make(network: RefineNetwork, task: ExportTask, path: Path) -> None:
    size = (task.params.height, task.params.width)
    if task.variant == "torchscript":
        export_torchscript(network, path, *size)
        return
    about = describe(task.weights, task.variant)
    if task.variant in ("onnx", "static"):
        export_onnx(network, path, *size, fixed=task.variant == "static", about=about)
        return
    assert task.source is not None
    if task.variant == "fp16":
        to_fp16(task.source, path, about)
    else:
        pairs = real_pairs(task.shards, task.table, *size, task.params.calibration, "refine")
        to_int8(task.source, path, pairs, about)


def _check(network: RefineNetwork, task: ExportTask, path: Path) -> dict[str, Any]:
    params, size = task.params, (task.params.height, task.params.width)
    bound, key = _bound(task)
    advice = (
        f"raise it, or take {task.variant} out of export.variants"
        if task.variant in REDUCED
        else "report it with the versions of torch and onnxruntime"
    )
    run = torchscript_runner(path) if task.variant == "torchscript" else onnx_runner(path)
    noise = random_pairs(*size)
    if task.variant not in FIXED:
        noise += random_pairs(*other_size(*size))
    random = compare(network, run, noise)
    check_difference(path.name, random, bound, key, advice)
    real = measure(network, run, real_pairs(task.shards, task.table, *size, params.samples))
    check_difference(path.name, real.difference, bound, key, advice)
    other = None if task.variant == "torchscript" else openvino_runner(path)
    in_openvino = {} if other is None else {OPENVINO: _check_openvino(network, task, path, other)}
    return {
        **in_openvino,
        "bytes": path.stat().st_size,
        "bound": bound,
        "inputs": real.inputs,
        "random": _rounded(random),
        "real": _rounded(real.difference),
        "mad": round(real.mad, 3),
        "mad_pytorch": round(real.mad_pytorch, 3),
        "mad_loss": round(real.mad - real.mad_pytorch, 3) + 0.0,  # no -0.0
    }


def _check_openvino(network: RefineNetwork, task: ExportTask, path: Path, run: Runner) -> dict[str, float]:
    size = (task.params.height, task.params.width)
    found = compare(network, run, [*random_pairs(*size), *real_pairs(task.shards, task.table, *size, IN_OPENVINO)])
    bound, key = _bound(task)
    check_difference(f"{path.name} in OpenVINO", found, bound, key, "report it with the version of openvino")
    return _rounded(found)


def _bound(task: ExportTask) -> tuple[float, str]:
    key = task.variant if task.variant in REDUCED else "float32"
    return float(getattr(task.params.tolerance, key)), key


def _rounded(found: Difference) -> dict[str, float]:
    return {name: round(value, 7) for name, value in found._asdict().items()}
