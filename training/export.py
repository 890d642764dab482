"""The refine network as ONNX and TorchScript files, each checked against PyTorch before it counts as made."""

import contextlib
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compositing.shards.reader import ShardReader
from curation.identity import rng
from training.config import ExportParams
from training.network import RefineNetwork, RefineOutput
from training.network.resize import resize
from training.network.weights import load_refine

FILES: dict[str, str] = {"onnx": "refine.onnx", "torchscript": "refine.torchscript.pt"}
CHECK = "check.json"
OPSET = 20
TIE = 1e-4
"""Errors of two patches that differ by less are equal: which of them is refined hangs on the last bits."""
OUTPUTS = RefineOutput._fields
SMALLEST, LARGEST = 128, 8192
"""Sides that the ONNX file takes, pixels; multiples of 4."""
REAL_SAMPLES = 3


class Pair(NamedTuple):
    """One input to check with, float32 NCHW in [0, 1]."""

    name: str
    src: Tensor
    bgr: Tensor


class Difference(NamedTuple):
    """How far an exported network is from PyTorch, the worst over the inputs; 0 to 1."""

    pha_mean: float
    pha_max: float
    fgr_mean: float
    fgr_max: float
    other_patches: float
    """Share of the patches that one refined and the other did not, their errors being equal: not counted above."""


class ExportError(ValueError):
    """The exported file does not compute what the network computes."""


@dataclass(frozen=True)
class ExportTask:
    """One file to make. Goes to a worker process as it is."""

    format: str
    """A key of ``FILES``."""
    weights: Path
    shards: Path
    table: Path
    params: ExportParams


def export_part(task: ExportTask, folder: Path) -> None:
    """Make one file and ``check.json`` in an empty folder.

    Raises ExportError where the file disagrees with PyTorch by more than ``params.tolerance``.
    """
    network = load_refine(task.weights).eval()
    height, width = task.params.height, task.params.width
    pairs = [*random_pairs(height, width), *real_pairs(task.shards, task.table, height, width)]
    path = folder / FILES[task.format]
    if task.format == "onnx":
        export_onnx(network, path, height, width)
        pairs += random_pairs(*other_size(height, width))
        run = onnx_runner(path)
    else:
        export_torchscript(network, path, height, width)
        run = torchscript_runner(path)
    found = compare(network, run, pairs)
    check_difference(path.name, found, task.params.tolerance)
    values = {"inputs": len(pairs), **{name: round(value, 7) for name, value in found._asdict().items()}}
    (folder / CHECK).write_text(json.dumps(values), encoding="utf-8")


def read_check(folder: Path) -> dict[str, Any]:
    """Read what :func:`export_part` found: the number of inputs and the worst difference of each kind."""
    return dict(json.loads((folder / CHECK).read_text(encoding="utf-8")))


def check_difference(name: str, found: Difference, tolerance: float) -> None:
    """Raise ExportError where alpha or foreground is off by more than ``tolerance`` in the mean."""
    worst = max(found.pha_mean, found.fgr_mean)
    if not worst <= tolerance:  # so that NaN fails too
        raise ExportError(
            f"{name} differs from PyTorch by {found.pha_mean:.2g} in alpha and {found.fgr_mean:.2g} in foreground "
            f"(means), more than export.tolerance = {tolerance:g}; report it with the versions of torch and onnxruntime"
        )


