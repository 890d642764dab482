"""Stage ``export``: the refine network -> ONNX and TorchScript, each checked against PyTorch and measured."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipelines.engine import run_parts
from pipelines.stage import Stage, run
from training import export
from training.config import Variant
from training.export.making import OPENVINO, REDUCED

SHARDS, TABLE = Path("data/shards"), Path("data/shards.parquet")
REFINE = Path("data/models/refine.safetensors")

log = logging.getLogger("cleanplate.export")


def body(stage: Stage) -> None:
    """Make and check the files side by side; one that disagrees with PyTorch fails the stage."""
    params = stage.params.export
    folders: dict[str, Path] = {}

    def make(variants: Sequence[Variant], source: Path | None, describe: str) -> None:
        tasks: dict[str, export.ExportTask] = {
            each: export.ExportTask(each, REFINE, SHARDS, TABLE, params, source) for each in variants
        }
        folders.update(zip(tasks, run_parts(tasks, export.export_part, stage.work.parts, describe), strict=True))

    reduced = [variant for variant in params.variants if variant in REDUCED]
    whole = [variant for variant in params.variants if variant not in REDUCED]
    make(whole if "onnx" in whole or not reduced else ["onnx", *whole], None, "exporting")
    if reduced:
        make(reduced, folders["onnx"] / export.FILES["onnx"], "reducing")

    checks: dict[str, Any] = {variant: export.read_check(folders[variant]) for variant in params.variants}
    in_openvino = {variant: check.pop(OPENVINO) for variant, check in checks.items() if OPENVINO in check}
    about = stage.work.folder / "export.json"
    about.write_text(json.dumps(export.card(REFINE, params, checks), indent=1) + "\n", encoding="utf-8")
    files = {export.FILES[variant]: folders[variant] / export.FILES[variant] for variant in params.variants}
    stage.work.link_tree({**files, about.name: about}, Path("data/export"))
    stage.write_metrics(checks)
    for variant, check in checks.items():
        log.info(
            "%s: %.1f MB, MAD %.2f against %.2f of PyTorch (x 1000), alpha off by %.1e in the mean, %.1e at most",
            export.FILES[variant], check["bytes"] / 1e6, check["mad"], check["mad_pytorch"],
            check["real"]["pha_mean"], check["real"]["pha_max"],
        )  # fmt: skip
    for variant, found in in_openvino.items():
        log.info(
            "%s in OpenVINO: alpha off by %.1e in the mean, %.1e at most",
            export.FILES[variant], found["pha_mean"], found["pha_max"],
        )  # fmt: skip


if __name__ == "__main__":
    run("export", body)
