"""Plan rows -> finished shards: one part a shard, with its index and what it counted."""

import json
import logging
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from compositing.codec import decode_rgb_layer, pixel_hash
from compositing.inputs import InputRoots, Inputs
from compositing.memory import keep_freed_memory
from compositing.plan.planrows import PlanRows, needed_frames
from compositing.render import Layers, render
from compositing.shards.parquet import Place, write_parquet
from compositing.shards.reader import RenderParams
from compositing.shards.tar import Span, write_tar
from compositing.tables import SETS, SHARDS
from curation.identity import content_id, file_id
from curation.tables import read_table, write_table

INDEX = "index.parquet"
COUNTS = "counts.json"
NAMED = 5
"""Failed composites that an error names one by one."""

log = logging.getLogger("cleanplate.render")


class RenderError(ValueError):
    """Composites that could not be rendered."""


class ShardTask(NamedTuple):
    """One shard to make: the rows of a set from ``first`` up to ``stop``."""

    plan: Path
    frames: Path
    roots: InputRoots
    params: RenderParams
    set_name: str
    number: int
    first: int
    stop: int

    @property
    def name(self) -> str:
        """The shard's path below the shards folder."""
        return f"{self.set_name}/{self.number:06d}.{self.params.format}"


def shard_tasks(plan: Path, frames: Path, roots: InputRoots, params: RenderParams) -> dict[str, ShardTask]:
    """Cut every set of a plan into shards: part key -> task. Raises FileNotFoundError for a missing table."""
    counts = PlanRows(plan).counts
    tasks: dict[str, ShardTask] = {}
    for set_name in SETS:
        count = counts.get(set_name, 0)
        for number, first in enumerate(range(0, count, params.samples_per_shard)):
            stop = min(first + params.samples_per_shard, count)
            tasks[f"{set_name}-{number:06d}"] = ShardTask(plan, frames, roots, params, set_name, number, first, stop)
    return tasks


def render_shard(task: ShardTask, folder: Path) -> None:
    """Render one shard into an empty folder: the shard, its SHARDS rows and its counts.

    Raises RenderError naming the composites that could not be made, each with its reason; the others of the shard
    are tried first, so that one run tells all.
    """
    keep_freed_memory()
    rows, inputs = _open(task)
    shard = _Shard(task, rows, inputs)
    write = write_tar if task.params.format == "tar" else write_parquet
    places: dict[str, Any] = write(folder / Path(task.name).name, shard.samples())
    if shard.failures:
        raise RenderError(explain_failures(shard.failures, task.name))
    write_table(SHARDS, shard.index(places, file_id(folder / Path(task.name).name)), folder / INDEX)
    (folder / COUNTS).write_text(json.dumps(shard.counts, sort_keys=True), encoding="utf-8")


def _open(task: ShardTask) -> tuple[list[dict[str, Any]], Inputs]:
    """Read the shard's rows, and what is needed of their frames; the row groups they came in are let go."""
    plan = PlanRows(task.plan).read(task.set_name, task.first, task.stop)
    return plan.to_pylist(), Inputs(task.roots, needed_frames(task.frames, plan))


def explain_failures(failures: list[str], name: str) -> str:
    """Say which composites of a shard failed and why, the first few by name."""
    more = f" (and {len(failures) - NAMED} more)" if len(failures) > NAMED else ""
    return (
        f"{len(failures)} composites of {name} cannot be rendered: {'; '.join(failures[:NAMED])}{more}; "
        "mend the files or reject the photographs ('cleanplate browse backgrounds'), and run 'dvc repro' again"
    )