def export_onnx(network: RefineNetwork, path: Path, height: int, width: int) -> None:
    """Write one ONNX file (weights inside, opset 20) for any multiple of 4 from 128 to 8192 a side, a frame at a time.

    Inputs ``src`` and ``bgr``, (1, 3, H, W) float32 RGB in [0, 1]; outputs named as in :class:`RefineOutput`. In
    ``sampling`` mode the number of patches is a constant of the file. Raises ValueError for an example size that is no
    multiple of 4, and for ``thresholding``, whose number of patches depends on the picture.
    """
    _check_size(height, width)
    if network.refiner.mode == "thresholding":
        raise ValueError("refine_mode 'thresholding' has no fixed number of patches; export 'sampling' or 'full'")

    rows, columns = (torch.export.Dim(name, min=SMALLEST // 4, max=LARGEST // 4) for name in ("rows", "columns"))
    sizes = {2: 4 * rows, 3: 4 * columns}
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            network,
            _example(height, width),
            dynamo=True,
            opset_version=OPSET,
            input_names=["src", "bgr"],
            output_names=list(OUTPUTS),
            dynamic_shapes=(sizes, dict(sizes)),
            verbose=False,
        )
    assert program is not None
    program.save(path, external_data=False)


def export_torchscript(network: RefineNetwork, path: Path, height: int, width: int) -> None:
    """Write a TorchScript trace for frames of exactly (height, width); inputs and outputs as of the ONNX file."""
    _check_size(height, width)
    with torch.no_grad(), _quiet():
        trace: Any = torch.jit.trace
        traced = trace(network, _example(height, width), check_trace=False)
        torch.jit.save(traced, path)


Runner = Callable[[Tensor, Tensor], RefineOutput]
"""An exported file that can be run: (src, bgr) -> what the network gives."""


def onnx_runner(path: Path) -> Runner:
    """Load an ONNX file with onnxruntime on the CPU."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])

    def run(src: Tensor, bgr: Tensor) -> RefineOutput:
        found = session.run(list(OUTPUTS), {"src": src.numpy(), "bgr": bgr.numpy()})
        return RefineOutput(*(torch.from_numpy(array) for array in found))

    return run


def torchscript_runner(path: Path) -> Runner:
    """Load a TorchScript file on the CPU."""
    with _quiet():
        module = torch.jit.load(path)  # type: ignore[no-untyped-call]

    def run(src: Tensor, bgr: Tensor) -> RefineOutput:
        with torch.no_grad():
            return RefineOutput(*module(src, bgr))

    return run


def compare(network: RefineNetwork, run: Runner, pairs: list[Pair]) -> Difference:
    """Run both on all inputs and return the worst difference of each kind."""
    worst = np.zeros(len(Difference._fields))
    for pair in pairs:
        with torch.no_grad():
            expected = network(pair.src, pair.bgr)
        worst = np.maximum(worst, difference(run(pair.src, pair.bgr), expected))
    return Difference(*(float(value) for value in worst))


def difference(found: RefineOutput, expected: RefineOutput) -> Difference:
    """How far one frame's result is from the network's, but for patches chosen at random between equals."""
    height, width = expected.pha.shape[-2:]
    tied = _tied(found, expected)
    counted = 1 - tied.float().repeat_interleave(4, 2).repeat_interleave(4, 3)[:, :, :height, :width]
    pixels = counted.sum().clamp(min=1)
    pha, fgr = (found.pha - expected.pha).abs() * counted, (found.fgr - expected.fgr).abs() * counted
    return Difference(
        pha_mean=(pha.sum() / pixels).item(),
        pha_max=pha.max().item(),
        fgr_mean=(fgr.sum() / (3 * pixels)).item(),
        fgr_max=fgr.max().item(),
        other_patches=tied.float().mean().item(),
    )


def _tied(found: RefineOutput, expected: RefineOutput) -> Tensor:
    """Where only one of the two refined a patch whose error is that of the last patch chosen."""
    chosen = expected.ref_sm > 0
    if not chosen.any():
        return torch.zeros_like(chosen)
    error = resize(expected.err_sm, (chosen.shape[-2], chosen.shape[-1]))
    return ((found.ref_sm > 0) != chosen) & ((error - error[chosen].min()).abs() < TIE)


def other_size(height: int, width: int) -> tuple[int, int]:
    """A size of another shape than the example's: a file that only claims to take any size fails there."""
    return max(SMALLEST, height // 8 * 4), max(SMALLEST, width // 6 * 4) + 4


def random_pairs(height: int, width: int) -> list[Pair]:
    """Noise: every pixel uncertain."""
    values = rng(0, "export", height, width).random((2, 1, 3, height, width), dtype=np.float32)
    src, bgr = torch.from_numpy(values)
    return [Pair(f"noise {width}x{height}", src, bgr)]


def real_pairs(shards: Path, table: Path, height: int, width: int) -> list[Pair]:
    """The first composites of the test set, resized to (height, width)."""
    reader = ShardReader(shards, table, "test")
    pairs = []
    for position in range(min(REAL_SAMPLES, len(reader))):
        sample = reader.read(position)
        layers = [_tensor(image, height, width) for image in (sample.src, sample.bgr)]
        pairs.append(Pair(str(sample.recipe["composite_id"]), *layers))
    return pairs


def card(weights: Path, params: ExportParams, checks: Mapping[str, Any]) -> dict[str, Any]:
    """What someone who runs the files must know, as plain values."""
    network = load_refine(weights)
    return {
        "backbone": network.backbone_name,
        "backbone_scale": network.backbone_scale,
        "refine_mode": network.refiner.mode,
        "refine_sample_pixels": network.refiner.sample_pixels,
        "inputs": dict.fromkeys(("src", "bgr"), "float32 (1, 3, H, W) RGB in [0, 1]"),
        "outputs": list(OUTPUTS),
        "files": {
            FILES["onnx"]: {"opset": OPSET, "sides": f"multiples of 4 from {SMALLEST} to {LARGEST}"},
            FILES["torchscript"]: {"height": params.height, "width": params.width},
        },
        "checked": dict(checks),
    }


def _tensor(image: NDArray[np.uint8], height: int, width: int) -> Tensor:
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return torch.from_numpy(resized).permute(2, 0, 1)[None].float().div(255).contiguous()


def _example(height: int, width: int) -> tuple[Tensor, Tensor]:
    pair = random_pairs(height, width)[0]
    return pair.src, pair.bgr


def _check_size(height: int, width: int) -> None:
    if height % 4 or width % 4 or min(height, width) < SMALLEST or max(height, width) > LARGEST:
        raise ValueError(f"export size {width}x{height}: sides must be multiples of 4 from {SMALLEST} to {LARGEST}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters' notes to themselves: none of them asks the user for anything."""
    names = ("torch.onnx", "onnxscript", "onnx_ir", "onnxscript.converter", "root")
    levels = {name: logging.getLogger(name).level for name in names}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
