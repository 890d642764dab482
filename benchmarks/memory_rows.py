"""What reading tables of ten million rows costs in memory: each reader in a process of its own.

``python -m benchmarks.memory_rows --json FILE [--rows 10000000] [--members 10000000] [--keep FOLDER]``

The tables: a plan of ``rows`` composites in base and refine (as :mod:`benchmarks.plan` makes it), and the parts of
shards with ``members`` in all (500 composites a shard, five members each), which are gathered into
``shards.parquet``. No picture is read or rendered. ``--keep`` leaves the tables in a folder, and uses what is there.

For each arm ``peak_mb``, the most that its process ever had in memory, and ``own_mb``, what it has at the end besides
files that it maps and the system can drop; both without what ``imports`` alone takes, and ``cpu_seconds``:

- ``estimate``, ``tasks``: the render stage before it renders; ``gather``: after
- ``worker``: what a worker reads for one shard
- ``live``: ``PlanReader`` on the set base, and 2,000 of its rows at random
- ``shards``: ``ShardReader`` on all of it, and 200,000 of its places at random
- ``verify``: the shards of the table, and the rows of one part of them
- ``space``, ``coverage``: what the plan says of alpha, and what it covers
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.plan import plan, simulate
from compositing.inputs import InputRoots
from compositing.plan.coverage import Coverage
from compositing.plan.planrows import PlanRows
from compositing.shards import writer
from compositing.shards.live import PlanReader
from compositing.shards.reader import RenderParams, ShardReader
from compositing.shards.space import estimated_bytes
from compositing.shards.verify import rows_of, shards_of
from compositing.tables import LAYERS, PLAN, SHARDS
from curation.identity import item_id, item_ids
from curation.tables import from_columns, read_pieces, write_chunks, write_table
from pipelines.samples import plan_space

RENDER = RenderParams(format="tar", samples_per_shard=500, fgr_quality=95)
NOWHERE = InputRoots({"places365": Path("none")}, Path("none"), Path("none"))
BASE_SHARE = 0.9


def parts_of(folder: Path, members: int) -> Iterator[tuple[writer.ShardTask, Path]]:
    """Name the shards of ``members`` members, base and refine, and their part folders."""
    composites = members // len(LAYERS)
    for name, count in (
        ("base", round(composites * BASE_SHARE)),
        ("refine", composites - round(composites * BASE_SHARE)),
    ):
        for number, first in enumerate(range(0, count, RENDER.samples_per_shard)):
            stop = min(count, first + RENDER.samples_per_shard)
            task = writer.ShardTask(folder, folder, NOWHERE, RENDER, name, number, first, stop)
            yield task, folder / "parts" / f"{name}-{number:06d}"


def simulate_parts(folder: Path, members: int) -> None:
    """Write what ``render_shard`` leaves of each shard, but for the pictures."""
    generator = np.random.default_rng(0)
    for task, part in parts_of(folder, members):
        part.mkdir(parents=True)
        count = (task.stop - task.first) * len(LAYERS)
        sizes = generator.integers(5_000, 90_000, count)
        ordinals = np.repeat(np.arange(task.first, task.stop), len(LAYERS))
        digests = [item_id(task.name, number) for number in range(count)]
        columns = {
            "set": [task.set_name] * count, "ordinal": ordinals, "composite_id": item_ids([task.set_name], ordinals),
            "member": list(LAYERS) * (count // len(LAYERS)), "shard": [task.name] * count,
            "offset": np.cumsum(sizes + 512), "size": sizes, "row_group": [None] * count, "row": [None] * count,
            "pixels": digests, "digest": digests, "shard_digest": [item_id(task.name)] * count,
        }  # fmt: skip
        write_table(SHARDS, from_columns(SHARDS, columns), part / writer.INDEX)
        (part / writer.COUNTS).write_text(json.dumps({"train": {"samples": count // len(LAYERS), "coverage": 1.0}}))
        (part / Path(task.name).name).touch()


def gather(folder: Path, members: int) -> None:
    tasks, parts = zip(*parts_of(folder, members), strict=True)
    made = writer.gather({f"{task.set_name}-{task.number:06d}": task for task in tasks}, list(parts))
    write_chunks(SHARDS, made.table(), folder / "shards.parquet")


def worker(folder: Path, members: int) -> None:
    tasks = writer.shard_tasks(folder / "plan.parquet", folder / "frames.parquet", NOWHERE, RENDER)
    writer._open(list(tasks.values())[len(tasks) // 2])


def live(folder: Path, members: int) -> None:
    reader = PlanReader(folder / "plan.parquet", folder / "frames.parquet", NOWHERE, "base")
    for position in np.random.default_rng(0).integers(0, len(reader), 2000).tolist():
        row = reader._rows.row(position)
        assert row["ordinal"] == position and reader._inputs.frames[row["frame_id"]]["frame"] == row["frame"]
    held.append(reader)


def shards(folder: Path, members: int) -> None:
    reader = ShardReader(folder, folder / "shards.parquet", "base")
    for position in np.random.default_rng(0).integers(0, len(reader), 200_000).tolist():
        assert reader._places.at(position)["offset"].tolist()
    held.append(reader)


def verify(folder: Path, members: int) -> None:
    known = shards_of(folder / "shards.parquet")
    found = sum(len(each.rows) for each in rows_of(folder / "shards.parquet", known[-64:]))
    assert found == sum(each.stop - each.first for each in known[-64:])
    held.append(known)


def coverage(folder: Path, members: int) -> None:
    counted = Coverage()
    for piece in read_pieces(PLAN, folder / "plan.parquet"):
        counted.add(piece)
    held.append(counted.counts())


held: list[object] = []
"""What an arm made, alive until it is measured."""
ARMS: dict[str, Callable[[Path, int], object]] = {
    "imports": lambda folder, members: None,
    "estimate": lambda folder, members: estimated_bytes(folder / "plan.parquet", RENDER),
    "tasks": lambda folder, members: held.append(PlanRows(folder / "plan.parquet")),
    "gather": gather,
    "worker": worker,
    "live": live,
    "shards": shards,
    "verify": verify,
    "space": lambda folder, members: plan_space(folder / "plan.parquet"),
    "coverage": coverage,
}


def status_mb(name: str) -> float:
    """A figure of this process. Its ``ru_maxrss`` would begin with what the process that started it had."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


