"""Writes the network as it is: ONNX for any size or one, and a TorchScript trace."""

import contextlib
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx
import torch

from training.export.inputs import LARGEST, SMALLEST, random_pairs
from training.network import RefineNetwork, RefineOutput

OPSET = 20
OUTPUTS = RefineOutput._fields
ABOUT = "cleanplate"
"""Key of an ONNX file's metadata: JSON that says what network it is."""
PATHS = ".debug_pkl"
"""How the members of a TorchScript file end that name the source files of whoever made it."""


def export_onnx(
    network: RefineNetwork,
    path: Path,
    height: int,
    width: int,
    fixed: bool = False,
    about: Mapping[str, Any] | None = None,
) -> None:
    """Write one ONNX file (weights inside, opset 20), a frame at a time.

    Inputs ``src`` and ``bgr``, (1, 3, H, W) float32 RGB in [0, 1]; outputs named as in :class:`RefineOutput`. H and W
    are any multiples of 4 from 128 to 8192, or with ``fixed`` exactly ``height`` and ``width``. In ``sampling`` mode
    the number of patches is a constant of the file. ``about`` goes into its metadata.

    Raises ValueError for a size that is no multiple of 4, and for ``thresholding``, whose number of patches depends on
    the picture.
    """
    check_size(height, width)
    if network.refiner.mode == "thresholding":
        raise ValueError("refine_mode 'thresholding' has no fixed number of patches; export 'sampling' or 'full'")

    rows, columns = (torch.export.Dim(name, min=SMALLEST // 4, max=LARGEST // 4) for name in ("rows", "columns"))
    sizes = {2: 4 * rows, 3: 4 * columns}
    with torch.no_grad(), quiet():
        program = torch.onnx.export(
            network,
            _example(height, width),
            dynamo=True,
            opset_version=OPSET,
            input_names=["src", "bgr"],
            output_names=list(OUTPUTS),
            dynamic_shapes=None if fixed else (sizes, dict(sizes)),
            verbose=False,
        )
    assert program is not None
    save_onnx(program.model_proto, path, about or {})


def save_onnx(model: onnx.ModelProto, path: Path, about: Mapping[str, Any]) -> None:
    """Write a model with ``about`` as its only metadata.

    Exporters note the source line of every node, with the folder it lay in: other bytes in every checkout.
    """
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]
    onnx.helper.set_model_props(model, {ABOUT: json.dumps(about, sort_keys=True)})
    path.write_bytes(model.SerializeToString(deterministic=True))


def export_torchscript(network: RefineNetwork, path: Path, height: int, width: int) -> None:
    """Write a TorchScript trace for frames of exactly (height, width); inputs and outputs as of the ONNX file."""
    check_size(height, width)
    with torch.no_grad(), quiet(), tempfile.TemporaryDirectory() as folder:
        # The archive's name becomes that of its folder inside.
        whole = Path(folder) / path.name
        trace: Any = torch.jit.trace
        torch.jit.save(trace(network, _example(height, width), check_trace=False), whole)
        _without_paths(whole, path)


def _without_paths(source: Path, target: Path) -> None:
    reader = torch._C.PyTorchFileReader(str(source))
    writer = torch._C.PyTorchFileWriter(str(target))
    written = writer.get_all_written_records()
    for name in reader.get_all_records():
        if name not in written and not name.endswith(PATHS) and not name.startswith(".data/") and name != "version":
            content = reader.get_record(name)
            writer.write_record(name, content, len(content))
    writer.write_end_of_file()


def check_size(height: int, width: int) -> None:
    """Raise ValueError where a size is none that files are made for."""
    if height % 4 or width % 4 or min(height, width) < SMALLEST or max(height, width) > LARGEST:
        raise ValueError(f"export size {width}x{height}: sides must be multiples of 4 from {SMALLEST} to {LARGEST}")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
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


def _example(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    pair = random_pairs(height, width)[0]
    return pair.src, pair.bgr
