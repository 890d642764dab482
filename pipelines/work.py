"""Work folders: where finished parts wait until DVC has recorded the output they make up.

DVC deletes a half-made output, and a whole one whose stage it could not record. So parts live outside the
outputs, in ``.work/STAGE-FINGERPRINT/`` (or below ``$CLEANPLATE_WORK``), and an output is made of hard links to
them. The fingerprint covers what DVC would look at: the stage's parameters and the files it depends on, code included.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from filelock import FileLock, Timeout
from ruamel.yaml import YAML

from curation.identity import file_id, item_id
from curation.storage import is_remote, open_store, writing
from pipelines import installed

T = TypeVar("T")
CODE_SUFFIXES = {".py", ".yaml", ".csv", ".html", ".css", ".js", ".j2", ".txt"}
CODE_FOLDERS = installed.ROOMS
WHERE = ("devices",)
"""Parameters of a stage that say where it runs: other devices go on with what these have begun."""
STALE_DAYS = 7
ORPHAN_SECONDS = 30.0


class BusyError(RuntimeError):
    """Another process works on the same stage with the same inputs."""


def work_root() -> Path:
    """The folder that holds all work folders; where they are shared through an object store, this machine's own."""
    asked = os.environ.get("CLEANPLATE_WORK") or ".work"
    if is_remote(asked):
        return Path(".work")
    store = open_store(asked)
    return Path(store.root)


def work_url() -> str | None:
    """The object store through which shares of a stage's parts meet, or None where they share a folder."""
    asked = os.environ.get("CLEANPLATE_WORK") or ""
    return asked if is_remote(asked) else None


def _load_yaml(path: Path) -> dict[str, Any]:
    return dict(YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8")) or {}) if path.is_file() else {}


def _digest(path: Path) -> str:
    if path.is_file():
        return file_id(path)
    if not path.is_dir():
        return "missing"
    parts: list[str | int] = []
    for file in sorted(p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts):
        # Data folders carry their content's hashes in a table beside them: names and sizes are enough there.
        parts += [file.relative_to(path).as_posix()]
        parts += [file_id(file) if file.suffix in CODE_SUFFIXES else file.stat().st_size]
    return item_id(*parts)


def fingerprint(stage: str, dvc_yaml: Path = Path("dvc.yaml"), params_yaml: Path = Path("params.yaml")) -> str:
    """Hash everything that ``dvc.yaml`` says the stage depends on: parameters (but :data:`WHERE`), data and code.

    Raises KeyError where dvc.yaml has no such stage, ValueError where it runs other code than was noted.
    """
    stages = _load_yaml(dvc_yaml)["stages"]
    if stage not in stages:
        raise KeyError(f"{dvc_yaml}: no stage '{stage}'; it has {', '.join(stages)}")
    entry = stages[stage]
    installed.noted(stage, entry)
    values = _load_yaml(params_yaml)
    parts: list[str | int] = [stage, str(entry["cmd"])]
    for key in entry.get("params", []):
        value: Any = values
        for step in str(key).split("."):
            value = value[step]
        if isinstance(value, Mapping):
            value = {name: entry for name, entry in value.items() if name not in WHERE}
        parts += [str(key), json.dumps(value, sort_keys=True)]
    for dep in entry.get("deps", []):
        parts += [str(dep), _digest(Path(dep))]
    return item_id(*parts)[:16]


def code_digests(stage: str, dvc_yaml: Path = Path("dvc.yaml")) -> dict[str, str]:
    """Hash each file or folder of code that ``dvc.yaml`` says the stage depends on, without its data and parameters."""
    entry = _load_yaml(dvc_yaml)["stages"][stage]
    deps = [str(dep) for dep in entry["deps"]]
    here = {dep: _digest(Path(dep)) for dep in deps if dep.split("/")[0] in CODE_FOLDERS}
    return here | installed.noted(stage, entry)


def code_digest(stage: str, dvc_yaml: Path = Path("dvc.yaml")) -> str:
    """Hash all of :func:`code_digests`."""
    return item_id(*(word for item in code_digests(stage, dvc_yaml).items() for word in item))


def file_md5(path: Path) -> str:
    """Hash a file as DVC does: MD5, 32 hex digits."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


class WorkFolder:
    """The parts of one stage run, kept over kills and restarts."""

    def __init__(self, stage: str, folder: Path) -> None:
        self.stage = stage
        self.folder = folder
        self.parts = folder / "parts"
        self._published: dict[str, str] = {}

    def link_file(self, source: Path, out: Path) -> None:
        """Publish one file of the work folder as the stage's output ``out``."""
        link(source, out)
        self._published[out.as_posix()] = file_md5(out)

    def link_tree(self, files: Mapping[str, Path], out: Path) -> None:
        """Publish files as the output folder ``out``: relative path -> file of the work folder."""
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        for name, source in files.items():
            link(source, out / name)

    def seal(self) -> None:
        """Note that the outputs are whole; from here on the folder may go once dvc.lock records them."""
        with writing(self.folder / "published.json") as temporary:
            temporary.write_text(json.dumps({"stage": self.stage, "outs": self._published}), encoding="utf-8")


def link(source: Path, out: Path) -> None:
    """Hard-link a finished file into place, or copy it where links cannot cross."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.unlink(missing_ok=True)
    try:
        out.hardlink_to(source)
    except OSError:
        with writing(out) as temporary:
            shutil.copyfile(source, temporary)


class Share(NamedTuple):
    """Which of a stage's parts a process makes: every ``of``-th, beginning with the ``number``-th, from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> "Share":
        """Read ``2/4``. Raises ValueError for anything that is no share."""
        found = re.fullmatch(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,8})", text)
        if not found or int(found[1]) > int(found[2]):
            raise ValueError(f"--part is '{text}'; expected a number and how many there are, such as 1/2 or 2/2")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.number} of {self.of}"

    def take(self, tasks: Mapping[str, T]) -> dict[str, T]:
        """Its own of all tasks."""
        return dict(list(tasks.items())[self.number - 1 :: self.of])

    @property
    def lock(self) -> str:
        """Name of its lock file."""
        return f"lock-{self.number}-of-{self.of}"


