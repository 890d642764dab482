"""How fast samples come out of shards: at random by offset, against stock WebDataset and Parquet row groups.

``python -m benchmarks.read --json FILE [--cpu] [--samples 4000] [--runs 3]``

The same small samples (about 16 KB, five members, not decoded) are written as our tar and Parquet shards. Arms, one
process each, samples a second, the fastest of ``runs`` runs over files that the system has in memory:

- ``offset``: ``ShardReader`` over the tar shards, in a random order
- ``webdataset``: the stock library over the same tar shards, from front to back through its shuffle buffer of 1000
- ``parquet``: pyarrow, the row group of each sample in a random order, files kept open
- ``parquet_reader``: ``ShardReader`` over the Parquet shards, in the same order

``random_vs_webdataset`` and ``random_vs_parquet``: ``offset`` over the two libraries. Tables and footers are read
beforehand, once. Wall time, or with ``--cpu`` processor time.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import webdataset

from compositing.shards.parquet import write_parquet
from compositing.shards.reader import ShardReader
from compositing.shards.tar import write_tar
from compositing.tables import LAYERS, SHARDS
from curation.identity import item_id
from curation.tables import write_table

SIZES = dict(zip(LAYERS, (5000, 5000, 4000, 1500, 1200), strict=True))
PER_SHARD = 500
BUFFER = 1000


def samples(first: int, stop: int) -> Iterator[tuple[str, dict[str, bytes]]]:
    for number in range(first, stop):
        rng = np.random.default_rng(number)
        yield item_id(number), {member: rng.bytes(size + number % 100) for member, size in SIZES.items()}


def write(folder: Path, count: int, kind: str) -> list[Path]:
    """Write the shards and their table."""
    rows: list[dict[str, Any]] = []
    files = []
    (folder / "base").mkdir(parents=True)
    for shard, first in enumerate(range(0, count, PER_SHARD)):
        stop, name = min(first + PER_SHARD, count), f"base/{shard:06d}.{kind}"
        make: Callable[..., dict[str, Any]] = write_tar if kind == "tar" else write_parquet
        places = make(folder / name, samples(first, stop))
        files.append(folder / name)
        for ordinal, (key, place) in enumerate(places.items(), start=first):
            for member in LAYERS:
                at = {"offset": place[member].offset, "size": place[member].size} if kind == "tar" else place._asdict()
                row = {"set": "base", "ordinal": ordinal, "composite_id": key, "member": member, "shard": name}
                rows.append(dict.fromkeys(SHARDS.columns) | row | at)
    write_table(SHARDS, rows, folder / "shards.parquet")
    return files


def opened(folder: Path) -> ShardReader:
    return ShardReader(folder, folder / "shards.parquet", "base")


def by_position(reader: ShardReader, order: np.ndarray) -> int:
    return sum(len(reader.read_members(position)) == len(LAYERS) for position in order.tolist())


def by_webdataset(files: list[Path]) -> int:
    whole = webdataset.WebDataset([str(file) for file in files], shardshuffle=len(files), seed=0).shuffle(BUFFER)
    return sum(all(member in sample for member in LAYERS) for sample in whole)


def by_row_group(files: list[pq.ParquetFile], order: np.ndarray) -> int:
    group = files[0].metadata.row_group(0).num_rows
    found = 0
    for position in order.tolist():
        shard, row = divmod(position, PER_SHARD)
        table = files[shard].read_row_group(row // group, use_threads=False)
        found += len(table.slice(row % group, 1).to_pylist()[0]) == len(LAYERS) + 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--cpu", action="store_true", help="processor time in place of wall time")
    parser.add_argument("--samples", type=int, default=4000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    clock = time.process_time if options.cpu else time.perf_counter
    order = np.random.default_rng(1).permutation(options.samples)
    with tempfile.TemporaryDirectory() as name:
        tar, parquet = Path(name) / "tar", Path(name) / "parquet"
        tars, parquets = write(tar, options.samples, "tar"), write(parquet, options.samples, "parquet")
        readers, files = [opened(folder) for folder in (tar, parquet)], [pq.ParquetFile(file) for file in parquets]
        arms: dict[str, Callable[[], int]] = {
            "offset": lambda: by_position(readers[0], order),
            "webdataset": lambda: by_webdataset(tars),
            "parquet": lambda: by_row_group(files, order),
            "parquet_reader": lambda: by_position(readers[1], order),
        }
        rates = {}
        for arm, read in arms.items():
            times = []
            for _ in range(options.runs):
                start = clock()
                found = read()
                times.append(clock() - start)
                if found != options.samples:
                    raise SystemExit(f"{arm} read {found} whole samples of {options.samples}")
            rates[arm] = round(options.samples / min(times))
    report = {
        "clock": "processor" if options.cpu else "wall",
        "samples": options.samples,
        "per_second": rates,
        "random_vs_webdataset": round(rates["offset"] / rates["webdataset"], 2),
        "random_vs_parquet": round(rates["offset"] / rates["parquet"], 2),
    }
    print(json.dumps(report, indent=2))
    options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
