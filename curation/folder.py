"""A folder that was never indexed: who is in its pictures, one row a file."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curation.people import Row, Target, verdict_rows
from curation.places365 import Record
from curation.presence import require_answerable

FOLDER = "folder"
"""The dataset's name in rows of a folder that is no dataset."""


def folder_targets(records: Iterable[Record]) -> list[Target]:
    """The files of a folder as targets whose content nobody knows yet."""
    return [Target(FOLDER, record.locator, None, record.reason or "ok") for record in records]


def person_rows(people: pa.Table, threshold: float) -> list[Row]:
    """Reduce a PEOPLE table to PERSONS rows: one an image, whether anybody is there at this threshold.

    Raises ValueError where the looks that were made cannot answer the threshold.
    """
    people = verdict_rows(people)
    require_answerable(people, threshold, "threshold")
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
