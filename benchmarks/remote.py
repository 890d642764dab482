"""How fast samples come out of shards in an object store: cold and warm, against the same shards on the local disk.

``python -m benchmarks.remote --json FILE [--samples 400] [--runs 3] [--kilobytes 200] [--delay 20]``

An S3 server of this machine (moto, a process of its own) holds tar shards of samples of about ``kilobytes`` each. Every
answer of it is held back by ``delay`` milliseconds, as a store is some way off. It costs processor time of its own, so
its rates are a floor; what counts is how the arms compare. Arms, samples a second at random by offset, the fastest of
``runs`` runs, members read and not decoded:

- ``local``: the shards in a folder, which the system has in memory
- ``cold``: from the store, nothing kept, a sample after the other
- ``ahead``: from the store, nothing kept, 16 samples asked for together as a loader does with a batch
- ``warm``: all of it kept by the local cache

``processor``: milliseconds of this process a sample in each arm, the server's left out.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from compositing.shards.rangecache import RangeCache
from compositing.shards.reader import ShardReader
from compositing.shards.tar import write_tar
from compositing.tables import LAYERS, SHARDS
from curation.identity import item_id
from curation.storage import open_store
from curation.tables import write_table

PER_SHARD = 100
AHEAD = 16
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
BUCKET = "bench"


def serve(pipe: Connection, delay: float) -> None:
    """Run the server, tell its address, and wait until the other side goes."""
    import logging

    import boto3  # type: ignore[import-untyped]
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    boto3.client("s3", endpoint_url=f"http://{host}:{port}").create_bucket(Bucket=BUCKET)
    app = server._server.app  # type: ignore[union-attr]

    def late(environ: Any, start: Any) -> Any:
        time.sleep(delay)
        return app(environ, start)

    server._server.app = late  # type: ignore[union-attr]
    pipe.send(f"http://{host}:{port}")
    pipe.recv()


def write(folder: Path, count: int, size: int) -> None:
    """Write tar shards and their table."""
    rows: list[dict[str, Any]] = []
    (folder / "shards").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for shard, first in enumerate(range(0, count, PER_SHARD)):
        name = f"{shard:06d}.tar"
        ordinals = range(first, min(first + PER_SHARD, count))
        made = (
            (item_id(n), {member: rng.bytes(size // 4) for member in LAYERS[:-1]} | {"json": b"{}"}) for n in ordinals
        )
        for ordinal, (key, spans) in zip(ordinals, write_tar(folder / "shards" / name, made).items(), strict=True):
            for member, span in spans.items():
                row = {"set": "base", "ordinal": ordinal, "composite_id": key, "member": member, "shard": name}
                rows.append(dict.fromkeys(SHARDS.columns) | row | span._asdict())
    write_table(SHARDS, rows, folder / "shards.parquet")


def read(reader: ShardReader, order: list[int], ahead: int = 0) -> None:
    """Read samples in an order; ``ahead``: so many are asked for together."""
    for start in range(0, len(order), ahead or len(order)):
        positions = order[start : start + (ahead or len(order))]
        if ahead:
            reader.prefetch(positions)
        for position in positions:
            if len(reader.read_members(position, LAYERS[:-1])) != len(LAYERS) - 1:
                raise SystemExit(f"sample {position} is not whole")


def main() -> None:
    """Run the arms and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--kilobytes", type=int, default=200)
    parser.add_argument("--delay", type=float, default=20.0, help="milliseconds before each answer")
    options = parser.parse_args()
    os.environ.update(KEYS | {"AWS_EC2_METADATA_DISABLED": "true"})
    order = np.random.default_rng(1).permutation(options.samples).tolist()
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs, options.delay / 1e3), daemon=True)
    server.start()
    os.environ["AWS_ENDPOINT_URL"] = ours.recv()
    url = f"s3://{BUCKET}/shards"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, options.samples, options.kilobytes * 1000)
        store = open_store(url)
        for file in sorted((folder / "shards").iterdir()):
            store.put_file(file.name, file)

        def opened(where: Path | str, limit: int = 0) -> ShardReader:
            return ShardReader(where, folder / "shards.parquet", "base", cache=RangeCache(folder / "cache", limit))

        warm = opened(url, 10**12)
        read(warm, order, AHEAD)
        readers = {"local": opened(folder / "shards"), "cold": opened(url), "warm": warm}
        arms: dict[str, Callable[[], None]] = {
            "local": lambda: read(readers["local"], order),
            "cold": lambda: read(readers["cold"], order),
            "ahead": lambda: read(readers["cold"], order, AHEAD),
            "warm": lambda: read(readers["warm"], order),
        }
        rates, spent = {}, {}
        for arm, run in arms.items():
            times, own = [], []
            for _ in range(options.runs):
                start, busy = time.perf_counter(), time.process_time()
                run()
                times.append(time.perf_counter() - start)
                own.append(time.process_time() - busy)
            rates[arm] = round(options.samples / min(times), 1)
            spent[arm] = round(1000 * min(own) / options.samples, 3)
    ours.send(None)
    report = {
        "samples": options.samples,
        "kilobytes": options.kilobytes,
        "delay_ms": options.delay,
        "per_second": rates,
        "processor": spent,
        "warm_vs_local": round(rates["warm"] / rates["local"], 3),
        "ahead_vs_cold": round(rates["ahead"] / rates["cold"], 2),
    }
    print(json.dumps(report, indent=2))
    options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
