"""How many samples it takes to reach the published recipe's quality: two arms in one loop, and an ablation.

Both arms train the base network (MobileNetV2) by ``training.loop`` at the same precision, batch and crop, from
composites of the same photographs and mattes, and are scored on the same set, on which neither was tuned.
``published``: preset ``published`` (Adam, its rates, its losses, weights as its libraries draw them), composites with
its perturbations. ``ours``: preset ``sample``. Both get what the loop does for anyone: batch norm measured anew before
each validation, and the clamp that a matte can come back from, without which the published arm would be slower still.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from compositing.inputs import InputRoots
from compositing.plan.pairing import plan_chunks
from compositing.shards.reader import Sample, ShardReader
from compositing.shards.writer import gather, render_shard, shard_tasks
from compositing.tables import FRAMES, PLAN, SHARDS
from curation.identity import file_id
from curation.tables import VERDICTS, read_table, write_chunks
from pipelines.params import parse
from pipelines.paths import SAMPLE
from pipelines.presets import preset_text
from training.config import TrainParams
from training.loop import Readers, train

DATA = Path("data")
TABLE = Path("curves/plots/metrics/valid/mad.tsv")
LEVEL = 0.02
"""An arm that gains less than this share in its last quarter has levelled off."""

Curve = list[tuple[int, float]]
"""(samples seen, MAD x 10^3) at each validation."""


class Arm(NamedTuple):
    """A way to train."""

    name: str
    preset: Literal["sample", "published"]
    """Where its ``train_base`` comes from."""
    composites: Literal["sample", "published"]
    """Whose perturbations it sees."""
    changes: Mapping[str, Any] = {}
    """Keys of ``train_base``, dotted, and their values."""


PUBLISHED = Arm("published", "published", "published")
OURS = Arm("ours", "sample", "sample")


class Setting(NamedTuple):
    """What is the same in both arms."""

    crop: tuple[int, int]
    batch: int
    every: int
    """Steps between validations."""
    threads: int
    data: Path
    """Folder with ``shards`` and ``shards.parquet`` to score on."""
    set_name: str
    work: Path
    """Finished curves and checkpoints; a run that was stopped goes on from there."""


class Held:
    """A reader that keeps what it decoded: reading again costs nothing in either arm."""

    def __init__(self, reader: ShardReader) -> None:
        self.reader = reader
        self.kept: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self.reader)

    def read(self, position: int, recipe: bool = True) -> Sample:
        """The sample at a position."""
        if recipe:
            return self.reader.read(position)
        if position not in self.kept:
            self.kept[position] = self.reader.read(position, recipe=False)
        return self.kept[position]

    def recipes(self) -> pd.DataFrame:
        """One row a sample."""
        return self.reader.recipes()


def composites(kind: str, work: Path) -> Held:
    """The training set of an arm: the sample's own, or its photographs and mattes with the published perturbations."""
    if kind == "sample":
        return Held(ShardReader(DATA / "shards", DATA / "shards.parquet", "base"))
    folder = work / f"composites-{file_id(DATA / 'verdicts.parquet')[:8]}-{file_id(DATA / 'frames.parquet')[:8]}"
    if not (folder / "shards.parquet").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        _render_published(folder)
    return Held(ShardReader(folder / "shards", folder / "shards.parquet", "base"))


def _render_published(folder: Path) -> None:
    sample, published = (parse(preset_text(name)) for name in ("sample", "published"))
    base = sample.plan.base.model_copy(update={"scale": published.plan.base.scale})
    changes = {"look": published.plan.look, "train": published.plan.train, "base": base}
    plan = sample.plan.model_copy(update=changes)
    folder.mkdir(parents=True)
    verdicts, frames = read_table(VERDICTS, DATA / "verdicts.parquet"), read_table(FRAMES, DATA / "frames.parquet")
    write_chunks(PLAN, plan_chunks(verdicts, frames, plan), folder / "plan.parquet")
    roots = InputRoots({"places365": SAMPLE / "places365"}, DATA / "frames", SAMPLE / "videomatte")
    tasks = shard_tasks(folder / "plan.parquet", DATA / "frames.parquet", roots, sample.render)
    tasks = {key: task for key, task in tasks.items() if task.set_name == "base"}
    parts = []
    for key, task in tasks.items():
        parts.append(folder / "parts" / key)
        parts[-1].mkdir(parents=True)
        render_shard(task, parts[-1])
    made = gather(tasks, parts)
    for name, file in made.files.items():
        (folder / "shards" / name).parent.mkdir(parents=True, exist_ok=True)
        file.rename(folder / "shards" / name)
    write_chunks(SHARDS, made.table(), folder / "shards.parquet")


