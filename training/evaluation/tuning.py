"""Tuning the classical baseline over shards, in parts; free of torch, so that its workers start at once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compositing.codec import decode_grey_layer
from compositing.shards.reader import ShardReader
from compositing.tables import STRENGTHS
from training.evaluation import baseline

MEAN = "mean.npy"
TUNED = "tuned.json"
CLASSICAL = "classical.json"


@dataclass(frozen=True)
class Classical:
    """The frozen baseline: what it takes to make its matte at any strength."""

    mean: NDArray[np.float32]
    """(h, w) the training set's mean matte, 0 to 1."""
    tuned: Mapping[str, baseline.Tuned]
    """By strength."""


@dataclass(frozen=True)
class MeanTask:
    """Average the mattes of the training set. Goes to a worker process as it is."""

    shards: Path
    table: Path
    train_set: str = "refine"


@dataclass(frozen=True)
class TuneTask:
    """Tune the baseline for one strength on ``valid``."""

    shards: Path
    table: Path
    strength: str
    mean: Path


def mean_part(task: MeanTask, folder: Path) -> None:
    """Write the mean matte, at the size of the test set, into an empty folder."""
    test = ShardReader(task.shards, task.table, "test")
    height, width = decode_grey_layer(test.read_members(0, ("pha.png",))["pha.png"]).shape
    train = ShardReader(task.shards, task.table, task.train_set)
    mattes = (decode_grey_layer(train.read_members(i, ("pha.png",))["pha.png"]) for i in range(len(train)))
    np.save(folder / MEAN, baseline.mean_matte(mattes, height, width))


def strengths(shards: Path, table: Path) -> list[str]:
    """The strengths that the test set has, mildest first."""
    there = set(ShardReader(shards, table, "test").recipes()["strength"])
    return [strength for strength in STRENGTHS if strength in there]


def tune_tasks(shards: Path, table: Path, mean: Path) -> dict[str, TuneTask]:
    """One task a strength of the test set; ``mean`` is the folder that :func:`mean_part` filled."""
    return {f"tune-{s}": TuneTask(shards, table, s, mean / MEAN) for s in strengths(shards, table)}


def tune_part(task: TuneTask, folder: Path) -> None:
    """Write the winner at one strength into an empty folder. Raises ValueError where ``valid`` lacks the strength."""
    mean = np.load(task.mean)
    reader = ShardReader(task.shards, task.table, "valid", {"strength": task.strength})
    samples = (reader.read(i, recipe=False) for i in range(len(reader)))
    tuned = baseline.tune([baseline.measure(s.src, s.bgr, s.pha, mean) for s in samples])
    values = {"strength": task.strength, **tuned.to_json()}
    (folder / TUNED).write_text(json.dumps(values, indent=1), encoding="utf-8")


def read_classical(mean: Path, tuned: Sequence[Path]) -> Classical:
    """Read the folders that :func:`mean_part` and :func:`tune_part` filled."""
    by_strength = {}
    for folder in tuned:
        values = json.loads((folder / TUNED).read_text(encoding="utf-8"))
        by_strength[values.pop("strength")] = baseline.Tuned.from_json(values)
    return Classical(np.load(mean / MEAN), by_strength)


def write_classical(classical: Classical, folder: Path) -> dict[str, Path]:
    """Write a tuned baseline into a folder, for :func:`load_classical`; file name -> file."""
    files = {MEAN: folder / MEAN, CLASSICAL: folder / CLASSICAL}
    np.save(files[MEAN], classical.mean)
    values = {strength: tuned.to_json() for strength, tuned in classical.tuned.items()}
    files[CLASSICAL].write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    return files


def load_classical(folder: Path) -> Classical:
    """Read what :func:`write_classical` wrote. Raises FileNotFoundError naming the stage that makes it."""
    if not (folder / CLASSICAL).is_file():
        raise FileNotFoundError(
            f"{folder / CLASSICAL} is missing, so the classical baseline is not tuned; run 'dvc repro evaluate' or "
            "'dvc pull evaluate'"
        )
    values = json.loads((folder / CLASSICAL).read_text(encoding="utf-8"))
    tuned = {strength: baseline.Tuned.from_json(each) for strength, each in values.items()}
    return Classical(np.load(folder / MEAN), tuned)
