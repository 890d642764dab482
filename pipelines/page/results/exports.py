"""The exported files: what each weighs, and what it costs in accuracy."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from pipelines.page.results.metrics import number

WHAT = {
    "onnx": "ONNX, any size",
    "static": "ONNX, one size",
    "fp16": "ONNX, any size, half precision",
    "int8": "ONNX, any size, convolutions in bytes",
    "torchscript": "TorchScript, one size",
}
ABSENT = "No file was exported; 'dvc repro export' makes what export.variants names."


class Export(NamedTuple):
    """A row of the table, as words."""

    file: str
    what: str
    megabytes: str
    mad: str
    """Mean absolute difference of alpha, times 1000."""
    more: str
    """Of it, what PyTorch does not have."""
    alpha: str
    """Largest mean difference of alpha from PyTorch's, in 1/255."""
    allowed: str
    """Bound of that, in 1/255."""


def chapter(found: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the table and how many composites it comes from; None where nothing was exported."""
    rows = [
        Export(
            str(check["file"]),
            WHAT.get(variant, variant),
            f"{check['bytes'] / 1e6:.1f}",
            number(check["mad"]),
            f"{check['mad_loss']:+.2f}",
            f"{255 * check['real']['pha_mean']:.3f}",
            f"{255 * check['bound']:.3f}",
        )
        for variant, check in found.items()
        if "file" in check  # an older run has none
    ]
    return {"rows": rows, "inputs": max(check["inputs"] for check in found.values())} if rows else None
