"""Stage ``evaluate``: test sets and models -> metrics, a row a sample and method, pictures."""

import json
import logging
from pathlib import Path

from curation.tables import write_table
from pipelines.engine import run_parts
from pipelines.methods import name_methods
from pipelines.stage import Stage, run
from pipelines.testing import asked_sets, measure_set, open_set
from training.devices.device import choose_device
from training.evaluation import gallery, rows, summary, tuning
from training.evaluation.choosing import Project
from training.evaluation.tables import EVALUATION, METHODS
from training.testsets.testset import FrozenTest

SHARDS, TABLE = Path("data/shards"), Path("data/shards.parquet")
BASE, REFINE = Path("data/models/base.safetensors"), Path("data/models/refine.safetensors")
PICTURED = ("classical", "refine")
NEIGHBOURS = 8
"""Samples of a further set that one task measures: frames of a clip share their photograph and their matte's clip."""

log = logging.getLogger("cleanplate.evaluate")


def body(stage: Stage) -> None:
    """Tune the classical baseline on valid, run every method over the test sets, and sum up."""
    params, parts, folder = stage.params.evaluate, stage.work.parts, stage.work.folder
    device, why = choose_device(params.accelerator)
    log.info("evaluating on %s: %s", device, why)
    (mean,) = run_parts({"mean": tuning.MeanTask(SHARDS, TABLE)}, tuning.mean_part, parts, "mean matte")
    tuned = run_parts(tuning.tune_tasks(SHARDS, TABLE, mean), tuning.tune_part, parts, "tuning the classical baseline")
    classical = tuning.read_classical(mean, tuned)
    more, files = name_methods(params.methods)
    project = Project(BASE, REFINE, device, classical, params.batch, files)
    methods = (*METHODS, *more)
    tasks = rows.tasks(FrozenTest(SHARDS, TABLE), params.batch, methods, project, PICTURED)
    measured = run_parts(tasks, rows.evaluate_part, parts, "measuring test samples")
    found = rows.collect(measured).rows
    values = summary.summary(found, classical)
    others = {
        asked.name: measure_set(
            open_set(asked, stage.params, parts), asked.real, methods, project, max(params.batch, NEIGHBOURS), parts
        )
        for asked in asked_sets(stage.params)
    }
    values["sets"] = {name: measured.summary for name, measured in others.items()}
    values["headline"] = summary.headline(stage.params.data.preset == "sample", values["sets"])

    made = tuning.write_classical(classical, folder)
    alphas = {file.name: file for part in measured for file in part.glob("*.png")}
    chosen = gallery.choose(found, list(classical.tuned), params.gallery)
    made |= gallery.write_gallery(SHARDS, TABLE, chosen, alphas, folder / "gallery")
    made |= {f"alphas/{name}": alphas[name] for name in gallery.kept(found, sorted(alphas))}
    made["by_method.json"] = folder / "by_method.json"
    made["by_method.json"].write_text(json.dumps(summary.plot_rows(values), indent=1) + "\n", encoding="utf-8")
    made["sets.parquet"] = folder / "sets.parquet"
    write_table(EVALUATION, [row for each in others.values() for row in each.rows], made["sets.parquet"])
    stage.work.link_tree(made, Path("data/evaluation"))
    write_table(EVALUATION, found, folder / "evaluation.parquet")
    stage.work.link_file(folder / "evaluation.parquet", Path("data/evaluation.parquet"))
    stage.write_metrics(values)
    for line in summary.lines(values):
        log.info("%s", line)


if __name__ == "__main__":
    run("evaluate", body)
