"""Stage ``detect``: who is in the picture. The slow stage; a killed run goes on where it stopped."""

import logging
from pathlib import Path

from curation.detectors.build import build_observer
from curation.people import PART, detect_part, summary, targets_of, tasks
from curation.tables import IMAGES, PEOPLE, join_tables, read_table, write_table
from pipelines.detectors import find_observer
from pipelines.engine import run_parts
from pipelines.paths import roots
from pipelines.stage import Stage, run

IMAGES_IN = Path("data/images.parquet")
OUT = Path("data/people.parquet")
log = logging.getLogger("cleanplate.detect")


def body(stage: Stage) -> None:
    """Look for people in all images."""
    spec = find_observer(stage.params.detect)
    log.info("detector: %s", build_observer(spec).name)
    images = read_table(IMAGES, IMAGES_IN, ["dataset", "locator", "image_id", "status"])
    cut = tasks(targets_of(images), roots(stage.params).places365, spec)
    parts = run_parts(cut, detect_part, stage.work.parts, "people")
    table = join_tables(PEOPLE, [part / PART for part in parts])
    metrics = summary(table)
    write_table(PEOPLE, table, stage.work.folder / OUT.name)
    stage.work.link_file(stage.work.folder / OUT.name, OUT)
    log.info("people in %(with_person)d of %(images)d images", metrics)
    stage.write_metrics(metrics)


if __name__ == "__main__":
    run("detect", body)
