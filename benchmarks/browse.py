"""How fast composites come into FiftyOne, and that nothing is copied.

``python -m benchmarks.browse --json FILE [--composites 10000]``, where ``dvc repro render`` has run.

The plan and the table of shards are those of the project, repeated under new ids until there are so many composites;
their places in the shards stay, so the shards are only linked. ``load_seconds`` and ``cpu_seconds`` (of this process:
MongoDB has another) are what ``cleanplate browse composites`` spends after FiftyOne is imported; ``pictures`` the
samples, one a layer; ``samples_cpu_seconds`` what ``fo.Sample`` objects would take for as many pictures, by 400 of
them.
``bytes`` is what the database and its folder grew to.
"""

import argparse
import json
import os
import tempfile
import time
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pyarrow as pa

from compositing.tables import LAYERS, PLAN, SHARDS
from curation.identity import item_ids
from curation.tables import read_table, write_table

TRIED = 400


def write(project: Path, folder: Path, count: int) -> None:
    """Repeat the composites of ``base`` below ``folder/data``."""
    (folder / "data").mkdir()
    (folder / "data" / "shards").symlink_to((project / "data" / "shards").resolve())
    for table, each in ((PLAN, 1), (SHARDS, len(LAYERS))):
        rows = read_table(table, project / "data" / f"{table.name}.parquet").to_pandas()
        rows = rows[rows["set"] == "base"].reset_index(drop=True)
        take = [i % len(rows) for i in range(count * each)]
        rows = rows.iloc[take].reset_index(drop=True)
        rows["ordinal"] = [i // each for i in range(len(rows))]
        keys = item_ids(["benchmark"], rows["ordinal"].to_numpy()[::each])
        rows["composite_id"] = [keys[i // each] for i in range(len(rows))]
        write_table(table, pa.Table.from_pandas(rows, preserve_index=False), folder / "data" / f"{table.name}.parquet")


def measure(count: int) -> dict[str, Any]:
    """Load what :func:`write` wrote, in the working directory."""
    from pipelines.browse import session
    from pipelines.browse.composites import load_dataset

    fo = session.fiftyone_module()
    fo.list_datasets()  # starts the database
    start, processor = time.perf_counter(), time.process_time()
    dataset = load_dataset(Path("data"), "http://127.0.0.1:5152/secret", limit=count)
    took, cpu = time.perf_counter() - start, time.process_time() - processor
    stats = dataset.stats()
    samples = [
        fo.Sample(**{name: first[name] for name in dataset.get_field_schema() if name not in TIMES})
        for first in [dataset.first()] * TRIED
    ]
    plain = fo.Dataset()
    plain.add_group_field("group", default="source")
    processor = time.process_time()
    for sample in samples:
        sample["group"] = fo.Group().element("source")
    plain.add_samples(samples, progress=False)
    each = (time.process_time() - processor) / TRIED
    return {
        "composites": len(dataset),
        "pictures": len(dataset) * 4,
        "load_seconds": round(took, 2),
        "cpu_seconds": round(cpu, 2),
        "composites_per_second": round(len(dataset) / took),
        "samples_cpu_seconds": round(each * len(dataset) * 4, 2),
        "bytes": stats["samples_bytes"],
        "media_folder": sum(file.stat().st_size for file in (session.home() / "media").glob("*")),
    }


TIMES = ("id", "created_at", "last_modified_at", "group", "media_reference")


def main() -> None:
    """Write, load, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--composites", type=int, default=10_000)
    asked = parser.parse_args()
    out, project = asked.json.resolve(), Path.cwd()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        write(project, Path(folder), asked.composites)
        # In a process of its own: the database ends with it, and the folder may go.
        with get_context("spawn").Pool(1, os.chdir, (folder,)) as pool:
            found = pool.apply(measure, (asked.composites,))
            pool.close()
            pool.join()
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
