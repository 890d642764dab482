"""The ``mattes`` stage: VideoMatte240K -> the frame store and one row a frame."""

import logging
from pathlib import Path

from compositing.mattes.clip import ClipTask, gather, store_clip
from compositing.mattes.videomatte import find_clips, find_objects, split_clips
from compositing.tables import FRAMES
from curation.storage import open_store
from curation.tables import write_table
from pipelines.paths import roots
from pipelines.stage import Stage, run

FRAME_STORE = Path("data/frames")
FRAME_TABLE = Path("data/frames.parquet")

log = logging.getLogger("cleanplate.mattes")


def body(stage: Stage) -> None:
    """Store every clip's frames and publish the frames table; of a share, only store."""
    params, dataset = stage.params.mattes, stage.params.data.videomatte
    root = roots(stage.params).videomatte
    listing = find_clips(open_store(root))
    if listing.ignored:
        log.warning(
            "%d files are neither videos nor frames and were left alone, such as %s",
            len(listing.ignored),
            listing.ignored[0],
        )
    splits, objects = split_clips(listing.clips, params), find_objects(listing.clips, params.objects)
    tasks = {
        clip.key: ClipTask(
            str(root), clip, splits[clip.name], clip.name not in objects, params, dataset.licence, dataset.source
        )
        for clip in listing.clips
    }
    parts = stage.make_parts(tasks, store_clip, "storing clips")
    if parts is None:
        return
    table, counts = gather(parts)
    log.info("%(frames)d frames of %(clips)d clips; rows by status %(rows_by_status)s", counts)
    log.info("foreground colours by clip: %s", counts["foreground"])

    made = stage.work.folder / FRAME_TABLE.name
    write_table(FRAMES, table, made)
    stage.work.link_tree({tar.name: tar for part in parts for tar in sorted(part.glob("*.tar"))}, FRAME_STORE)
    stage.work.link_file(made, FRAME_TABLE)
    stage.write_metrics({**counts, "files_ignored": len(listing.ignored)})


if __name__ == "__main__":
    run("mattes", body)
