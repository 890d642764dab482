"""Parts in an object store: shares put theirs there, and the run that publishes them fetches all.

An object store has no rename and no locks. A part's files are put one by one, and its manifest last, with their sizes
and hashes: a part without one does not count. Two that put the same part put the same bytes.
"""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from curation.identity import file_id
from curation.storage import Store, open_store
from pipelines.engine import PartFunction, run_parts

SHARED = ("detect", "mattes", "render")
"""Stages that have shares."""
PIECE = 8 << 20


class DamagedError(ValueError):
    """An object is not what its manifest says."""


class Depot:
    """The parts of one stage run, below ``URL/STAGE-FINGERPRINT/``."""

    def __init__(self, url: str, name: str) -> None:
        self.url = f"{url.rstrip('/')}/{name}"
        self.store: Store = open_store(self.url)

    def made(self) -> set[str]:
        """Keys of the parts that are there, whole."""
        try:
            keys = {entry.path.removeprefix("made/").removesuffix(".json") for entry in self.store.list("made")}
        except FileNotFoundError:
            return set()
        return {key for key in keys if _is_name(key)}  # they become folders here

    def put(self, key: str, folder: Path) -> None:
        """Put a finished part: its files, and last the manifest that makes it count."""
        files = sorted(file for file in folder.iterdir() if file.is_file())
        manifest = {file.name: {"size": file.stat().st_size, "hash": file_id(file)} for file in files}
        for file in files:
            self.store.put_file(f"parts/{key}/{file.name}", file)
        self.store.put(f"made/{key}.json", json.dumps(manifest, sort_keys=True).encode())

    def fetch(self, key: str, folder: Path) -> None:
        """Write a part's files into an empty folder. Raises DamagedError, naming what to remove."""
        manifest: Mapping[str, Any] = json.loads(self.store.read(f"made/{key}.json"))
        for name, told in manifest.items():
            if not _is_name(name):
                raise DamagedError(f"{self.url}/made/{key}.json names '{name}', which is no file of a part")
            with self.store.open(f"parts/{key}/{name}") as source, (folder / name).open("wb") as target:
                shutil.copyfileobj(source, target, PIECE)
            if (folder / name).stat().st_size != told["size"] or file_id(folder / name) != told["hash"]:
                raise DamagedError(
                    f"{self.url}/parts/{key}/{name} is not what was put there; remove {self.url}/made/{key}.json, and "
                    "the part is made again"
                )

    def agree(self, name: str, words: str) -> None:
        """Hold all shares to the same ``words``: those of the first. Raises ValueError for others."""
        if not self.store.exists(name):
            self.store.put(name, words.encode())
        if self.store.read(name).decode() != words:  # also where two came first at once
            raise ValueError(
                f"{self.url} was begun with other library versions, processor type, weights or calibration; give every "
                "machine the same environment and files (requirements.lock), or remove what lies there to begin anew"
            )

    def agreed(self, name: str) -> str | None:
        """What the shares agreed on, or None."""
        return self.store.read(name).decode() if self.store.exists(name) else None


def _is_name(text: str) -> bool:
    return Path(text).name == text and not text.startswith(".") and text != ""


class PutTask(NamedTuple):
    """A part to make and to put."""

    function: PartFunction[Any]
    task: Any
    url: str
    name: str
    key: str


def make_and_put(task: PutTask, folder: Path) -> None:
    """Make a part and put it, before it counts here: a part that is here is there."""
    task.function(task.task, folder)
    Depot(task.url, task.name).put(task.key, folder)


class FetchTask(NamedTuple):
    """A part to fetch."""

    url: str
    name: str
    key: str


def fetch_part(task: FetchTask, folder: Path) -> None:
    """Fetch one part, checked."""
    Depot(task.url, task.name).fetch(task.key, folder)


def run_share(
    tasks: Mapping[str, Any], function: PartFunction[Any], parts: Path, describe: str, url: str, engine: str
) -> None:
    """Make and put what is not in the store yet; see :func:`pipelines.engine.run_parts`."""
    name = parts.parent.name
    depot = Depot(url, name)
    there = depot.made()
    todo = {key: task for key, task in tasks.items() if key not in there}
    for key in todo:
        if (parts / key).is_dir():  # made before there was a store
            depot.put(key, parts / key)
    put = {key: PutTask(function, task, url, name, key) for key, task in todo.items()}
    run_parts(put, make_and_put, parts, describe, engine=engine)


def fetch_shares(url: str, folder: Path, mark: str) -> None:
    """Fetch into a work folder what shares put: all parts, and what they agreed on as the file ``mark``."""
    depot = Depot(url, folder.name)
    keys = sorted(depot.made())
    agreed = depot.agreed(mark) if keys else None
    if agreed is not None and not (folder / mark).exists():
        (folder / mark).write_text(agreed, encoding="utf-8")
    run_parts({key: FetchTask(url, folder.name, key) for key in keys}, fetch_part, folder / "parts", "fetching parts")
