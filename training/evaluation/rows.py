"""The rows of the evaluation table: every method on every sample of the frozen test set.

Alpha is compared in float, without rounding to 8 bits. Everything runs in float32, a fixed number of samples at a time
and on one thread a process, so that the numbers do not depend on the number of workers.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from compositing.codec import encode_png
from compositing.shards.reader import Sample, ShardReader
from training.devices.device import choose_device
from training.evaluation import metrics
from training.evaluation.choosing import Project, build_methods
from training.evaluation.gallery import picture
from training.evaluation.methods import Prediction, colour
from training.evaluation.tables import MEASURES, METHODS
from training.evaluation.tuning import Classical

ROWS = "rows.json"


@dataclass(frozen=True)
class EvaluateTask:
    """A few samples of the test set. Goes to a worker process as it is."""

    shards: Path
    table: Path
    base: Path
    refine: Path
    accelerator: str
    positions: tuple[int, ...]
    classical: Classical


def tasks(
    shards: Path, table: Path, base: Path, refine: Path, accelerator: str, batch: int, classical: Classical
) -> dict[str, EvaluateTask]:
    """Cut the test set into tasks of ``batch`` samples."""
    count = len(ShardReader(shards, table, "test"))
    starts = range(0, count, batch)
    return {
        f"test-{start:06d}": EvaluateTask(
            shards, table, base, refine, accelerator, tuple(range(start, min(start + batch, count))), classical
        )
        for start in starts
    }


def evaluate_part(task: EvaluateTask, folder: Path) -> None:
    """Measure a few samples: rows into ``rows.json``, the alphas that the gallery may show as ``ID.METHOD.png``."""
    device, _ = choose_device(task.accelerator)
    reader = ShardReader(task.shards, task.table, "test")
    samples = [reader.read(position) for position in task.positions]
    project = Project(task.base, task.refine, device, task.classical)
    found = {method.name: method.predict(samples) for method in build_methods(METHODS, project)}
    rows = []
    for at, sample in enumerate(samples):
        for method, predictions in found.items():
            rows.append({**_identity(sample), "method": method, **measure(predictions[at], sample)})
        for method in ("classical", "refine"):
            alpha = np.rint(found[method][at].pha * 255).astype(np.uint8)
            (folder / picture(sample.recipe["composite_id"], method)).write_bytes(encode_png(alpha))
    (folder / ROWS).write_text(json.dumps(rows), encoding="utf-8")


def measure(prediction: Prediction, sample: Sample) -> dict[str, float | None]:
    """Compare a prediction with the truth: MEASURES of the evaluation table, None where there is nothing to compare."""
    truth = sample.pha.astype(np.float32) / 255
    regions = metrics.by_region(prediction.pha, truth)
    found = {
        **metrics.whole_image(prediction.pha, truth)._asdict(),
        "mad_zero": regions.background,
        "mad_soft": regions.soft,
        "mad_one": regions.foreground,
        "fgr_mad": metrics.foreground(prediction.fgr, colour(sample.fgr), truth).mad,
    }
    return {name: None if math.isnan(found[name]) else found[name] for name in MEASURES}


def _identity(sample: Sample) -> dict[str, Any]:
    recipe = sample.recipe
    names = ("composite_id", "ordinal", "strength", "case", "scene", "indoor", "clip", "frame")
    soft = (sample.pha > 0) & (sample.pha < 255)
    return {
        **{name: recipe[name] for name in names},
        "coverage": float(sample.pha.mean(dtype=np.float64) / 255),
        "soft": float(soft.mean(dtype=np.float64)),
    }


def collect(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Read the rows of all parts; they fit ``training.evaluation.tables.EVALUATION``."""
    return [row for folder in folders for row in json.loads((folder / ROWS).read_text(encoding="utf-8"))]
