"""Stage ``detect``: who is in the picture. The slow stage: a killed run goes on, and no image is looked at twice."""

import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from curation.detectors.build import build_observer
from curation.people import PART, DetectTask, detect_part, summary, targets_of, tasks
from curation.seen import known_people
from curation.tables import IMAGES, PEOPLE, join_tables, read_table, write_table
from pipelines import kept
from pipelines.detectors import find_observer
from pipelines.engine import run_parts
from pipelines.paths import roots
from pipelines.stage import Stage, run

IMAGES_IN = Path("data/images.parquet")
OUT = Path("data/people.parquet")
PACKAGES = ("pillow", "opencv-python-headless", "numpy", "onnxruntime")
log = logging.getLogger("cleanplate.detect")


def body(stage: Stage) -> None:
    """Look for people in all images that no earlier run looked at in the same way."""
    params = stage.params.detect
    spec = find_observer(params)
    name = build_observer(spec).name
    log.info("detector: %s", name)
    images = read_table(IMAGES, IMAGES_IN, ["dataset", "locator", "image_id", "status"])
    calibration = spec.calibration.read_text(encoding="utf-8") if spec.calibration else None
    stamp = kept.stamp_of("detect", PACKAGES, [name, params.model_dump(mode="json"), calibration])
    kept.mark(stage.work.folder, stamp)
    earlier = kept.load("detect", stamp, PART)
    known = known_people(images, PEOPLE.schema.empty_table() if earlier is None else earlier)
    del earlier
    todo = images.take(pa.array(known.todo))
    log.info("%s known, %s to look at", f"{images.num_rows - len(todo):,}", f"{len(todo):,}")
    folders = roots(stage.params).backgrounds
    strangers = sorted(set(pc.unique(todo["dataset"]).to_pylist()) - folders.keys())
    if strangers:
        raise ValueError(f"{IMAGES_IN} holds dataset '{strangers[0]}', whose root is not known; run 'dvc repro index'")
    cut: dict[str, DetectTask] = {}
    for dataset, root in folders.items():
        cut |= tasks(targets_of(todo.filter(pc.equal(todo["dataset"], dataset))), root, spec)
    parts = run_parts(cut, detect_part, stage.work.parts, "people")
    table = pa.concat_tables([known.people, join_tables(PEOPLE, [part / PART for part in parts])])
    metrics = summary(table)
    write_table(PEOPLE, table, stage.work.folder / OUT.name)
    stage.work.link_file(stage.work.folder / OUT.name, OUT)
    kept.save("detect", stamp, table)
    log.info("people in %(with_person)d of %(images)d images", metrics)
    stage.write_metrics(metrics)


if __name__ == "__main__":
    run("detect", body)