@contextmanager
def work_folder(stage: str, key: str | None = None, share: Share | None = None) -> Iterator[WorkFolder]:
    """Take the stage's work folder: alone, or beside those that make other shares of its parts.

    A run whose ``dvc`` was killed stops by itself within seconds, so a held lock is waited for a while.
    Raises BusyError naming the process that holds it.
    """
    folder = work_root() / f"{stage}-{key or fingerprint(stage)}"
    folder.mkdir(parents=True, exist_ok=True)
    parts = folder / "parts"
    parts.mkdir(exist_ok=True)
    lock = folder / ("lock" if share is None else share.lock)
    with _held(stage, lock, ORPHAN_SECONDS):
        # Its own lock first, then a look at the others': of two that start at once, one at least sees the other.
        # Shares of one cut have no part in common, those of another may.
        others = sorted(folder.glob("lock-*-of-*"))
        if share is not None:
            others = [folder / "lock", *(each for each in others if not each.name.endswith(f"-of-{share.of}"))]
        for other in others:
            if other.exists():
                with _held(stage, other, 0):
                    pass
        if share is None:
            for left in parts.glob(".*.tmp"):  # half-made by a killed run
                shutil.rmtree(left, ignore_errors=True)
        os.utime(folder)
        yield WorkFolder(stage, folder)


@contextmanager
def _held(stage: str, path: Path, seconds: float) -> Iterator[None]:
    """Hold a lock file, and say beside it who does. Raises BusyError."""
    owner = path.with_name(path.name.replace("lock", "owner", 1))
    lock = FileLock(path, timeout=seconds)
    try:
        lock.acquire()
    except Timeout:
        who, _, machine = (owner.read_text() if owner.is_file() else "unknown").partition(" ")
        part = path.name.removeprefix("lock").strip("-").replace("-", " ")
        where = f" on machine {machine}" if machine not in ("", platform.node()) else ""
        raise BusyError(
            f"{stage}: process {who}{where} already works in {path.parent}{f' on part {part}' if part else ''}; "
            f"wait for it, or stop it with 'kill {who}'{where} and try again"
        ) from None
    try:
        if seconds:
            owner.write_text(f"{os.getpid()} {platform.node()}")
        yield
    finally:
        lock.release()


def sweep(dvc_lock: Path = Path("dvc.lock"), going_on: str = "") -> list[Path]:
    """Remove the work folders whose outputs dvc.lock records, and those left unused for a week.

    ``going_on`` names the one that is about to be used again: it is never too old, however long its run lay still
    and whatever the clock says.
    """
    removed: list[Path] = []
    root = work_root()
    if not root.is_dir():
        return removed
    stages = _load_yaml(dvc_lock).get("stages", {})
    for folder in sorted(p for p in root.iterdir() if any(p.glob("lock*"))):
        stale = folder.name != going_on and time.time() - folder.stat().st_mtime > STALE_DAYS * 86_400
        if not (stale or _recorded(folder, stages)):
            continue
        try:
            with ExitStack() as locks:
                for lock in sorted(folder.glob("lock*")):
                    locks.enter_context(FileLock(lock, timeout=0))
                shutil.rmtree(folder, ignore_errors=True)
                removed.append(folder)
        except Timeout:
            continue
    return removed


def _recorded(folder: Path, stages: Mapping[str, Any]) -> bool:
    marker = folder / "published.json"
    if not marker.is_file():
        return False
    published = json.loads(marker.read_text(encoding="utf-8"))
    outs = {out["path"]: out.get("md5") for out in stages.get(published["stage"], {}).get("outs", [])}
    return bool(published["outs"]) and all(outs.get(path) == md5 for path, md5 in published["outs"].items())