def parameters(arm: Arm, seed: int, steps: int, setting: Setting) -> TrainParams:
    """An arm's ``train_base``, with what both arms share."""
    values = parse(preset_text(arm.preset)).train_base.model_dump(mode="json")
    values |= {"backbone": "mobilenetv2", "precision": "bf16-mixed", "accelerator": "cpu", "backbone_scale": 0.5}
    values |= {"seed": seed, "steps": steps, "batch": setting.batch, "crop": list(setting.crop)}
    values |= {"threads": setting.threads, "validate_every": setting.every, "checkpoint_every": setting.every}
    for key, value in arm.changes.items():
        *above, last = key.split(".")
        section = values
        for step in above:
            section = section[step]
        section[last] = value
    return TrainParams.model_validate_json(json.dumps(values))


def curve(arm: Arm, seed: int, steps: int, setting: Setting) -> Curve:
    """Train an arm, or take its curve from the work folder; MAD is the mean over strengths.

    Where rates are constant, the curve of a longer run, finished or not, begins with that of a shorter one.
    """
    params = parameters(arm, seed, steps, setting)
    made_of = [params.model_dump(mode="json", exclude={"steps"}), arm.composites, setting.set_name]
    made_of += [file_id(DATA / "shards.parquet"), file_id(setting.data / "shards.parquet")]
    key = hashlib.blake2b(json.dumps(made_of, sort_keys=True).encode(), digest_size=6).hexdigest()
    folder = setting.work / f"{arm.name}-{steps}-{seed}-{key}"
    if params.schedule == "constant" and not params.crop_growth:
        for other in sorted(setting.work.glob(f"{arm.name}-*-{seed}-{key}")):
            rows = _validations(other) if (other / TABLE).is_file() else []
            if rows and rows[-1][0] >= steps:
                return [(step * params.batch, mad) for step, mad in rows if step <= steps]
    if not (folder / "base.safetensors").is_file():
        os.environ["CLEANPLATE_LOADERS"] = "0"  # what was decoded is kept in this process
        scored = ShardReader(setting.data / "shards", setting.data / "shards.parquet", setting.set_name)
        readers = Readers(composites(arm.composites, setting.work), Held(scored))  # type: ignore[arg-type]
        began = time.process_time()
        train("base", params, readers, folder, folder / "curves", data=key)
        spent = time.process_time() - began
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        print(f"{arm.name}, seed {seed}: {steps} steps, {spent:.0f} s of processor time", flush=True)
    return [(step * params.batch, mad) for step, mad in _validations(folder)]


def _validations(folder: Path) -> list[tuple[int, float]]:
    """(step, MAD x 10^3) of a run."""
    rows = pd.read_csv(folder / TABLE, sep="\t")
    return [(int(step), round(float(mad), 3)) for step, mad in rows[["step", "mad"]].to_numpy()]


class Outcome(NamedTuple):
    """What one seed's curves say."""

    ratio: float | None
    """Samples of ours over those of published to the target; None: ours never got there."""
    target: float
    """The published arm's best, MAD x 10^3."""
    published_samples: int
    """Until published was within 2 % of its best for the first time: before it gets to the target itself."""
    ours_samples: int | None
    """Until ours was at the target, and its later validations on average too."""
    last_quarter: float
    """Share by which published got better in its last quarter."""
    levelled: bool
    """Whether that is less than 2 %."""
    ours_at_equal_samples: float
    """The best of ours with as many samples as published saw."""


