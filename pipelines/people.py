"""``cleanplate people``: the person filter on any folder, with the best detector at hand."""

import contextlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from curation.detectors.build import build_observer
from curation.folder import folder_targets, person_rows
from curation.people import PART, detect_part, tasks
from curation.places365 import find_images
from curation.presence import require_between
from curation.tables import PEOPLE, PERSONS, by_kind, join_tables, write_table
from pipelines.detectors import Choice
from pipelines.engine import run_parts
from pipelines.work import BusyError


class Filtered(NamedTuple):
    """What came out for a folder."""

    counts: dict[str, int]
    images_per_second: float


def filter_folder(folder: Path, choice: Choice, out: Path, boxes: Path | None, threshold: float | None) -> Filtered:
    """Look at every file below a folder and write one row an image to ``out``, and the detections to ``boxes``.

    Parts that are finished wait beside ``out`` in a folder that goes in the end.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: it holds no file, no image could be looked at, or the looks do not answer the threshold.
        BusyError: another run writes ``out``.
    """
    targets = folder_targets(find_images(folder).records)
    if not targets:
        raise ValueError(f"{folder} holds no files")
    observer = build_observer(choice.spec)
    used = choice.threshold if threshold is None else threshold
    require_between(used, observer.floor, observer.ceiling, "threshold")  # before hours of looking
    parts = out.with_name(f".{out.name}.parts")
    parts.mkdir(parents=True, exist_ok=True)
    with _alone(parts, out):
        started = time.perf_counter()
        made = run_parts(tasks(targets, folder, choice.spec), detect_part, parts, "people")
        people = join_tables(PEOPLE, [part / PART for part in made])
        seconds = time.perf_counter() - started
        rows = person_rows(people, used)
        if all(row["person"] is None for row in rows):
            kinds = by_kind(str(row["status"]) for row in rows)
            reasons = ", ".join(f"{kind} {count}" for kind, count in kinds.items())
            raise ValueError(f"no image below {folder} could be looked at: {reasons}")
        write_table(PERSONS, rows, out)
        if boxes is not None:
            write_table(PEOPLE, people, boxes)
        shutil.rmtree(parts)
    counts = {"with people": 0, "without": 0}
    for row in rows:
        name = {True: "with people", False: "without", None: str(row["status"])}[row["person"]]
        counts[name] = counts.get(name, 0) + 1
    return Filtered(counts, len(rows) / seconds)


@contextlib.contextmanager
def _alone(parts: Path, out: Path) -> Iterator[None]:
    try:
        with FileLock(parts / "lock", timeout=0):
            yield
    except Timeout:
        raise BusyError(f"another run writes {out}; wait for it, or give another --out") from None
