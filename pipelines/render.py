"""The ``render`` stage: plan rows -> shards."""

import logging
from pathlib import Path

from compositing.inputs import InputRoots
from compositing.shards.space import check_disk, estimated_bytes
from compositing.shards.writer import gather, render_shard, shard_tasks
from compositing.tables import SHARDS
from curation.tables import write_chunks
from pipelines.paths import roots
from pipelines.stage import Stage, run

PLAN_TABLE = Path("data/plan.parquet")
FRAME_TABLE = Path("data/frames.parquet")
FRAME_STORE = Path("data/frames")
SHARD_FOLDER = Path("data/shards")
SHARD_TABLE = Path("data/shards.parquet")

log = logging.getLogger("cleanplate.render")


def body(stage: Stage) -> None:
    """Render every shard that is not there yet and publish shards and index; of a share, only render."""
    params, raw = stage.params.render, roots(stage.params)
    tasks = shard_tasks(PLAN_TABLE, FRAME_TABLE, InputRoots(raw.backgrounds, FRAME_STORE, raw.videomatte), params)
    needed = estimated_bytes(PLAN_TABLE, params)
    made = sum(file.stat().st_size for file in stage.work.parts.rglob("*") if file.is_file())
    log.info("%d shards, about %.2f GB", len(tasks), needed / 1e9)
    check_disk(max(0, needed - made), [stage.work.folder, SHARD_FOLDER])

    parts = stage.make_parts(tasks, render_shard, "rendering shards", anywhere=True)
    if parts is None:
        return
    shards = gather(tasks, parts)
    index = stage.work.folder / SHARD_TABLE.name
    write_chunks(SHARDS, shards.table(), index)
    stage.work.link_tree(shards.files, SHARD_FOLDER)
    stage.work.link_file(index, SHARD_TABLE)
    stage.write_metrics(shards.metrics)


if __name__ == "__main__":
    run("render", body)
