"""Stage ``detect``: who is in the picture. The slow stage: a killed run goes on, and no image is looked at twice."""

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from filelock import FileLock

from curation.detectors.build import build_observer
from curation.people import PART, DetectTask, detect_part, summary, targets_of, tasks
from curation.seen import Known, known_people
from curation.storage import writing
from curation.tables import IMAGES, PEOPLE, join_tables, read_table, write_table
from pipelines import kept
from pipelines.depot import Depot
from pipelines.detectors import find_observer
from pipelines.paths import roots
from pipelines.stage import Stage, run
from pipelines.work import work_url

IMAGES_IN = Path("data/images.parquet")
OUT = Path("data/people.parquet")
TODO = "todo.npy"
PACKAGES = ("pillow", "opencv-python-headless", "numpy", "onnxruntime")
log = logging.getLogger("cleanplate.detect")


def body(stage: Stage) -> None:
    """Look for people in all images that no earlier run looked at in the same way; of a share, only look."""
    params = stage.params.detect
    spec = find_observer(params)
    name = build_observer(spec).name
    log.info("detector: %s", name)
    images = read_table(IMAGES, IMAGES_IN, ["dataset", "locator", "image_id", "status"])
    calibration = spec.calibration.read_text(encoding="utf-8") if spec.calibration else None
    stamp = kept.stamp_of("detect", PACKAGES, [name, params.model_dump(mode="json"), calibration])
    kept.mark(stage.work.folder, stamp, shared=stage.share is not None)
    known = _known(images, stamp) if stage.share is None else None
    if known is not None:
        rows = known.todo
    elif url := work_url():
        Depot(url, stage.work.folder.name).agree(kept.MARK, stamp)
        rows = np.arange(images.num_rows)  # no lock guards a list there, and each machine has kept rows of its own
    else:
        rows = _agreed(stage.work.folder / TODO, images, stamp)
    todo = images.take(pa.array(rows))
    log.info("%s known, %s to look at", f"{images.num_rows - len(todo):,}", f"{len(todo):,}")
    folders = roots(stage.params).backgrounds
    strangers = sorted(set(pc.unique(todo["dataset"]).to_pylist()) - folders.keys())
    if strangers:
        raise ValueError(f"{IMAGES_IN} holds dataset '{strangers[0]}', whose root is not known; run 'dvc repro index'")
    cut: dict[str, DetectTask] = {}
    for dataset, root in folders.items():
        cut |= tasks(targets_of(todo.filter(pc.equal(todo["dataset"], dataset))), root, spec)
    parts = stage.make_parts(cut, detect_part, "people", anywhere=True)
    if parts is None or known is None:
        return
    table = pa.concat_tables([known.people, join_tables(PEOPLE, [part / PART for part in parts])])
    metrics = summary(table)
    write_table(PEOPLE, table, stage.work.folder / OUT.name)
    stage.work.link_file(stage.work.folder / OUT.name, OUT)
    kept.save("detect", stamp, table)
    log.info("people in %(with_person)d of %(images)d images", metrics)
    stage.write_metrics(metrics)


def _known(images: pa.Table, stamp: str) -> Known:
    earlier = kept.load("detect", stamp, PART)
    return known_people(images, PEOPLE.schema.empty_table() if earlier is None else earlier)


def _agreed(file: Path, images: pa.Table, stamp: str) -> npt.NDArray[np.int64]:
    """Row numbers of the images to look at, as the first share of all found them.

    Finished parts count as known: a share that began later would see fewer images left, and cut them otherwise.
    """
    with FileLock(file.with_suffix(".lock")):
        if not file.exists():
            todo = _known(images, stamp).todo
            with writing(file) as temporary, temporary.open("wb") as handle:
                np.save(handle, todo)
    found: npt.NDArray[np.int64] = np.load(file, allow_pickle=False)
    return found


if __name__ == "__main__":
    run("detect", body)
