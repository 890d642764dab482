"""The code of each stage, where it comes with an installed package and is no file of the repository.

A project's ``dvc.yaml`` (``cleanplate init`` writes it) can name no file of a package: packages lie elsewhere on every
machine. So its first stage, ``code``, runs each time and notes the digests of each stage's code in ``data/code``, a
file a stage, and each stage depends on its own: one that would run other code than at its last run is run again.
"""

import importlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from curation.identity import file_id, item_id
from curation.storage import writing

ROOMS = ("curation", "compositing", "training", "pipelines")
HERE = Path(__file__).resolve().parent
HOME = HERE.parent
"""What holds the four packages: the checkout, or the folder of the installed package."""
CODE = "code"
NOTES = Path("data/code")


def pipeline_text() -> str:
    """Cleanplate's own ``dvc.yaml``."""
    return (HOME / "dvc.yaml").read_text(encoding="utf-8")


def is_code(dep: str) -> bool:
    """Whether a dependency in Cleanplate's own ``dvc.yaml`` is code: decisions are data, wherever they lie."""
    return dep.split("/")[0] in ROOMS and not dep.endswith(".csv")


def note_path(stage: str) -> Path:
    """Where the digests of a stage's code are noted."""
    return NOTES / f"{stage}.json"


def write_notes(dvc_yaml: Path = Path("dvc.yaml")) -> None:
    """What the stage ``code`` does: note what each stage would run now, and say where ``dvc.yaml`` lags behind.

    Raises FileNotFoundError where there is no ``dvc.yaml``.
    """
    if not dvc_yaml.is_file():
        raise FileNotFoundError(f"{dvc_yaml.resolve()} is missing; 'cleanplate init' writes a project's")
    for stage, deps in _code().items():
        with writing(note_path(stage)) as temporary:
            temporary.write_text(_text(_digests(deps)), encoding="utf-8")
    late = lacks(YAML(typ="safe", pure=True).load(dvc_yaml.read_text(encoding="utf-8")))
    if late:
        print(
            f"{dvc_yaml} lacks what the installed Cleanplate has: {'; '.join(late)}. Stages may not see what they "
            "depend on; 'cleanplate init --force' writes it anew",
            flush=True,
        )


def lacks(project: Mapping[str, Any]) -> list[str]:
    """Say what stages, parameters, data and outputs Cleanplate's own pipeline has and a project's has not."""
    found = []
    for stage, own in _stages().items():
        entry = project["stages"].get(stage)
        if entry is None:
            found.append(f"stage {stage}")
            continue
        for kind in ("params", "deps", "outs", "metrics"):
            there = {str(item) for item in entry.get(kind, [])}
            missing = [str(item) for item in own.get(kind, []) if not (kind == "deps" and is_code(item))]
            found += [f"{kind} of {stage}: {item}" for item in missing if item not in there]
    return found


def noted(stage: str, entry: Mapping[str, Any]) -> dict[str, str]:
    """The digests of a stage's code, file or folder -> digest; empty where ``entry``, of dvc.yaml, asks for no note.

    Raises ValueError where the note is missing or is not about the code that runs now: DVC would record the outputs as
    made by other code.
    """
    path = note_path(stage)
    if path.as_posix() not in entry.get("deps", []):
        return {}
    found = _digests(_code()[stage])
    if not path.is_file() or path.read_text(encoding="utf-8") != _text(found):
        raise ValueError(f"{path} does not tell the code that is installed now; run 'dvc repro code', then this again")
    return found


def _stages() -> dict[str, Any]:
    return _parsed(pipeline_text())


@cache
def _parsed(text: str) -> dict[str, Any]:
    return dict(YAML(typ="safe", pure=True).load(text)["stages"])


def _code() -> dict[str, list[str]]:
    return {stage: [dep for dep in entry["deps"] if is_code(dep)] for stage, entry in _stages().items()}


def _digests(deps: list[str]) -> dict[str, str]:
    return {dep: _digest(HOME / dep) for dep in deps}


def _digest(path: Path) -> str:
    if path.is_file():
        return file_id(path)
    files = sorted(file for file in path.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return item_id(*(part for file in files for part in (file.relative_to(path).as_posix(), file_id(file))))


def _text(digests: Mapping[str, str]) -> str:
    return json.dumps(digests, indent=1) + "\n"


def run_stage(stage: str) -> None:
    """Run a stage as a program. Raises ValueError for a name that is none."""
    if stage == CODE:
        return write_notes()
    from pipelines.stage import run

    run(stage, importlib.import_module(stage_module(stage)).body)


def stage_module(stage: str) -> str:
    """The name of the module whose ``body`` a stage is. Raises ValueError for a name that is no stage."""
    if stage not in _code():
        raise ValueError(f"there is no stage '{stage}'; the stages are {CODE}, {', '.join(_code())}")
    return f"{__package__}.{stage}.__main__" if (HERE / stage).is_dir() else f"{__package__}.{stage}"
