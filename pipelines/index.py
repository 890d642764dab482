"""Stage ``index``: each file of Places365 becomes a row of data/images.parquet; only what is new or changed is read."""

import logging
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curation.index import KEPT, PART, Dataset, index_part, require_images, tasks
from curation.known import KEPT_SCHEMA, known_images, listing
from curation.places365 import EXPECTED, Record, find_images
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


def body(stage: Stage) -> None:
    """Find all images, read and measure those that no earlier run knows."""
    root = roots(stage.params).places365
    settled = time.time_ns() - SETTLED_NS
    records, listed = _find(root)
    info = stage.params.data.places365
    dataset = Dataset("places365", info.licence, info.source)
    stamp = kept.stamp_of("index", PACKAGES, [str(root.resolve()), stage.params.index.model_dump(mode="json")])
    kept.mark(stage.work.folder, stamp)
    earlier = kept.load("index", stamp, KEPT)
    known = known_images(listed, KEPT_SCHEMA.empty_table() if earlier is None else earlier, *dataset)
    fresh = [records[row] for row in known.todo]
    del records, listed, earlier
    log.info("%s known, %s to read", f"{known.images.num_rows:,}", f"{sum(r.reason is None for r in fresh):,}")
    cut = tasks(fresh, root, dataset, stage.params.index, settled_ns=settled)
    parts = run_parts(cut, index_part, stage.work.parts, "images")
    table = pa.concat_tables([known.images, join_tables(IMAGES, [part / PART for part in parts])])
    statuses = table["status"].to_pylist()
    require_images(statuses, root, EXPECTED)
    write_table(IMAGES, table, stage.work.folder / OUT.name)
    stage.work.link_file(stage.work.folder / OUT.name, OUT)
    kept.save("index", stamp, pa.concat_tables([known.kept, *(pq.read_table(part / KEPT) for part in parts)]))
    counts = by_kind(statuses)
    log.info("images: %s", ", ".join(f"{kind} {count}" for kind, count in counts.items()))
    scenes = len(set(table["scene"].to_pylist()) - {None})
    unlabelled = table["scene"].null_count
    stage.write_metrics({"images": len(statuses), "scenes": scenes, "without_scene": unlabelled, "status": counts})


def _find(root: Path) -> tuple[list[Record], pa.Table]:
    log.info("listing %s", root)
    found = find_images(root)
    log.info("%d files, lists read: %s", len(found.records), ", ".join(found.lists) or "none")
    for name in found.archives:
        log.info("archive, read as it lies: %s", name)
    return found.records, listing(found.records)


if __name__ == "__main__":
    run("index", body)