def outcome(published: Curve, ours: Sequence[Curve]) -> Outcome:
    """Compare an arm that levels off with runs of another, each as long as it was meant to be.

    Raises ValueError for a published curve of fewer than four validations, whose last quarter says nothing.
    """
    if len(published) < 4:
        raise ValueError(f"the published curve has {len(published)} validations; 4 or more are needed: raise --steps")
    total = published[-1][0]
    early = min(mad for seen, mad in published if seen <= max(published[0][0], total * 3 // 4))
    target = min(mad for _, mad in published)
    needed = next(seen for seen, mad in published if mad <= target * (1 + LEVEL))
    reached = [seen for run in ours if (seen := _reached(run, target)) is not None]
    gained = 1 - target / early
    return Outcome(
        ratio=round(min(reached) / needed, 4) if reached else None,
        target=target,
        published_samples=needed,
        ours_samples=min(reached, default=None),
        last_quarter=round(gained, 4),
        levelled=gained < LEVEL,
        ours_at_equal_samples=min(mad for run in ours for seen, mad in run if seen <= total),
    )


def _reached(run: Curve, target: float) -> int | None:
    for at, (seen, mad) in enumerate(run):
        rest = [value for _, value in run[at:]]
        if mad <= target and sum(rest) / len(rest) <= target:
            return seen
    return None


def compare_quality(steps: int, seeds: Sequence[int], shares: Sequence[float], setting: Setting) -> dict[str, Any]:
    """Run both arms for each seed, published for ``steps`` and ours for each of ``shares`` of that; print and return.

    ``samples_to_quality`` is the worst seed's, None where ours missed the target once.
    """
    found: dict[str, Any] = {"seeds": {}}
    outcomes = []
    for seed in seeds:
        published = curve(PUBLISHED, seed, steps, setting)
        ours = [curve(OURS, seed, round(steps * share), setting) for share in shares]
        outcomes.append(outcome(published, ours))
        found["seeds"][str(seed)] = {**outcomes[-1]._asdict(), "published": published, "ours": ours}
        print(f"seed {seed}: {outcomes[-1]}", flush=True)
    ratios = [result.ratio for result in outcomes]
    missed = any(ratio is None for ratio in ratios)
    found["samples_to_quality"] = None if missed else max(ratio for ratio in ratios if ratio is not None)
    found["levelled"] = all(result.levelled for result in outcomes)
    found["not_worse_at_equal_samples"] = all(r.ours_at_equal_samples <= r.target for r in outcomes)
    if not found["levelled"]:
        print("published still gained 2 % or more in its last quarter: the ratio is one for fewer steps than it needs")
    return found


ABLATIONS = (
    OURS,
    Arm("no difference shown", "sample", "sample", {"difference": "none"}),
    Arm("raw difference shown", "sample", "sample", {"difference": "raw"}),
    Arm("matched difference shown", "sample", "sample", {"difference": "matched"}),
    Arm("weights as published draw them", "sample", "sample", {"start": "published", "difference": "none"}),
    Arm("without Laplacian", "sample", "sample", {"losses.lap": 0.0}),
    Arm("with Laplacian", "sample", "sample", {"losses.lap": 1.0}),
    Arm("soft pixels count once", "sample", "sample", {"losses.soft": 0.0}),
    Arm("soft pixels count twice", "sample", "sample", {"losses.soft": 1.0}),
    Arm("no dropout", "sample", "sample", {"dropout": 0.0}),
    Arm("without gradient term", "sample", "sample", {"losses.grad": 0.0}),
    Arm("Adam, no decay", "sample", "sample", {"optimizer": "adam", "weight_decay": 0.0}),
    Arm("straight warm-up and cosine", "sample", "sample", {"schedule": "cosine", "warmup": 20}),
    Arm("constant rates", "sample", "sample", {"schedule": "constant", "warmup": 20}),
    Arm("constant rates, average", "sample", "sample", {"schedule": "constant", "warmup": 20, "ema": 0.98}),
    Arm("average", "sample", "sample", {"ema": 0.98}),
    Arm(
        "published rates",
        "sample",
        "sample",
        {"rates": {"backbone": 1e-4, "aspp": 5e-4, "decoder": 5e-4, "refiner": 5e-4}},
    ),
    Arm("crops of 64 that grow to 128", "sample", "sample", {"crop": [64, 128], "crop_growth": 0.75}),
    Arm("published perturbations", "sample", "published"),
    PUBLISHED,
)
"""Each is ours with one thing changed, in the order of the table; those that change nothing are left out."""


def ablate(steps: int, seeds: Sequence[int], setting: Setting, only: Sequence[str] = ()) -> str:
    """Train every ablation with every seed; a Markdown table of the last MAD, its spread, the change against ours."""
    own = parameters(OURS, 1, steps, setting)
    arms = [
        arm
        for arm in ABLATIONS
        if (arm is OURS or arm.composites != "sample" or parameters(arm, 1, steps, setting) != own)
        and (not only or arm is OURS or arm.name in only)
    ]
    lines = ["| arm | MAD x 10^3 | seeds | against ours |", "|---|---|---|---|"]
    means: dict[str, float] = {}
    for arm in arms:
        last = [curve(arm, seed, steps, setting)[-1][1] for seed in seeds]
        means[arm.name] = sum(last) / len(last)
        shown = ", ".join(f"{value:.1f}" for value in last)
        change = means[arm.name] / means[OURS.name] - 1
        lines.append(f"| {arm.name} | {means[arm.name]:.1f} | {shown} | {change:+.0%} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)
