"""Stage ``evaluate``: test set and models -> metrics, a row a sample and method, pictures."""

import json
import logging
from pathlib import Path

from curation.tables import write_table
from pipelines.engine import run_parts
from pipelines.stage import Stage, run
from training.devices.device import choose_device
from training.evaluation import gallery, rows, summary, tuning
from training.evaluation.tables import EVALUATION

SHARDS, TABLE = Path("data/shards"), Path("data/shards.parquet")
BASE, REFINE = Path("data/models/base.safetensors"), Path("data/models/refine.safetensors")

log = logging.getLogger("cleanplate.evaluate")


def body(stage: Stage) -> None:
    """Tune the classical baseline on valid, run every method over test, and sum up."""
    params, parts, folder = stage.params.evaluate, stage.work.parts, stage.work.folder
    device, why = choose_device(params.accelerator)
    log.info("evaluating on %s: %s", device, why)
    (mean,) = run_parts({"mean": tuning.MeanTask(SHARDS, TABLE)}, tuning.mean_part, parts, "mean matte")
    tuned = run_parts(tuning.tune_tasks(SHARDS, TABLE, mean), tuning.tune_part, parts, "tuning the classical baseline")
    classical = tuning.read_classical(mean, tuned)
    tasks = rows.tasks(SHARDS, TABLE, BASE, REFINE, params.accelerator, params.batch, classical)
    measured = run_parts(tasks, rows.evaluate_part, parts, "measuring test samples")
    found = rows.collect(measured)
    values = summary.summary(found, classical)

    alphas = {file.name: file for part in measured for file in part.glob("*.png")}
    chosen = gallery.choose(found, list(classical.tuned), params.gallery)
    files = gallery.write_gallery(SHARDS, TABLE, chosen, alphas, folder / "gallery")
    files |= {f"alphas/{name}": alphas[name] for name in gallery.kept(found, sorted(alphas))}
    files["by_method.json"] = folder / "by_method.json"
    files["by_method.json"].write_text(json.dumps(summary.plot_rows(values), indent=1) + "\n", encoding="utf-8")
    stage.work.link_tree(files, Path("data/evaluation"))
    write_table(EVALUATION, found, folder / "evaluation.parquet")
    stage.work.link_file(folder / "evaluation.parquet", Path("data/evaluation.parquet"))
    stage.write_metrics(values)
    for line in summary.lines(values):
        log.info("%s", line)


if __name__ == "__main__":
    run("evaluate", body)
