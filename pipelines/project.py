"""``cleanplate init``: what a project of one's own needs, written into a git repository."""

import configparser
import shlex
import subprocess
from importlib.resources import files
from io import StringIO
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ruamel.yaml import YAML

from curation.decisions import COLUMNS
from curation.storage import writing
from pipelines.installed import HOME, NOTES, is_code, note_path, pipeline_text
from pipelines.params import ParamsError, load
from pipelines.presets import preset_text

DECISIONS = Path("curation/decisions.csv")
LINES = {".gitignore": "gitignore", ".dvcignore": "dvcignore"}
"""Files that are added to, a line at a time, and where their lines are."""
HEAD = """\
# Cleanplate's pipeline, written by 'cleanplate init'; after an upgrade, 'cleanplate init --force' writes it anew.
# Stages of your own are better in a dvc.yaml of another folder, which 'dvc repro --all-pipelines' runs as well.
# The stage 'code' runs each time and notes which code of the installed package each stage would run, so that a stage
# whose code an upgrade changed runs again, and no other does.
"""


class Written(NamedTuple):
    """What became of one file."""

    path: str
    what: Literal["written", "overwritten", "added to", "kept"]


def pipeline() -> str:
    """A project's ``dvc.yaml``: Cleanplate's own, with commands and code of the installed package."""
    yaml = YAML()
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 120
    whole = yaml.load(pipeline_text())
    for stage, entry in whole["stages"].items():
        entry["cmd"] = f"cleanplate run {stage}"
        deps = [dep for dep in entry["deps"] if not is_code(dep)]
        entry["deps"] = [*deps, note_path(stage).as_posix()]
    first = {"cmd": "cleanplate run code", "always_changed": True, "outs": [NOTES.as_posix()]}
    whole["stages"].insert(0, "code", first)
    out = StringIO()
    yaml.dump(whole, out)
    return HEAD + out.getvalue().replace("\n  sample:\n", "\n\n  sample:\n", 1)


def init(folder: Path, force: bool = False, git: bool = False) -> list[Written]:
    """Write a project's files into ``folder`` and return what became of each. Twice is as good as once.

    ``dvc.yaml`` and a ``params.yaml`` that does not fit are overwritten only with ``force``; ignore files and DVC's
    configuration are added to, and what they say already stands; decisions and a ``params.yaml`` that fits are kept.

    Args:
        folder: in a git repository, its top or below it; made where it is missing.
        force: overwrite.
        git: make a git repository where there is none.

    Raises:
        FileExistsError: naming what would be overwritten; nothing was written then.
        ValueError: ``folder`` is in no git repository, or it is Cleanplate's own checkout.
    """
    if folder.resolve() == HOME:
        raise ValueError(f"'{folder}' is Cleanplate's own checkout, which has its pipeline; give another folder")
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"'{folder}' is a file; give a folder")
    top = _git_top(folder, git)
    whole = {"dvc.yaml": pipeline(), "params.yaml": preset_text("sample")}
    keep = {name for name, text in whole.items() if _stands(folder / name, text)}
    differ = [name for name in whole if (folder / name).exists() and name not in keep]
    if differ and not force:
        raise FileExistsError(
            f"{' and '.join(str(folder / name) for name in differ)} would be overwritten, so nothing was written; "
            "init another folder (one below it will do), or overwrite with --force"
        )
    dvc = _dvc_folder(folder, top)
    named = ".dvc" if dvc.parent == folder else str(dvc)
    done = [
        Written(f"{named}/config", _configure(dvc)),
        Written(f"{named}/.gitignore", _add_lines(dvc / ".gitignore", _starter("dvc-gitignore"))),
    ]
    for name, text in whole.items():
        if name not in keep:
            _write(folder / name, text)
        done.append(Written(name, "kept" if name in keep else "overwritten" if name in differ else "written"))
    done += [Written(name, _add_lines(folder / name, _starter(source))) for name, source in LINES.items()]
    decisions = folder / DECISIONS
    done.append(Written(DECISIONS.as_posix(), "kept" if decisions.exists() else "written"))
    if not decisions.exists():
        _write(decisions, ",".join(COLUMNS) + "\n")
    return done


def _stands(path: Path, text: str) -> bool:
    """Whether a file is there and need not be written: it says the same or, of parameters, what fits."""
    if not path.is_file():
        return False
    if path.name != "params.yaml":
        return path.read_text(encoding="utf-8", errors="replace") == text
    try:
        load(path)
    except (ParamsError, UnicodeDecodeError):
        return False
    return True


def _dvc_folder(folder: Path, top: Path) -> Path:
    """The ``.dvc`` of the DVC project that ``folder`` is part of, else one of its own.

    Of a second DVC project inside the first, the first one's stages could use no file.
    """
    for above in folder.resolve().parents:
        if not above.is_relative_to(top):
            break
        if (above / ".dvc").is_dir() and not (folder / ".dvc").is_dir():
            return above / ".dvc"
    return folder / ".dvc"


def _git_top(folder: Path, make: bool) -> Path:
    """The top of the git repository around ``folder``; one is made of ``folder`` where there is none and ``make``."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())
    try:
        told = subprocess.run(
            ["git", "-C", str(there), "rev-parse", "--show-toplevel"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise FileNotFoundError("git is not on PATH, and a project is a git repository; install git") from error
    if told.returncode == 0:
        return Path(told.stdout.removesuffix("\n")).resolve()
    if "not a git repository" not in told.stderr:
        raise ValueError(f"'{there}' cannot hold a project: {told.stderr.strip()}")
    if not make:
        raise ValueError(
            f"'{folder}' is in no git repository, and a project is one: decisions and dvc.lock live in it. Give --git, "
            f"or run first: git init {shlex.quote(str(folder))}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["git", "-C", str(folder), "init", "--quiet"], check=True)
    return folder.resolve()


def _starter(name: str) -> str:
    return (files(__package__) / "starter" / name).read_text(encoding="utf-8")


def _write(path: Path, text: str) -> None:
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _add_lines(path: Path, text: str) -> Literal["written", "added to", "kept"]:
    if not path.exists():
        _write(path, text)
        return "written"
    before = path.read_text(encoding="utf-8")
    missing = [line for line in text.splitlines() if line not in before.splitlines()]
    if not missing:
        return "kept"
    gap = "" if before.endswith("\n") or not before else "\n"
    _write(path, before + gap + "\n".join(missing) + "\n")
    return "added to"


def _configure(folder: Path) -> Literal["written", "added to", "kept"]:
    """Write DVC's configuration, or add to one what it does not say."""
    text = _starter("dvc-config")
    if not (folder / "config").is_file():
        _write(folder / "config", text)
        return "written"
    from dvc.config import Config
    from dvc.exceptions import DvcException

    wanted = configparser.ConfigParser()
    wanted.read_string(text)
    try:
        config = Config(dvc_dir=str(folder))
        known: dict[str, dict[str, Any]] = config.load_one("repo")
        missing = [
            (section, key, value.strip('"'))
            for section in wanted.sections()
            for key, value in wanted[section].items()
            if key not in known.get(section, {})
        ]
        if not missing:
            return "kept"  # to open it for changes would write it anew
        with config.edit("repo") as changed:
            for section, key, value in missing:
                changed.setdefault(section, {})[key] = value
    except DvcException as error:
        raise ValueError(f"{folder / 'config'} cannot be read by DVC, mend or remove it: {error}") from error
    return "added to"
