"""Stage ``index``: every file of Places365 becomes one row of data/images.parquet."""

import logging
from pathlib import Path

from curation.index import PART, Dataset, index_part, require_images, tasks
from curation.places365 import EXPECTED, find_images
from curation.tables import IMAGES, by_kind, join_tables, write_table
from pipelines.engine import run_parts
from pipelines.paths import roots
from pipelines.stage import Stage, run

OUT = Path("data/images.parquet")
log = logging.getLogger("cleanplate.index")


def body(stage: Stage) -> None:
    """Find, read and measure all images."""
    root = roots(stage.params).places365
    found = find_images(root)
    log.info("%d files, lists read: %s", len(found.records), ", ".join(found.lists) or "none")
    for name in found.archives:
        log.info("archive, read as it lies: %s", name)
    info = stage.params.data.places365
    dataset = Dataset("places365", info.licence, info.source)
    cut = tasks(found.records, root, dataset, stage.params.index)
    parts = run_parts(cut, index_part, stage.work.parts, "images")
    table = join_tables(IMAGES, [part / PART for part in parts])
    statuses = table["status"].to_pylist()
    require_images(statuses, root, EXPECTED)
    write_table(IMAGES, table, stage.work.folder / OUT.name)
    stage.work.link_file(stage.work.folder / OUT.name, OUT)
    counts = by_kind(statuses)
    log.info("images: %s", ", ".join(f"{kind} {count}" for kind, count in counts.items()))
    scenes = len(set(table["scene"].to_pylist()) - {None})
    unlabelled = table["scene"].null_count
    stage.write_metrics({"images": len(statuses), "scenes": scenes, "without_scene": unlabelled, "status": counts})


if __name__ == "__main__":
    run("index", body)
