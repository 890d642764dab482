"""``cleanplate people``: the person filter on any folder, with the best detector at hand."""

import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, get_args

from curation.folder import folder_part, folder_tasks, person_rows
from curation.people import PART, DetectorSpec, Kind, Look
from curation.places365 import find_images
from curation.tables import PEOPLE, PERSONS, by_kind, join_tables, write_table
from pipelines.engine import run_parts
from pipelines.fetch import WEIGHTS
from pipelines.paths import find_weights

PATTERNS = ("yolox*.onnx", "nanodet*.onnx")
"""Names of the two files that fusion was calibrated with."""
FLOOR: dict[Kind, float] = {"builtin": 0.2, "onnx": 0.1, "fusion": 0.05}
THRESHOLD: dict[Kind, float] = {"builtin": 0.5, "onnx": 0.3, "fusion": 0.37}


class Choice(NamedTuple):
    """A detector that can run here."""

    spec: DetectorSpec
    looks: tuple[Look, ...]
    threshold: float
    """From which score a detection counts, unless the user says otherwise."""
    words: str


class Filtered(NamedTuple):
    """What came out for a folder."""

    counts: dict[str, int]
    images_per_second: float


def choose(detector: str | None, weights: Sequence[Path]) -> Choice:
    """The detector asked for, or the best whose files are at hand.

    Args:
        detector: ``builtin``, ``onnx`` or ``fusion``; None: fusion with two files, onnx with one, builtin with none.
        weights: its files; none: looked for in $CLEANPLATE_WEIGHTS and ``.weights`` by name.

    Raises:
        ValueError: no such detector, or not as many files as it takes.
        FileNotFoundError: a file is missing.
    """
    if detector is not None and detector not in get_args(Kind):
        raise ValueError(f"detector '{detector}': expected {', '.join(get_args(Kind))}")
    named = [find_weights(str(path)) for path in weights]
    files = named or ([] if detector == "builtin" else _at_hand())
    kinds: tuple[Kind, ...] = ("builtin", "onnx", "fusion")
    kind: Kind = kinds[min(len(files), 2)] if detector is None else kinds[kinds.index(detector)]
    wanted = kinds.index(kind)
    if named and len(named) != wanted:
        raise ValueError(f"detector '{kind}' takes {wanted} files in --weights, {len(named)} were named")
    if len(files) < wanted:
        raise FileNotFoundError(
            f"detector '{kind}' takes {wanted} files such as {' and '.join(PATTERNS[:wanted])}; "
            "name them with --weights, set CLEANPLATE_WEIGHTS, or run 'cleanplate fetch-weights yolox-nano'"
        )
    used = tuple(files[:wanted])
    words = f"detector {kind}" + (f": {', '.join(str(path) for path in used)}" if used else "")
    if kind == "builtin":
        words += " (misses two of three photographs with people: fetch a better one with 'cleanplate fetch-weights')"
    return Choice(DetectorSpec(kind, used, FLOOR[kind]), ("whole",), THRESHOLD[kind], words)


def _at_hand() -> list[Path]:
    """The first file of each pattern, as far as there is one, in order."""
    folders = [Path(os.environ["CLEANPLATE_WEIGHTS"])] if os.environ.get("CLEANPLATE_WEIGHTS") else []
    folders.append(WEIGHTS)
    found = []
    for pattern in PATTERNS:
        matches = [path for folder in folders for path in sorted(folder.glob(pattern))]
        if not matches:
            break
        found.append(matches[0])
    return found


def filter_folder(folder: Path, choice: Choice, out: Path, boxes: Path | None, threshold: float | None) -> Filtered:
    """Look at every file below a folder and write one row an image to ``out``, and the detections to ``boxes``.

    Parts that are finished wait beside ``out`` in a folder that goes in the end.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: it holds no file, no image could be looked at, or the threshold is too low.
    """
    records = find_images(folder).records
    if not records:
        raise ValueError(f"{folder} holds no files")
    started = time.perf_counter()
    parts = out.with_name(f".{out.name}.parts")
    made = run_parts(folder_tasks(records, folder, choice.spec, choice.looks), folder_part, parts, "people")
    people = join_tables(PEOPLE, [part / PART for part in made])
    seconds = time.perf_counter() - started
    rows = person_rows(people, choice.threshold if threshold is None else threshold)
    if all(row["person"] is None for row in rows):
        reasons = ", ".join(f"{kind} {count}" for kind, count in by_kind([row["status"] for row in rows]).items())
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
