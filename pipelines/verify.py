"""``cleanplate verify``: shards against their table, in parallel, and repair by rendering the damaged ones again."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from compositing.inputs import InputRoots
from compositing.shards.verify import Damage, ShardSpan, check_shard, extra_files, rows_of, shards_of
from compositing.shards.writer import RenderError, render_shard, shard_tasks
from compositing.tables import LAYERS
from curation.identity import file_id
from curation.tables import part_length
from pipelines.engine import PartError, run_parts
from pipelines.params import Params
from pipelines.paths import dvc_folder, roots
from pipelines.work import file_md5

PLAN, FRAMES, FRAME_STORE = Path("data/plan.parquet"), Path("data/frames.parquet"), Path("data/frames")
CHUNK = 64
"""Shards of a part at most: each part reads a row group of the table."""
PART = "damage.json"


class RepairError(ValueError):
    """Damaged shards that could not be made again as they were."""


class _Task(NamedTuple):
    folder: Path
    table: Path
    shards: tuple[ShardSpan, ...]


class Verified(NamedTuple):
    """What was looked at and what was found."""

    shards: int
    composites: int
    damage: list[Damage]


def verify(folder: Path, table: Path) -> Verified:
    """Compare the shards below ``folder`` with their table. Raises as :func:`compositing.shards.verify.shards_of`."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder} is missing; run 'dvc repro render' or 'dvc pull' to get the shards")
    known = shards_of(table)
    length = part_length(len(known), CHUNK)
    chunks = [tuple(known[first : first + length]) for first in range(0, len(known), length)]
    with tempfile.TemporaryDirectory() as parts:
        tasks = {f"{number:06d}": _Task(folder, table, chunk) for number, chunk in enumerate(chunks)}
        made = run_parts(tasks, _check, Path(parts), "verifying shards")
        damage = [Damage(*item) for part in made for item in json.loads((part / PART).read_text(encoding="utf-8"))]
    damage += extra_files(folder, (each.shard for each in known))
    return Verified(len(known), sum(each.stop - each.first for each in known) // len(LAYERS), damage)


def _check(task: _Task, folder: Path) -> None:
    found = [damage for expected in rows_of(task.table, task.shards) for damage in check_shard(task.folder, expected)]
    (folder / PART).write_text(json.dumps(found), encoding="utf-8")


def repair(params: Params, folder: Path, table: Path, damaged: set[str]) -> dict[str, str]:
    """Render damaged shards again and put each in its place by rename: shard -> what became of DVC's copy.

    DVC's cache hard-links its copy to the shard, so the flipped bit is in both: a damaged cache entry is replaced
    too, and the shard linked to it. Nothing is ever written in place.

    Raises:
        RepairError: the bytes made now are not those of the table, or what they are made from is not at hand.
        FileNotFoundError: plan, frames or the raw datasets are missing.
    """
    expected = {each.shard: each.digest for each in shards_of(table) if each.shard in damaged}
    raw = roots(params)
    known = shard_tasks(PLAN, FRAMES, InputRoots(raw.backgrounds, FRAME_STORE, raw.videomatte), params.render)
    tasks = {key: task for key, task in known.items() if task.name in expected}
    unknown = sorted(set(expected) - {task.name for task in tasks.values()})
    if unknown:
        raise RepairError(
            f"{unknown[0]} is not in the plan as it is now: plan or params.yaml changed; run 'dvc repro render'"
        )
    cache = _cache_folder()
    told: dict[str, str] = {}
    # Beside the shards: a rename must not cross file systems.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.repair.") as parts:
        try:
            made = run_parts(tasks, render_shard, Path(parts), "rendering damaged shards")
        except (PartError, RenderError) as error:
            raise RepairError(
                f"{error}\nWithout the raw data, get the shards from the remote: 'dvc fetch data/shards' writes the "
                "cache anew once its damaged entry is deleted"
            ) from error
        for task, part in zip(tasks.values(), made, strict=True):
            whole = part / Path(task.name).name
            if file_id(whole) != expected[task.name]:
                raise RepairError(
                    f"{task.name} comes out with other bytes than the table has: code, parameters or inputs changed "
                    "since; run 'dvc repro render' to make all shards anew"
                )
            told[task.name] = _put(whole, folder / task.name, cache)
    return told


def _put(whole: Path, target: Path, cache: Path | None) -> str:
    entry = None
    if cache is not None:
        digest = file_md5(whole)
        entry = cache / "files" / "md5" / digest[:2] / digest[2:]
    target.parent.mkdir(parents=True, exist_ok=True)
    if entry is None or not entry.is_file():
        whole.replace(target)
        return "repaired; DVC has no copy in its cache"
    words = "repaired; DVC's copy was whole"
    if file_md5(entry) != digest:
        fresh = entry.with_name(f".{entry.name}.repair")
        shutil.copyfile(whole, fresh)
        fresh.chmod(0o444)  # as DVC keeps them: nobody writes through a link
        fresh.replace(entry)
        words = "repaired, and DVC's damaged copy with it"
    linked = whole.with_name(f"{whole.name}.link")
    try:
        os.link(entry, linked)
        linked.replace(target)
    except OSError:  # another file system: a copy, as DVC would make
        whole.replace(target)
    return words


def _cache_folder() -> Path | None:
    if dvc_folder() is None:
        return None
    command = [sys.executable, "-m", "dvc", "cache", "dir"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    if found.returncode:
        raise RepairError(f"'dvc cache dir' failed: {found.stderr.strip()}; run it to see what is wrong with .dvc")
    return Path(found.stdout.strip().splitlines()[-1])
