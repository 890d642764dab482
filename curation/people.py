"""Who is in the picture: images -> PEOPLE rows, a chunk at a time."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import pyarrow as pa
import pyarrow.compute as pc

from curation.detectors import Detections
from curation.detectors.build import ObserverSpec, build_observer
from curation.detectors.observers import Observation, Observer
from curation.identity import content_id, item_id
from curation.images import MOST_MEGAPIXELS, Rgb, decode_rgb, max_bytes
from curation.sources import Source
from curation.storage import Root
from curation.tables import PEOPLE, by_kind, part_length, write_table

CHUNK = 200
PART = "people.parquet"
BATCH = {"cpu": 1, "cuda": 16}
"""Images shown to the observer together, by device."""
AHEAD = 2
"""Batches read and decoded while the detectors look at one."""
SIDE = 832
"""Long side, pixels, below which a JPEG is not decoded smaller than it is: a tile is 0.6 of it, and detectors take
320 to 640."""

Row = dict[str, Any]


class Target(NamedTuple):
    """One image to look at."""

    dataset: str
    locator: str
    image_id: str | None
    """As the index knows it; None where it was never indexed."""
    status: str
    """``ok``, or why there is nothing to look at."""


class DetectTask(NamedTuple):
    """One chunk of images, for a worker."""

    root: Root
    observer: ObserverSpec
    targets: tuple[Target, ...]


def tasks(targets: Sequence[Target], root: Root, spec: ObserverSpec, chunk: int | None = None) -> dict[str, DetectTask]:
    """Cut targets into chunks; a key names observer and targets: new weights may wear an old name."""
    name = build_observer(spec).name
    chunk = chunk or part_length(len(targets), CHUNK)
    cut: dict[str, DetectTask] = {}
    for start in range(0, len(targets), chunk):
        part = tuple(targets[start : start + chunk])
        key = item_id(name, str(spec), *(str(word) for target in part for word in target))[:12]
        cut[f"{start // chunk:06d}-{key}"] = DetectTask(root, spec, part)
    return cut


def detect_part(task: DetectTask, folder: Path) -> None:
    """Look at one chunk and write ``folder/people.parquet``. Pure: the same files give the same bytes."""
    rows = look(task.targets, Source(task.root), build_observer(task.observer), BATCH[task.observer.device])
    write_table(PEOPLE, rows, folder / PART)


class _Opened(NamedTuple):
    target: Target
    image: Rgb | None


def look(targets: Sequence[Target], source: Source, observer: Observer, batch: int = 1) -> Iterator[Row]:
    """Yield the PEOPLE rows of images: one a person, or one with a null box where nobody is, or with a reason.

    Files are read and decoded beside the detectors' work, a few batches ahead.
    """
    for opened in _ahead([targets[i : i + batch] for i in range(0, len(targets), batch)], source):
        shown = [one for one in opened if one.image is not None]
        answers = iter(observer.observe([one.image for one in shown if one.image is not None]))
        for target, image in opened:
            yield from _rows(target, None if image is None else next(answers), observer)


def _ahead(batches: Sequence[Sequence[Target]], source: Source) -> Iterator[list[_Opened]]:
    with ThreadPoolExecutor(1) as pool:
        waiting: deque[Future[list[_Opened]]] = deque()
        for part in batches:
            waiting.append(pool.submit(lambda part: [_open(target, source) for target in part], part))
            if len(waiting) > AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _open(target: Target, source: Source) -> _Opened:
    """Read and decode one image, once; what cannot be shown comes back with the reason as its status."""
    if target.status != "ok":
        return _Opened(target._replace(status=f"not looked at: {target.status}"), None)
    try:
        # The index refuses such files, but a folder may never have been indexed.
        data = source.read(target.locator, max_bytes(MOST_MEGAPIXELS))
        found = content_id(data)
        if target.image_id not in (None, found):
            return _Opened(target._replace(status="changed since it was indexed; run 'cleanplate scan'"), None)
        return _Opened(target._replace(image_id=found), decode_rgb(data, MOST_MEGAPIXELS, SIDE))
    except (OSError, ValueError, cv2.error) as error:
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return _Opened(target._replace(status=f"not looked at: {words}"), None)


def _rows(target: Target, answer: Observation | None, observer: Observer) -> Iterator[Row]:
    row: Row = dict.fromkeys(PEOPLE.columns)
    row |= {"dataset": target.dataset, "locator": target.locator, "image_id": target.image_id}
    row |= {"role": "verdict", "detector": observer.name, "rank": 0, "floor": observer.floor, "ceiling": 1.0}
    row |= {"status": target.status, "look": "none"}
    if answer is None:
        yield row
        return
    row |= {"look": answer.look, "ceiling": answer.ceiling}
    yield from _persons(row, answer.found)
    for seen in answer.seen:
        best = Detections(seen.found.boxes[:1], seen.found.scores[:1])
        yield from _persons(row | {"role": "member", "detector": seen.detector, "look": seen.look}, best)


def _persons(row: Row, found: Detections) -> Iterator[Row]:
    if not len(found.scores):
        yield row
    for rank, (score, (x, y, w, h)) in enumerate(zip(found.scores, found.boxes, strict=True)):
        place = {"x": float(x), "y": float(y), "w": float(w), "h": float(h)}
        yield row | {"rank": rank, "score": float(score)} | place


def verdict_rows(people: pa.Table) -> pa.Table:
    """The rows that decide: not what single members of an ensemble said."""
    return people.filter(pc.equal(people["role"], "verdict"))


def targets_of(images: pa.Table) -> list[Target]:
    """The rows of the index as targets."""
    columns = images.select(Target._fields).to_pydict()
    return list(map(Target, *columns.values()))


def summary(people: pa.Table) -> dict[str, Any]:
    """Count a PEOPLE table: images, those with and without a detection at the floor, those not looked at, and why.

    Raises ValueError where no image could be looked at.
    """
    people = verdict_rows(people)
    first = people.filter(pc.equal(people["rank"], 0))
    statuses = by_kind(first["status"].to_pylist())
    if not statuses.get("ok"):
        counts = ", ".join(f"{kind} {count}" for kind, count in statuses.items()) or "the index is empty"
        raise ValueError(f"no image could be looked at: {counts}; see the column status in data/images.parquet")
    found = pc.sum(pc.is_valid(first["score"])).as_py()
    looks = first.filter(pc.equal(first["status"], "ok"))["look"].value_counts().to_pylist()
    return {
        "detector": sorted(set(first["detector"].to_pylist())),
        "looks": {entry["values"]: entry["counts"] for entry in sorted(looks, key=lambda entry: entry["values"])},
        "images": first.num_rows,
        "with_person": found,
        "nobody": statuses["ok"] - found,
        "detections": people.num_rows - people["score"].null_count,
        "status": statuses,
    }
