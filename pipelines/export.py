"""Stage ``export``: the refine network -> ONNX and TorchScript, each checked against PyTorch."""

import json
import logging
from pathlib import Path

from pipelines.engine import run_parts
from pipelines.stage import Stage, run
from training import export

SHARDS, TABLE = Path("data/shards"), Path("data/shards.parquet")
REFINE = Path("data/models/refine.safetensors")

log = logging.getLogger("cleanplate.export")


def body(stage: Stage) -> None:
    """Make and check both files side by side; a file that disagrees with PyTorch fails the stage."""
    params = stage.params.export
    tasks = {kind: export.ExportTask(kind, REFINE, SHARDS, TABLE, params) for kind in export.FILES}
    folders = run_parts(tasks, export.export_part, stage.work.parts, "exporting")
    checks = {kind: export.read_check(folder) for kind, folder in zip(tasks, folders, strict=True)}
    about = stage.work.folder / "export.json"
    about.write_text(json.dumps(export.card(REFINE, params, checks), indent=1) + "\n", encoding="utf-8")
    files = {export.FILES[kind]: folder / export.FILES[kind] for kind, folder in zip(tasks, folders, strict=True)}
    stage.work.link_tree({**files, about.name: about}, Path("data/export"))
    stage.write_metrics(checks)
    for kind, check in checks.items():
        log.info("%s: alpha is off by %.1e in the mean, %.1e at most", kind, check["pha_mean"], check["pha_max"])


if __name__ == "__main__":
    run("export", body)
