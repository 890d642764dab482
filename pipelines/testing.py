"""What the stage ``evaluate`` and the command ``cleanplate evaluate`` share: methods by name, test sets by folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from curation.identity import item_id
from pipelines.engine import run_parts
from pipelines.params import Params
from pipelines.paths import PATHS, find_paths_file, find_weights
from pipelines.scan import tree_digest
from training.evaluation import rows, summary
from training.evaluation.choosing import NAMED, Project
from training.testsets.composed import ComposedSet, ComposeTask, compose_part
from training.testsets.opening import COMPOSED
from training.testsets.pictures import open_folder, open_rvm
from training.testsets.testset import TestSet

REVISION = "rev:"


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


def name_methods(asked: Sequence[str]) -> tuple[tuple[str, ...], dict[str, Path]]:
    """Tell names from files: the names of all methods, in their order, and the file of each that has one.

    A file is called by its name without the ending where that is free. Raises FileNotFoundError for one that is not
    there, ValueError for a method named twice, and for a revision, which a stage cannot depend on.
    """
    names: list[str] = []
    files: dict[str, Path] = {}
    for each in asked:
        if each.startswith(REVISION):
            raise ValueError(
                f"evaluate.methods: '{each}' is for the command alone: 'cleanplate evaluate --method {each}'"
            )
        name = each
        if each not in NAMED:
            path = Path(each)
            name = next((n for n in (path.stem, path.name, each) if n not in names and n not in NAMED), each)
            files[name] = find_weights(each).resolve()
        if name in names:
            raise ValueError(f"method '{each}' is named twice")
        names.append(name)
    return tuple(names), files


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


def testset_folders() -> dict[str, tuple[Path, Path | None]]:
    """Folder and backgrounds of each test set by name, from ``testsets`` in paths.yaml; empty where there are none."""
    file = find_paths_file()
    if file is None or not file.is_file():
        return {}
    values: Mapping[str, Any] = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8")) or {}
    found = {}
    for name, known in (values.get("testsets") or {}).items():
        backgrounds = known.get("backgrounds")
        found[str(name)] = (file.parent / known["folder"], file.parent / backgrounds if backgrounds else None)
    return found


def digest_of(asked: Asked) -> str:
    """Digest of names and sizes of a test set's files. Raises FileNotFoundError for a missing folder."""
    for folder in (asked.root, asked.backgrounds):
        if folder is not None and not folder.is_dir():
            raise FileNotFoundError(f"test set '{asked.name}': '{folder}' is not a folder; check it in {PATHS}")
    return item_id(*(tree_digest(folder) for folder in (asked.root, asked.backgrounds) if folder is not None))
