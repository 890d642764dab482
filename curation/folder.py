"""A folder that was never indexed: who is in its pictures, one row a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.identity import content_id, item_id
from curation.people import CHUNK, PART, DetectorSpec, Look, Row, Target, build_detector, look_at
from curation.places365 import Record
from curation.sources import Source
from curation.tables import PEOPLE, part_length, write_table

FOLDER = "folder"
"""The dataset's name in rows of a folder that is no dataset."""


class FolderTask(NamedTuple):
    """One chunk of a folder that was never indexed, for a worker."""

    root: Path
    detector: DetectorSpec
    looks: tuple[Look, ...]
    records: tuple[Record, ...]


def folder_tasks(
    records: Sequence[Record], root: Path, spec: DetectorSpec, looks: tuple[Look, ...]
) -> dict[str, FolderTask]:
    """Cut the files of a folder into chunks; a key names detector, looks and files, so that nothing stale is taken."""
    chunk = part_length(len(records), CHUNK)
    cut: dict[str, FolderTask] = {}
    for start in range(0, len(records), chunk):
        part = tuple(records[start : start + chunk])
        listed = [word for record in part for word in (record.locator, record.size)]
        key = item_id(build_detector(spec).name, *looks, str(spec.floor), *listed)[:12]
        cut[f"{start // chunk:06d}-{key}"] = FolderTask(root, spec, looks, part)
    return cut


def folder_part(task: FolderTask, folder: Path) -> None:
    """Look at one chunk of a folder and write ``folder/people.parquet``."""
    detector, source = build_detector(task.detector), Source(task.root)
    rows: list[Row] = []
    for record in task.records:
        status, image_id = record.reason or "ok", None
        if record.reason is None:
            try:
                image_id = content_id(source.read(record.locator))
            except (OSError, ValueError) as error:
                status = f"not readable: {getattr(error, 'strerror', None) or error}"
        target = Target(FOLDER, record.locator, image_id, status)
        rows.extend(look_at(target, source, detector, task.looks, task.detector.floor))
    write_table(PEOPLE, rows, folder / PART)


def person_rows(people: pa.Table, threshold: float) -> list[Row]:
    """Reduce a PEOPLE table to PERSONS rows: one an image, whether anybody is there at this threshold.

    Raises ValueError where the threshold lies below the scores that were stored.
    """
    floor = pc.max(people["floor"]).as_py()
    if floor is not None and threshold < floor - 1e-6:
        raise ValueError(f"threshold {threshold:g}: only scores from {floor:g} up are looked for; raise it")
    first = people.filter(pc.equal(people["rank"], 0))
    columns = ("locator", "score", "detector", "status")
    rows = []
    for locator, score, detector, status in zip(*(first[name].to_pylist() for name in columns), strict=True):
        looked = status == "ok"
        best = (score or 0.0) if looked else None
        person = best >= np.float32(threshold) if best is not None else None
        row = {"locator": locator, "person": None if person is None else bool(person), "score": best}
        rows.append({**row, "threshold": threshold, "detector": detector, "status": status})
    return rows
