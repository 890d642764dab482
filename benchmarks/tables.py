"""What judging costs at Places365's size: tables of 1.8 million images, simulated.

``python -m benchmarks.tables --json FILE [--rows 1800000]``

``curate_seconds``, ``curate_peak_gb``: reading ``images`` and ``people``, judging, writing ``verdicts``, in a process
of its own, with the sample's thresholds. The simulated hashes hold 3 % near-duplicates; one image in four shows people.
``noop_repro_seconds``: ``dvc repro`` with nothing to do, see :mod:`benchmarks.noop`; ``scan_seconds``: what
``cleanplate scan`` takes for SCANNED empty files in 365 folders the second time (a real dataset has as many files as
``rows``, and a slower disk).
``rows_per_second`` is compared with judging a row at a time by :func:`curation.filters.judge_row` (``vs_rows``), on
as many rows as that does in a few seconds: near-duplicates and splits apart, which it cannot do.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

import pipelines
from benchmarks import noop
from curation import judging, presence
from curation.filters import CurateParams, judge_row
from curation.tables import IMAGES, PEOPLE, VERDICTS, Table, read_table, write_table
from pipelines.params import load
from pipelines.scan import scan

CURATE = "curate"
BY_ROW = 2000
SCANNED = 200_000


def simulate(rows: int, folder: Path) -> None:
    """Write ``images.parquet`` and ``people.parquet``."""
    rng = np.random.default_rng(0)
    number = np.arange(rows)
    hashes = rng.integers(0, 2**64, rows, dtype=np.uint64)
    copies = rng.choice(rows, rows * 3 // 100, replace=False)
    hashes[copies] = hashes[rng.integers(0, rows, len(copies))] ^ (
        np.uint64(1) << rng.integers(0, 64, len(copies), np.uint64)
    )
    ids = rng.integers(0, 2**63, (rows, 2))
    scenes = np.array([f"scene_{i:03d}" for i in range(365)])[number % 365]
    both = {
        "dataset": np.full(rows, "places365"),
        "locator": np.char.add(np.char.add(scenes, "/"), np.char.zfill(number.astype(str), 8)),
        "image_id": np.array([f"{a:016x}{b:016x}" for a, b in ids.tolist()]),
    }
    images = both | {
        "group": None, "scene": scenes, "indoor": number % 2 == 0, "width": rng.integers(180, 900, rows),
        "height": rng.integers(180, 900, rows), "bytes": rng.integers(10_000, 200_000, rows),
        "sharpness": rng.gamma(2, 400, rows), "luma_mean": rng.beta(5, 5, rows), "luma_spread": rng.beta(4, 12, rows),
        "clipped": rng.beta(1, 20, rows), "chroma": rng.beta(3, 3, rows), "border": np.zeros(rows),
        "drawn": rng.beta(1, 30, rows), "phash": hashes, "status": np.full(rows, "ok"), "licence": "CC",
        "source": "simulated",
    }  # fmt: skip
    _write(IMAGES, images, rows, folder)
    score = np.where(rng.random(rows) < 0.25, rng.beta(6, 1, rows), np.nan)
    box = {name: np.where(np.isnan(score), np.nan, rng.uniform(0.1, 0.5, rows)) for name in ("x", "y", "w", "h")}
    looked = {
        "role": "verdict", "detector": "simulated", "look": "whole", "rank": 0, "floor": 0.1, "ceiling": 1.0,
        "score": score, "status": "ok",
    }  # fmt: skip
    _write(PEOPLE, both | looked | box, rows, folder)


def _write(table: Table, columns: dict[str, object], rows: int, folder: Path) -> None:
    arrays = []
    for name, (kind, _) in table.columns.items():
        values = columns[name]
        whole = pa.array(values, from_pandas=True) if isinstance(values, np.ndarray) else pa.array([values] * rows)
        arrays.append(whole.cast(kind))
    write_table(table, pa.Table.from_arrays(arrays, schema=table.schema), folder / f"{table.name}.parquet")


def parameters() -> CurateParams:
    """The sample's thresholds."""
    return load(Path(pipelines.__file__).parent / "presets" / "sample.yaml").curate


def curate(folder: Path) -> None:
    """What the stage does, without DVC around it."""
    wanted = ((IMAGES, judging.COLUMNS), (PEOPLE, presence.COLUMNS))
    images, people = (read_table(table, folder / f"{table.name}.parquet", names) for table, names in wanted)
    verdicts = judging.judge(images, people, {}, parameters())
    judging.summary(verdicts, {})
    write_table(VERDICTS, verdicts, folder / "verdicts.parquet")


def by_row(folder: Path) -> float:
    """Rows a second of the filters, one row at a time."""
    params = parameters()
    images, people = (
        read_table(table, folder / f"{table.name}.parquet").slice(0, BY_ROW) for table in (IMAGES, PEOPLE)
    )
    columns = presence.people_columns(images, people, params)
    rows = [row | {name: values[i] for name, values in columns.items()} for i, row in enumerate(images.to_pylist())]
    started = time.perf_counter()
    for row in rows:
        judge_row(row, params)
    return len(rows) / (time.perf_counter() - started)


def scan_seconds(folder: Path, count: int) -> float:
    """Seconds of the second scan of ``count`` empty files."""
    for number in range(count):
        file = folder / "raw" / f"scene_{number % 365:03d}" / f"{number:08d}.jpg"
        if number < 365:
            file.parent.mkdir(parents=True)
        file.touch()
    for _ in range(2):
        started = time.perf_counter()
        list(scan(folder / "raw", folder / "listing.parquet"))
    return time.perf_counter() - started


def main() -> None:
    """Print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=1_800_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulate(options.rows, folder)
        started = time.perf_counter()
        subprocess.run([sys.executable, "-m", "benchmarks.tables", CURATE, name], check=True)
        seconds = time.perf_counter() - started
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        alone = by_row(folder)
        project = folder / "project"
        project.mkdir()
        noop.prepare(folder, project)
        noop_seconds = noop.repro_seconds(project)
        scanned = scan_seconds(folder / "scanned", min(SCANNED, options.rows))
    found = {
        "rows": options.rows,
        "curate_seconds": round(seconds, 2),
        "curate_peak_gb": round(peak, 3),
        "rows_per_second": round(options.rows / seconds),
        "vs_rows": round(options.rows / seconds / alone, 1),
        "noop_repro_seconds": round(noop_seconds, 2),
        "scan_files": min(SCANNED, options.rows),
        "scan_seconds": round(scanned, 2),
    }
    for key, value in found.items():
        print(f"{key:18} {value}")
    options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == [CURATE]:
        curate(Path(sys.argv[2]))
    else:
        main()