def run(arm: str, folder: Path, members: int) -> None:
    began = time.process_time()
    ARMS[arm](folder, members)
    seconds = time.process_time() - began
    print(json.dumps({"peak_mb": status_mb("VmHWM"), "own_mb": status_mb("RssAnon"), "cpu_seconds": seconds}))


def measured(arm: str, folder: Path, members: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.memory_rows", "--only", arm, "--keep", str(folder)]
    made = subprocess.run([*command, "--members", str(members)], check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, float] = json.loads(made.stdout)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--members", type=int, help="as many as rows, where it is not given")
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--only", choices=list(ARMS), help=argparse.SUPPRESS)
    given = parser.parse_args()
    members = given.members or given.rows
    if given.only:
        run(given.only, given.keep, members)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = given.keep or Path(name)
        if not (folder / "plan.parquet").is_file():
            simulate(folder)
            plan(folder, given.rows)
        if not (folder / "parts").is_dir():
            simulate_parts(folder, members)
        found = {arm: measured(arm, folder, members) for arm in ARMS}
    start = found.pop("imports")
    report = {"rows": given.rows, "members": members, "imports_mb": round(start["peak_mb"])}
    arms = {
        arm: {
            "peak_mb": round(each["peak_mb"] - start["peak_mb"]),
            "own_mb": round(each["own_mb"] - start["own_mb"]),
            "cpu_seconds": round(each["cpu_seconds"], 1),
        }
        for arm, each in found.items()
    }
    print(json.dumps(report | arms, indent=2))
    if given.json:
        given.json.write_text(json.dumps(report | arms, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
