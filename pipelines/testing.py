"""What the stage ``evaluate`` and the command ``cleanplate evaluate`` share: test sets by folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from curation.identity import item_id
from pipelines.engine import run_parts
from pipelines.params import Params
from pipelines.paths import PATHS, find_paths_file, testset_folders
from pipelines.scan import tree_digest
from training.evaluation import rows, summary
from training.evaluation.choosing import Project
from training.testsets.composed import ComposedSet, ComposeTask, compose_part
from training.testsets.opening import COMPOSED
from training.testsets.pictures import open_folder, open_rvm
from training.testsets.testset import TestSet


class Asked(NamedTuple):
    """A further test set, as somebody asked for it."""

    name: str
    layout: str
    """One of ``training.testsets.opening.LAYOUTS``."""
    root: Path
    backgrounds: Path | None
    """Photographs to composite over; None where the layout needs none."""
    real: bool
    """Whether its mattes are of real people."""


class Measured(NamedTuple):
    """What came out of a test set."""

    rows: list[dict[str, Any]]
    """They fit ``training.evaluation.tables.EVALUATION``."""
    summary: dict[str, Any]
    """``sets.NAME`` of metrics/evaluate.json."""


def measure_set(
    samples: TestSet, real: bool, methods: Sequence[str], project: Project, batch: int, parts: Path
) -> Measured:
    """Run methods over a test set and sum up. Raises ValueError where nothing could be measured."""
    tasks = rows.tasks(samples, batch, methods, project)
    found = rows.collect(run_parts(tasks, rows.evaluate_part, parts, f"measuring '{samples.name}'"))
    unusable = [*samples.unusable, *found.unusable]
    return Measured(found.rows, summary.set_summary(samples.name, found.rows, real, unusable))


def open_set(asked: Asked, params: Params, parts: Path) -> TestSet:
    """Open a test set; mattes alone are stored and planned first, among the parts.

    Raises FileNotFoundError or ValueError naming what is missing.
    """
    if asked.layout not in COMPOSED:
        return (open_rvm if asked.layout == "rvm" else open_folder)(asked.name, asked.root)
    if asked.backgrounds is None:
        raise ValueError(
            f"test set '{asked.name}': layout {asked.layout} holds mattes alone; name a folder of photographs without "
            "people to composite them over: --backgrounds DIR"
        )
    frames = params.evaluate.frames
    task = ComposeTask(asked.name, asked.layout, asked.root, asked.backgrounds, params.plan, params.mattes, frames)
    (folder,) = run_parts({f"compose-{asked.name}": task}, compose_part, parts, f"composing '{asked.name}'")
    return ComposedSet(asked.name, folder, asked.backgrounds, frames)


def asked_sets(params: Params) -> list[Asked]:
    """The test sets of ``evaluate.sets``, with the folders of paths.yaml.

    Raises FileNotFoundError or ValueError naming the line that is missing, or the set that changed since its scan.
    """
    folders = testset_folders()
    found = []
    for name, known in params.evaluate.sets.items():
        if name not in folders:
            raise FileNotFoundError(
                f"test set '{name}' has no folder in {find_paths_file() or PATHS}; run 'cleanplate use testset {name} "
                "FOLDER', or take it out of evaluate.sets in params.yaml"
            )
        asked = Asked(name, known.layout, *folders[name], known.real)
        if known.digest != digest_of(asked):
            raise ValueError(f"test set '{name}' ({asked.root}) changed since it was scanned; run 'cleanplate scan'")
        found.append(asked)
    return found


def digest_of(asked: Asked) -> str:
    """Digest of names and sizes of a test set's files. Raises FileNotFoundError for a missing folder."""
    for folder in (asked.root, asked.backgrounds):
        if folder is not None and not folder.is_dir():
            raise FileNotFoundError(f"test set '{asked.name}': '{folder}' is not a folder; check it in {PATHS}")
    return item_id(*(tree_digest(folder) for folder in (asked.root, asked.backgrounds) if folder is not None))