class _Shard:
    def __init__(self, task: ShardTask, rows: list[dict[str, Any]], inputs: Inputs) -> None:
        self.task = task
        self.rows = rows
        self.inputs = inputs
        self.failures: list[str] = []
        self.counts: dict[str, dict[str, float]] = defaultdict(lambda: {"samples": 0, "coverage": 0.0})
        self._hashes: dict[str, dict[str, str]] = {}
        self._digests: dict[str, dict[str, str]] = {}
        self._sizes: dict[str, dict[str, int]] = {}

    def samples(self) -> Iterator[tuple[str, dict[str, bytes]]]:
        """Render row after row, so that one composite at a time is in memory."""
        for row in self.rows:
            key = row["composite_id"]
            try:
                layers = render(row, *self.inputs.load(row), self.task.params.fgr_quality)
            except (OSError, ValueError) as error:
                text = str(error)
                self.failures.append(text if key in text else f"composite {key}: {text}")
                continue
            self._note(row, layers)
            yield key, layers.members

    def _note(self, row: dict[str, Any], layers: Layers) -> None:
        members = layers.members
        self._hashes[row["composite_id"]] = {
            **{name: pixel_hash(decode_rgb_layer(members[name])) for name in ("src.jpg", "bgr.jpg", "fgr.jpg")},
            "pha.png": pixel_hash(layers.pha),  # lossless
            "json": content_id(members["json"]),
        }
        self._digests[row["composite_id"]] = {name: content_id(data) for name, data in members.items()}
        self._sizes[row["composite_id"]] = {name: len(data) for name, data in members.items()}
        counts = self.counts[row["strength"]]
        counts["samples"] += 1
        counts["coverage"] += float(np.mean(layers.pha, dtype=np.float64)) / 255

    def index(self, places: dict[str, Any], digest: str) -> Iterator[dict[str, Any]]:
        """Give the SHARDS rows; ``digest`` is the finished file's."""
        for row in self.rows:
            key = row["composite_id"]
            for member, size in self._sizes[key].items():
                place = places[key] if isinstance(places[key], Place) else places[key][member]
                yield {
                    "set": row["set"],
                    "ordinal": row["ordinal"],
                    "composite_id": key,
                    "member": member,
                    "shard": self.task.name,
                    "offset": place.offset if isinstance(place, Span) else None,
                    "size": size,
                    "row_group": place.row_group if isinstance(place, Place) else None,
                    "row": place.row if isinstance(place, Place) else None,
                    "pixels": self._hashes[key][member],
                    "digest": self._digests[key][member],
                    "shard_digest": digest,
                }


class Gathered(NamedTuple):
    """All shards of a run."""

    files: dict[str, Path]
    """Path below the shards folder -> finished file."""
    parts: list[Path]
    """The part folders, in the order of the SHARDS table: by set, then ordinal."""
    metrics: dict[str, Any]
    """Samples, bytes and mean coverage by set and strength."""

    def table(self) -> Iterator[pa.Table]:
        """Give the SHARDS table, sorted, a shard's rows at a time."""
        for part in self.parts:
            yield read_table(SHARDS, part / INDEX)


def gather(tasks: dict[str, ShardTask], parts: list[Path]) -> Gathered:
    """Bring finished parts together, in the order of the tasks."""
    files: dict[str, Path] = {}
    counts: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    for task, part in zip(tasks.values(), parts, strict=True):
        files[task.name] = part / Path(task.name).name
        for strength, found in json.loads((part / COUNTS).read_text(encoding="utf-8")).items():
            total = counts[task.set_name].setdefault(strength, {"samples": 0, "coverage": 0.0})
            for name, value in found.items():
                total[name] += value
    places = sorted((task.set_name, task.first, number) for number, task in enumerate(tasks.values()))
    metrics: dict[str, Any] = {
        set_name: {
            strength: {"samples": int(c["samples"]), "mean_coverage": round(c["coverage"] / c["samples"], 6)}
            for strength, c in strengths.items()
        }
        for set_name, strengths in counts.items()
    }
    total_bytes = sum(file.stat().st_size for file in files.values())
    samples = sum(found["samples"] for strengths in metrics.values() for found in strengths.values())
    metrics["total"] = {"samples": samples, "shards": len(files), "bytes": total_bytes}
    return Gathered(files, [parts[number] for _, _, number in places], metrics)
