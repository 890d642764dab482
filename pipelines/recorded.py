"""Outputs against dvc.lock by their content: DVC trusts what is read-only, and a flipped bit is in its copy too."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML

from pipelines.work import file_md5

CACHE = Path(".dvc/cache/files/md5")


class Spoiled(NamedTuple):
    """An output, or a file in one, that is not what dvc.lock records."""

    stage: str
    out: Path
    """As dvc.lock names it."""
    file: Path
    digest: str
    """MD5 that was recorded."""


def spoiled(dvc_lock: Path = Path("dvc.lock"), cache: Path = CACHE) -> list[Spoiled]:
    """Read every output that is there and compare it with its record; missing ones are DVC's to bring back.

    Raises FileNotFoundError where there is no dvc.lock.
    """
    if not dvc_lock.is_file():
        raise FileNotFoundError(f"{dvc_lock} is missing; run 'dvc repro' first, which records what it makes")
    known = YAML(typ="safe", pure=True).load(dvc_lock.read_text(encoding="utf-8"))
    found: list[Spoiled] = []
    for stage, entry in known["stages"].items():
        for out in entry.get("outs", []):
            path, digest = Path(out["path"]), str(out["md5"])
            members = _members(path, digest, cache)
            found += [
                Spoiled(stage, path, file, md5) for file, md5 in members if file.is_file() and file_md5(file) != md5
            ]
    return found


def _members(out: Path, digest: str, cache: Path) -> Iterator[tuple[Path, str]]:
    if not digest.endswith(".dir"):
        yield out, digest
        return
    listing = _object(cache, digest)
    if listing.is_file():  # kept in git alone otherwise, where git sees the change
        for entry in json.loads(listing.read_text(encoding="utf-8")):
            yield out / entry["relpath"], entry["md5"]


def discard(found: list[Spoiled], cache: Path = CACHE) -> None:
    """Remove spoiled outputs and spoiled copies in DVC's cache, so that ``dvc repro`` makes them again."""
    for each in found:
        copy = _object(cache, each.digest)
        if copy.is_file() and file_md5(copy) != each.digest:
            copy.unlink()
        if each.out.is_dir():
            shutil.rmtree(each.out)
        else:
            each.out.unlink(missing_ok=True)


def _object(cache: Path, digest: str) -> Path:
    return cache / digest[:2] / digest[2:]
