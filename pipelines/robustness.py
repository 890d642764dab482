"""Stage ``robustness``: test set and models -> error against what differs between the two captures, and probes."""

import json
import logging
from pathlib import Path

from curation.tables import write_table
from pipelines.engine import run_parts
from pipelines.methods import name_methods
from pipelines.stage import Stage, run
from training.devices.device import choose_device
from training.evaluation import probes, robustness, tuning
from training.evaluation.choosing import Project
from training.evaluation.tables import ROBUSTNESS

SHARDS, TABLE = Path("data/shards"), Path("data/shards.parquet")
BASE, REFINE = Path("data/models/base.safetensors"), Path("data/models/refine.safetensors")
EVALUATION = Path("data/evaluation")

log = logging.getLogger("cleanplate.robustness")


def body(stage: Stage) -> None:
    """Put a few samples through every sweep and probe, and sum up."""
    params, folder = stage.params.robustness, stage.work.folder
    device, why = choose_device(params.accelerator)
    log.info("measuring robustness on %s: %s", device, why)
    methods, files = name_methods(params.methods)
    project = Project(BASE, REFINE, device, tuning.load_classical(EVALUATION), files=files)
    tasks = robustness.tasks(SHARDS, TABLE, methods, project, params)
    measured = run_parts(tasks, robustness.robustness_part, stage.work.parts, "measuring robustness")
    found = robustness.collect(measured)
    values = robustness.summary(found)

    made = probes.write_montages(measured, folder / "pictures")
    for name, rows in robustness.plot_rows(values).items():
        made[name] = folder / name
        made[name].write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    stage.work.link_tree(made, Path("data/robustness"))
    write_table(ROBUSTNESS, found, folder / "robustness.parquet")
    stage.work.link_file(folder / "robustness.parquet", Path("data/robustness.parquet"))
    stage.write_metrics(values)
    for line in robustness.lines(values):
        log.info("%s", line)


if __name__ == "__main__":
    run("robustness", body)
