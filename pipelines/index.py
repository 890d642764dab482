"""Stage ``index``: each file of the photographs becomes a row of data/images.parquet; only what is new is read."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation import photos, places365
from curation.datasets import PHOTOS, PLACES365
from curation.index import KEPT, PART, Dataset, IndexTask, index_part, require_images, tasks
from curation.known import KEPT_SCHEMA, Known, kept_of, known_images, listing
from curation.photos import find_photos
from curation.places365 import Found, Record, find_images
from curation.storage import Root, root_name
from curation.tables import IMAGES, by_kind, join_tables, write_table
from pipelines import kept
from pipelines.engine import run_parts
from pipelines.paths import roots
from pipelines.stage import Stage, run

OUT = Path("data/images.parquet")
PACKAGES = ("pillow", "opencv-python-headless", "numpy")
SETTLED_NS = 3_000_000_000
"""The coarsest clock of a common file system ticks every two seconds."""
log = logging.getLogger("cleanplate.index")


FIND: dict[str, tuple[Callable[[Root], Found], str]] = {
    PLACES365: (find_images, places365.EXPECTED),
    PHOTOS: (find_photos, photos.EXPECTED),
}
"""What finds the files of each dataset, and what it expects."""


def body(stage: Stage) -> None:
    """Find all images of all datasets, read and measure those that no earlier run knows."""
    folders = roots(stage.params).backgrounds
    settled = time.time_ns() - SETTLED_NS
    stamp = kept.stamp_of("index", PACKAGES, stage.params.index.model_dump(mode="json"))
    kept.mark(stage.work.folder, stamp)
    earlier = kept.load("index", stamp, KEPT)
    known: list[Known] = []
    cut: dict[str, IndexTask] = {}
    for name, root in folders.items():
        records, listed = _find(name, root)
        info = getattr(stage.params.data, name)
        dataset = Dataset(name, info.licence, info.source)
        held = KEPT_SCHEMA.empty_table() if earlier is None else kept_of(earlier, root_name(root))
        known.append(known_images(listed, held, *dataset))
        fresh = [records[row] for row in known[-1].todo]
        del records, listed, held
        count = f"{sum(r.reason is None for r in fresh):,}"
        log.info("%s: %s known, %s to read", name, f"{known[-1].images.num_rows:,}", count)
        cut |= tasks(fresh, root, dataset, stage.params.index, settled_ns=settled)
    del earlier
    parts = run_parts(cut, index_part, stage.work.parts, "images")
    table = pa.concat_tables([*(each.images for each in known), join_tables(IMAGES, [part / PART for part in parts])])
    for name, root in folders.items():
        mine = table["status"].filter(pc.equal(table["dataset"], name)).to_pylist()
        require_images(mine, root, FIND[name][1], name)
    write_table(IMAGES, table, stage.work.folder / OUT.name)
    stage.work.link_file(stage.work.folder / OUT.name, OUT)
    told = [*(each.kept for each in known), *(pq.read_table(part / KEPT) for part in parts)]
    kept.save("index", stamp, pa.concat_tables(told))
    counts = by_kind(table["status"].to_pylist())
    log.info("images: %s", ", ".join(f"{kind} {count}" for kind, count in counts.items()))
    scenes = len(set(table["scene"].to_pylist()) - {None})
    metrics: dict[str, Any] = {
        "images": len(table),
        "scenes": scenes,
        "without_scene": table["scene"].null_count,
        "status": counts,
    }
    if len(folders) > 1:
        metrics["datasets"] = by_kind(table["dataset"].to_pylist())
    stage.write_metrics(metrics)


def _find(name: str, root: Root) -> tuple[list[Record], pa.Table]:
    log.info("%s: listing %s", name, root)
    found = FIND[name][0](root)
    log.info("%d files, lists read: %s", len(found.records), ", ".join(found.lists) or "none")
    for archive in found.archives:
        log.info("archive, read as it lies: %s", archive)
    return found.records, listing(found.records)


if __name__ == "__main__":
    run("index", body)
