"""An image record -> its row: content hash, scene, what its pixels say."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow.parquet as pq
from pydantic import Field, field_validator

from curation.config import Section
from curation.datasets import PLACES365
from curation.identity import content_id, item_id
from curation.images import MOST_MEGAPIXELS, decode_rgb, max_bytes
from curation.known import listing, worth_keeping
from curation.places365 import Record
from curation.quality import measure
from curation.sources import OversizeError, Source
from curation.storage import Root, root_name
from curation.tables import IMAGES, by_kind, part_length, to_arrow, write_table

CHUNK = 500
PART = "images.parquet"
KEPT = "kept.parquet"

Row = dict[str, Any]


class IndexParams(Section):
    """Parameters of the ``index`` stage."""

    group_pattern: str | None
    """Regular expression on the path; its group ``group`` names what an image was cut from. Null: none."""
    max_megapixels: float = Field(gt=0, le=MOST_MEGAPIXELS)
    """Images above this are rows with a reason, never decoded (decompression bombs). Decoding takes about 8 bytes of
    memory a pixel and worker. It bounds the file as well: 4 bytes a pixel and 64 MB, or it is never read."""

    @property
    def max_bytes(self) -> int:
        """Files above this are rows with a reason, never read."""
        return max_bytes(self.max_megapixels)

    @field_validator("group_pattern")
    @classmethod
    def _has_group(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            pattern = re.compile(value)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        if "group" not in pattern.groupindex:
            raise ValueError("it needs a group named 'group': (?P<group>...)")
        return value


class Dataset(NamedTuple):
    """What every row of a dataset carries along."""

    name: str
    licence: str
    source: str


class IndexTask(NamedTuple):
    """One chunk of records, for a worker."""

    root: Root
    dataset: Dataset
    params: IndexParams
    records: tuple[Record, ...]
    settled_ns: int
    """Files that changed later than this are not kept for later runs; see :func:`curation.known.worth_keeping`."""


def tasks(
    records: Sequence[Record],
    root: Root,
    dataset: Dataset,
    params: IndexParams,
    chunk: int | None = None,
    settled_ns: int = 0,
) -> dict[str, IndexTask]:
    """Cut the records into chunks. A chunk's key holds a hash of what it lists: a changed file is read again."""
    chunk = chunk or part_length(len(records), CHUNK)
    cut: dict[str, IndexTask] = {}
    for start in range(0, len(records), chunk):
        part = tuple(records[start : start + chunk])
        listed = item_id(*(str(word) for record in part for word in record))
        # Two datasets may list the same.
        cut[f"{dataset.name}-{start // chunk:06d}-{listed[:12]}"] = IndexTask(root, dataset, params, part, settled_ns)
    return cut


def index_part(task: IndexTask, folder: Path) -> None:
    """Index one chunk into ``folder/images.parquet``. Pure: the same files give the same bytes.

    Beside it ``kept.parquet`` holds what a later run may take over.
    """
    source = Source(task.root)
    rows = to_arrow(IMAGES, (index_image(record, source, task.dataset, task.params) for record in task.records))
    write_table(IMAGES, rows, folder / PART)
    facts = worth_keeping(rows, listing(task.records), task.settled_ns, root_name(task.root))
    pq.write_table(facts, folder / KEPT)


def index_image(record: Record, source: Source, dataset: Dataset, params: IndexParams) -> Row:
    """Read one image and return its IMAGES row; what cannot be read is a row with the reason in ``status``."""
    row: Row = dict.fromkeys(IMAGES.columns)
    row |= {"dataset": dataset.name, "licence": dataset.licence, "source": dataset.source}
    row |= {"locator": record.locator, "scene": record.scene, "indoor": record.indoor, "bytes": record.size}
    row["group"] = group_of(record.name, params.group_pattern)
    if record.reason is not None:
        return row | {"status": record.reason}
    try:
        data = source.read(record.locator, params.max_bytes)
    except OversizeError as error:
        return row | {"status": f"too large: {error} for a picture of {params.max_megapixels:g} megapixels"}
    except (OSError, ValueError) as error:
        return row | {"status": f"not readable: {_words(error)}"}
    row |= {"image_id": content_id(data), "bytes": len(data)}
    try:
        image = decode_rgb(data, params.max_megapixels)
    except ValueError as error:
        return row | {"status": str(error)}
    return row | {"status": "ok"} | measure(image)


def _words(error: Exception) -> str:
    # Without the path: a row must not differ with the place a dataset is kept in.
    return (error.strerror or "missing or not a regular file") if isinstance(error, OSError) else str(error)


def group_of(name: str, pattern: str | None) -> str | None:
    """Return what an image was cut from, by the pattern's group ``group``; None where it does not match."""
    match = re.search(pattern, name) if pattern else None
    return match["group"] if match else None


def require_images(statuses: Sequence[str], root: Root, expected: str, dataset: str = PLACES365) -> None:
    """Raise ValueError naming the root and what it should hold, unless at least one image of the dataset is ok."""
    if not statuses:
        raise ValueError(f"{dataset}.root: '{root}' has no images; expected {expected}")
    if "ok" not in statuses:
        counts = ", ".join(f"{kind} {count}" for kind, count in by_kind(statuses).items())
        raise ValueError(
            f"{dataset}.root: '{root}' has no images that can be read ({len(statuses)} files: {counts}); "
            f"expected {expected}"
        )
