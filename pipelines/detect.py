"""Stage ``detect``: who is in the picture. The slow stage; a killed run goes on where it stopped."""

import logging
from pathlib import Path

from curation.people import PART, DetectorSpec, build_detector, detect_part, summary, tasks
from curation.tables import IMAGES, PEOPLE, join_tables, read_table, write_table
from pipelines.engine import run_parts
from pipelines.paths import find_weights, roots
from pipelines.stage import Stage, run

IMAGES_IN = Path("data/images.parquet")
OUT = Path("data/people.parquet")
log = logging.getLogger("cleanplate.detect")


def body(stage: Stage) -> None:
    """Look for people in all images."""
    params = stage.params.detect
    weights = tuple(find_weights(name) for name in params.files)
    spec = DetectorSpec(params.detector, weights, params.floor)
    log.info("detector: %s, looks: %s", build_detector(spec).name, ", ".join(params.looks))
    images = read_table(IMAGES, IMAGES_IN, ["dataset", "locator", "image_id", "status"])
    cut = tasks(images, roots(stage.params).places365, spec, params.looks)
    parts = run_parts(cut, detect_part, stage.work.parts, "people")
    table = join_tables(PEOPLE, [part / PART for part in parts])
    metrics = summary(table)
    write_table(PEOPLE, table, stage.work.folder / OUT.name)
    stage.work.link_file(stage.work.folder / OUT.name, OUT)
    log.info("people in %(with_person)d of %(images)d images", metrics)
    stage.write_metrics(metrics)


if __name__ == "__main__":
    run("detect", body)
