"""A copy of the project in which every stage is done, at Places365's size: what ``dvc repro`` costs with nothing to do.

Used by ``python -m benchmarks.tables``. The real ``dvc.yaml`` and ``params.yaml``, every tracked file; outputs that
only look like what the stages make, but are as large and as many where that costs time: the three curation tables at
full length, a folder of 1,000 shards.
"""

import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from ruamel.yaml import YAML

SHARDS = 1000
SHARD_BYTES = 10_240
ROUNDS = 3
FOLDERS = {"data/shards": [f"base-{number:05d}.tar" for number in range(SHARDS)]}
"""Outputs that are folders, with the files in them; any other without a suffix holds one file."""


def prepare(tables: Path, folder: Path) -> None:
    """Copy the project into ``folder`` with the tables in ``tables`` and every output in place, and record them."""
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=True).stdout.split(b"\0")
    for name in (os.fsdecode(each) for each in listed if each):
        if Path(name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(name, folder / name)
    (folder / "dvc.lock").unlink(missing_ok=True)
    stages = YAML(typ="safe").load((folder / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for stage in stages.values():
        for out in [*stage.get("outs", []), *stage.get("metrics", []), *stage.get("plots", [])]:
            _fill(folder, next(iter(out)) if isinstance(out, dict) else out, tables)
    for command in (["git", "init", "-q"], ["git", "add", "-A"], [*DVC, "commit", "-f", "-q"]):
        subprocess.run(command, cwd=folder, check=True, capture_output=True, env=_environment(folder))


def _fill(folder: Path, out: str, tables: Path) -> None:
    path = folder / out
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if (table := tables / path.name).is_file():
        shutil.copy(table, path)
    elif path.suffix:
        path.write_text("{}\n", encoding="utf-8")
    else:
        path.mkdir()
        for number, name in enumerate(FOLDERS.get(out, ["file"])):
            (path / name).write_bytes(number.to_bytes(4, "big") * (SHARD_BYTES // 4))


DVC = [sys.executable, "-m", "dvc"]


def _environment(folder: Path) -> dict[str, str]:
    # A site cache of its own: what DVC remembers of files must not come from another run.
    return os.environ | {"DVC_NO_ANALYTICS": "1", "DVC_SITE_CACHE_DIR": str(folder / ".site")}


def repro_seconds(folder: Path) -> float:
    """Median seconds of ``dvc repro`` in a prepared folder. Raises RuntimeError where it finds something to do."""
    taken = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        done = subprocess.run([*DVC, "repro"], cwd=folder, capture_output=True, text=True, env=_environment(folder))
        taken.append(time.perf_counter() - started)
        if done.returncode or "up to date" not in done.stdout or "Running stage" in done.stdout:
            raise RuntimeError(f"dvc repro found something to do:\n{done.stdout}{done.stderr}")
    return statistics.median(taken)
