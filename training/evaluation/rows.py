"""The rows of the evaluation table: every method on every sample of a test set.

Alpha is compared in float, without rounding to 8 bits. Everything runs in float32, a fixed number of samples at a time
and on one thread a process, so that the numbers do not depend on the number of workers.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from compositing.codec import encode_png
from compositing.shards.reader import Sample
from training.evaluation import metrics
from training.evaluation.choosing import Project, build_methods
from training.evaluation.gallery import picture
from training.evaluation.methods import Floats, Prediction, colour
from training.evaluation.slices import colour_distance
from training.evaluation.tables import MEASURES
from training.testsets.testset import FrozenTest, TestSet, Unusable

ROWS = "rows.json"
IDENTITY = ("composite_id", "ordinal", "strength", "case", "scene", "indoor", "clip", "frame", "motion")


@dataclass(frozen=True)
class EvaluateTask:
    """A few neighbouring samples of a test set. Goes to a worker process as it is."""

    samples: TestSet
    positions: range
    methods: tuple[str, ...]
    project: Project
    pictures: tuple[str, ...] = ()
    """The methods whose alphas are kept as pictures."""


class Found(NamedTuple):
    """What the parts of a test set add up to."""

    rows: list[dict[str, Any]]
    """They fit ``training.evaluation.tables.EVALUATION``."""
    unusable: list[Unusable]
    """The samples that could not be read."""


def tasks(
    samples: TestSet, batch: int, methods: Sequence[str], project: Project, pictures: Sequence[str] = ()
) -> dict[str, EvaluateTask]:
    """Cut a test set into tasks of ``batch`` samples."""
    return {
        f"{samples.name}-{start:06d}": EvaluateTask(
            samples, range(start, min(start + batch, len(samples))), tuple(methods), project, tuple(pictures)
        )
        for start in range(0, len(samples), batch)
    }


def evaluate_part(task: EvaluateTask, folder: Path) -> None:
    """Measure a few samples: rows into ``rows.json``, the alphas that the gallery may show as ``ID.METHOD.png``.

    A sample of a folder that cannot be read goes into ``rows.json`` with the reason; one of the shards is an error.
    """
    first = task.positions[0]
    # Flicker needs the frame before, which another task measures.
    lead = 1 if task.samples.follows(first) else 0
    read, unusable = _read(task.samples, range(first - lead, task.positions[-1] + 1))
    samples = list(read.values())
    predicted = {
        method.name: dict(zip(read, method.predict(samples), strict=True))
        for method in build_methods(task.methods, task.project)
    }
    rows = []
    for position in (p for p in task.positions if p in read):
        sample = read[position]
        before = read.get(position - 1) if task.samples.follows(position) else None
        identity = {"set": task.samples.name, **_identity(sample)}
        for method, predictions in predicted.items():
            figures = measure(predictions[position], sample)
            if before is not None:
                figures["dtssd"] = _flicker(predictions[position].pha, predictions[position - 1].pha, sample, before)
            rows.append({**identity, "method": method, **figures})
        for method in task.pictures:
            alpha = np.rint(predicted[method][position].pha * 255).astype(np.uint8)
            (folder / picture(sample.recipe["composite_id"], method)).write_bytes(encode_png(alpha))
    told = [list(each) for position, each in unusable.items() if position in task.positions]
    (folder / ROWS).write_text(json.dumps({"rows": rows, "unusable": told}), encoding="utf-8")


def _read(samples: TestSet, positions: range) -> tuple[dict[int, Sample], dict[int, Unusable]]:
    read: dict[int, Sample] = {}
    unusable: dict[int, Unusable] = {}
    for position in positions:
        try:
            read[position] = samples.read(position)
        except (ValueError, OSError) as error:
            if isinstance(samples, FrozenTest):
                raise
            unusable[position] = Unusable(f"sample {position}", str(error))
    return read, unusable


def measure(prediction: Prediction, sample: Sample) -> dict[str, float | None]:
    """Compare a prediction with the truth: MEASURES of the evaluation table, None where there is nothing to compare."""
    truth = sample.pha.astype(np.float32) / 255
    trimap = metrics.make_trimap(truth)
    whole, inside = metrics.both_conventions(prediction.pha, truth, trimap)
    unknown = int((trimap == metrics.UNKNOWN).sum())
    regions = metrics.by_region(prediction.pha, truth)
    found = {
        **whole._asdict(),
        "mad_zero": regions.background,
        "mad_soft": regions.soft,
        "mad_one": regions.foreground,
    }
    if unknown:
        found |= {
            "sad_unknown": inside.sad,
            "mad_unknown": 1e6 * inside.sad / unknown,
            "mse_unknown": 1e3 * inside.mse,
            "grad_unknown": inside.grad,
            "conn_unknown": inside.conn,
        }
    if sample.recipe.get("fgr_known", True):
        seen = metrics.foreground(prediction.fgr, colour(sample.fgr), truth)
        found |= {"fgr_mad": seen.mad, "fgr_mse": seen.mse}
    return {name: _known(found.get(name, math.nan)) for name in MEASURES}


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _flicker(pha: Floats, pha_before: Floats, sample: Sample, before: Sample) -> float | None:
    if sample.pha.shape != before.pha.shape:
        return None
    true, true_before = (s.pha.astype(np.float32) / 255 for s in (sample, before))
    return metrics.dtssd(pha, pha_before, true, true_before)


def _identity(sample: Sample) -> dict[str, Any]:
    soft = (sample.pha > 0) & (sample.pha < 255)
    return {
        **{name: sample.recipe.get(name) for name in IDENTITY},
        "coverage": float(sample.pha.mean(dtype=np.float64) / 255),
        "soft": float(soft.mean(dtype=np.float64)),
        "colour_distance": colour_distance(sample),
    }


def collect(folders: Sequence[Path]) -> Found:
    """Read what all parts found."""
    parts = [json.loads((folder / ROWS).read_text(encoding="utf-8")) for folder in folders]
    return Found(
        [row for part in parts for row in part["rows"]],
        [Unusable(*each) for part in parts for each in part["unusable"]],
    )
