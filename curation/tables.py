"""The schemas of the curation tables, and the one function that writes any table."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.storage import writing

ROW_GROUP = 65_536
PARTS = 48
"""Parts that even a small job is cut into."""
MOST_GROUP_ROWS = 1 << 20
"""More rows than that in one row group no table has that was written here: a few bytes may claim any number."""


@dataclass(frozen=True)
class Table:
    """A table's contract: its columns with their meaning, and the key its rows are sorted by."""

    name: str
    version: int
    key: tuple[str, ...]
    columns: Mapping[str, tuple[pa.DataType, str]]

    @property
    def schema(self) -> pa.Schema:
        """The written schema: descriptions as field metadata, name and version as schema metadata."""
        fields = [pa.field(name, kind, metadata={"description": words}) for name, (kind, words) in self.columns.items()]
        return pa.schema(fields, metadata={"table": self.name, "schema_version": str(self.version)})


def to_arrow(table: Table, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Build an Arrow table from row mappings. Raises ValueError for a row with missing or unknown columns."""
    rows = list(rows)
    names = set(table.columns)
    for row in rows:
        if row.keys() != names:
            odd = sorted(names.symmetric_difference(row))
            raise ValueError(f"{table.name}: a row does not fit the schema, missing or unknown: {', '.join(odd)}")
    columns = [pa.array([row[name] for row in rows], kind) for name, (kind, _) in table.columns.items()]
    return pa.Table.from_arrays(columns, schema=table.schema)


def from_columns(table: Table, columns: Mapping[str, Any]) -> pa.Table:
    """Build an Arrow table from its columns: numpy or Arrow arrays or lists, (N,) each, cast to the schema's types.

    Raises ValueError for missing or unknown columns and for columns of different lengths.
    """
    if columns.keys() != table.columns.keys():
        odd = sorted(table.columns.keys() ^ columns.keys())
        raise ValueError(f"{table.name}: the columns do not fit the schema, missing or unknown: {', '.join(odd)}")
    arrays = [_as(columns[name], kind) for name, (kind, _) in table.columns.items()]
    return pa.Table.from_arrays(arrays, schema=table.schema)


def _as(values: Any, kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, np.ndarray) and values.dtype != object:
        return pa.array(values.astype(kind.to_pandas_dtype(), copy=False))
    return values.cast(kind) if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, kind)


def write_table(table: Table, data: pa.Table | Iterable[Mapping[str, Any]], path: Path) -> None:
    """Write a table: sorted by key, chunks combined, no pandas metadata, fixed row groups, atomically.

    The same rows give the same bytes, however they were chunked or ordered before.
    """
    arrow = data if isinstance(data, pa.Table) else to_arrow(table, data)
    arrow = arrow.select(list(table.columns)).cast(table.schema)
    order = _order(table, arrow)
    if not np.array_equal(order, np.arange(arrow.num_rows)):
        arrow = arrow.take(pa.array(order))
    _write(table, _groups(table, [arrow]), path)


def write_chunks(table: Table, chunks: Iterable[pa.Table], path: Path) -> None:
    """Write a table whose rows come sorted by key, in pieces of any size: the bytes of :func:`write_table`.

    Holds no more than a row group and a piece at a time. Raises ValueError, and writes nothing, where the order breaks.
    """
    _write(table, _in_order(table, _groups(table, chunks)), path)


def _write(table: Table, groups: Iterable[pa.Table], path: Path) -> None:
    repeats = [name for name, (kind, _) in table.columns.items() if _repeats(name, kind)]
    with (
        writing(path) as temporary,
        pq.ParquetWriter(temporary, table.schema, compression="zstd", use_dictionary=repeats) as file,
        ThreadPoolExecutor(1) as writer,
    ):
        # The next group is made while one is compressed; never more, so that memory stays bounded.
        busy: Future[None] | None = None
        for group in groups:
            if busy is not None:
                busy.result()
            busy = writer.submit(file.write_table, group, row_group_size=ROW_GROUP)
        if busy is not None:
            busy.result()


def _repeats(name: str, kind: pa.DataType) -> bool:
    """Whether a column is worth a dictionary: measures and hashes hardly hold a value twice.

    A plan without those dictionaries took half the time to write and a quarter less space.
    """
    return not (pa.types.is_floating(kind) or kind == pa.uint64() or name.endswith(("_id", "locator", "ordinal")))


def _groups(table: Table, chunks: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Cut pieces into whole row groups and a last one, empty only where there are no rows at all.

    A group at a time is made whole: the whole table in one piece would be a second copy of it.
    """
    held: pa.Table = table.schema.empty_table()
    written = False
    for chunk in chunks:
        fitting = chunk.select(list(table.columns)).cast(table.schema)
        held = pa.concat_tables([held, fitting]) if len(held) else fitting
        while len(held) >= ROW_GROUP:
            yield held.slice(0, ROW_GROUP).combine_chunks()
            held, written = held.slice(ROW_GROUP), True
    if len(held) or not written:
        yield held.combine_chunks()


def _in_order(table: Table, groups: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Hand groups on while each key comes after the one before."""
    before: pa.Table | None = None
    for group in groups:
        keys = group.select(list(table.key))
        keys = keys if before is None else pa.concat_tables([before, keys])
        if not np.array_equal(_order(table, keys), np.arange(len(keys))):
            raise ValueError(f"{table.name}: the rows do not come sorted by {', '.join(table.key)}; use write_table")
        before = keys.slice(max(0, len(keys) - 1))
        yield group


def _order(table: Table, rows: pa.Table) -> Any:
    return pc.sort_indices(rows, sort_keys=[(name, "ascending") for name in table.key]).to_numpy()


def read_table(table: Table, path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table and check that it is the one expected.

    Raises FileNotFoundError (naming the stage to run) or ValueError (damaged, another table, version or columns).
    """
    check_table(table, path)
    try:
        return pq.read_table(path, columns=None if columns is None else list(columns))
    except (pa.ArrowException, OSError) as error:
        raise _damaged(table, path, error) from error


def read_pieces(table: Table, path: Path, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Read what :func:`read_table` reads a row group at a time, never more in memory. Raises as it does."""
    check_table(table, path)
    with pq.ParquetFile(path) as file:
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, None if columns is None else list(columns))


def check_table(table: Table, path: Path) -> None:
    """Check, by its footer alone, that a file holds the table expected. Raises as :func:`read_table`."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; run 'dvc repro' or 'dvc pull' to get the {table.name} table")
    try:
        with pq.ParquetFile(path) as file:
            schema, footer = file.schema_arrow, file.metadata
            largest = max((footer.row_group(group).num_rows for group in range(footer.num_row_groups)), default=0)
    except (pa.ArrowException, OSError) as error:
        raise _damaged(table, path, error) from error
    found = schema.metadata or {}
    name, version = (found.get(key, b"?").decode("utf-8", "replace") for key in (b"table", b"schema_version"))
    if (name, version) != (table.name, str(table.version)):
        raise ValueError(
            f"{path} holds table '{name}' version {version}, expected '{table.name}' version {table.version}; "
            f"make it again with 'dvc repro'"
        )
    if not schema.equals(table.schema):
        wrong = [f"{field.name} {field.type}" for field in schema if field not in list(table.schema)]
        lacking = [field.name for field in table.schema if field.name not in schema.names]
        raise ValueError(
            f"{path} says it holds table '{name}', but its columns are others (unexpected: "
            f"{', '.join(wrong[:5]) or 'none'}; lacking: {', '.join(lacking[:5]) or 'none'}); "
            "make it again with 'dvc repro'"
        )
    if largest > MOST_GROUP_ROWS:
        raise ValueError(
            f"{path} claims {largest:,} rows in one row group, over {MOST_GROUP_ROWS:,}: no table made here has that; "
            "make it again with 'dvc repro'"
        )


def _damaged(table: Table, path: Path, error: Exception) -> ValueError:
    words = (str(error).splitlines() or [type(error).__name__])[0]
    # Not 'dvc checkout': where outputs are hard links, DVC's copy is the same damaged file.
    again = f"remove the {table.name} table with 'cleanplate verify --outputs --repair', then 'dvc repro'"
    return ValueError(f"{path} is damaged ({words}); {again}")


def join_tables(table: Table, paths: Sequence[Path]) -> pa.Table:
    """Read the parts of a table into one; no parts make an empty table. Raises as :func:`read_table`."""
    parts = [read_table(table, path) for path in paths]
    return pa.concat_tables(parts) if parts else table.schema.empty_table()


def part_length(count: int, most: int) -> int:
    """How many of ``count`` items a part holds: at most ``most``, fewer where that gives all workers something to do.

    It hangs on nothing but the count, so the same parts come out on any machine.
    """
    return max(1, min(most, -(-count // PARTS)))


def by_kind(statuses: Iterable[str]) -> dict[str, int]:
    """Count statuses by the words before their colon, sorted by name; ``ok`` among them."""
    counts: dict[str, int] = {}
    for status in statuses:
        kind = status.partition(":")[0]
        counts[kind] = counts.get(kind, 0) + 1
    return dict(sorted(counts.items()))


IMAGES = Table(
    name="images",
    version=2,
    key=("dataset", "locator"),
    columns={
        "dataset": (pa.string(), "name of the dataset, such as places365"),
        "locator": (pa.string(), "path relative to the dataset's root, or archive.tar#offset+size"),
        "image_id": (pa.string(), "BLAKE2b-128 of the file's bytes, hex; null where nothing could be read"),
        "group": (pa.string(), "what the image was cut from, where the locator tells; split together"),
        "scene": (pa.string(), "scene category, such as church/indoor; null where unknown"),
        "indoor": (pa.bool_(), "from the official list; null where unknown"),
        "width": (pa.int32(), "pixels, after EXIF orientation; null where unreadable"),
        "height": (pa.int32(), "pixels, after EXIF orientation; null where unreadable"),
        "bytes": (pa.int64(), "size of the file"),
        "sharpness": (
            pa.float32(),
            "variance of the Laplacian of luma (0-255) at 256 pixels or less on the short side",
        ),
        "luma_mean": (pa.float32(), "mean luma, 0 to 1"),
        "luma_spread": (pa.float32(), "standard deviation of luma, 0 to 1"),
        "clipped": (pa.float32(), "share of pixels at or beyond 2 or 253 of 255 in every channel"),
        "chroma": (pa.float32(), "largest less smallest channel of the most colourful hundredth, 0 (greyscale) to 1"),
        "border": (pa.float32(), "share of the area under uniform bars at opposite edges, 0 to 1"),
        "drawn": (
            pa.float32(),
            "how much looks drawn by a computer: share of flat blocks x of crisp ones among the rest",
        ),
        "phash": (pa.uint64(), "64-bit perceptual hash of the DCT; null where unreadable"),
        "status": (pa.string(), "ok, or why the image could not be read"),
        "licence": (pa.string(), "licence of the dataset"),
        "source": (pa.string(), "where the dataset comes from"),
    },
)

PEOPLE = Table(
    name="people",
    version=2,
    key=("dataset", "locator", "role", "detector", "look", "rank"),
    columns={
        "dataset": (pa.string(), "name of the dataset"),
        "locator": (pa.string(), "the image's locator"),
        "image_id": (pa.string(), "content hash of the image"),
        "role": (pa.string(), "verdict: the answer that decides; member: what one detector of several found at best"),
        "detector": (pa.string(), "which detector looked, with its weights' hash where it has any"),
        "look": (pa.string(), "the looks that were made, joined by +: whole, tiles2x2, confirmation; none"),
        "rank": (pa.int32(), "0 for the best score of this image, detector and look"),
        "floor": (pa.float32(), "lowest score that was kept: thresholds below it cannot be answered"),
        "ceiling": (pa.float32(), "highest threshold that the looks answer: above it, looks are missing"),
        "score": (pa.float32(), "0 to 1; null where the detector ran and found nobody"),
        "x": (pa.float32(), "left edge as a share of the width; null where nobody"),
        "y": (pa.float32(), "top edge as a share of the height; null where nobody"),
        "w": (pa.float32(), "width as a share of the image's; null where nobody"),
        "h": (pa.float32(), "height as a share of the image's; null where nobody"),
        "status": (pa.string(), "ok, or why the detector could not look"),
    },
)

PERSONS = Table(
    name="persons",
    version=1,
    key=("locator",),
    columns={
        "locator": (pa.string(), "the image's locator below the folder"),
        "person": (
            pa.bool_(),
            "whether anybody is there at the threshold; null where the image could not be looked at",
        ),
        "score": (pa.float32(), "best score, 0 where nobody was found; null where not looked at"),
        "threshold": (pa.float32(), "score from which a detection counts as a person"),
        "detector": (pa.string(), "which detector looked, with its weights' hash where it has any"),
        "status": (pa.string(), "ok, or why the image could not be looked at"),
    },
)

VERDICTS = Table(
    name="verdicts",
    version=2,
    key=("dataset", "locator"),
    columns={
        "dataset": (pa.string(), "name of the dataset"),
        "locator": (pa.string(), "the image's locator"),
        "image_id": (pa.string(), "content hash; null where the image could not be read"),
        "kept": (pa.bool_(), "whether the image may be a background"),
        "reason": (pa.string(), "why not, with figures, such as 'people: 0.83 over 4% of the image'; ok where kept"),
        "rule": (pa.string(), "the reason's first word, for counting: people, size, sharpness, duplicate, ..."),
        "split": (pa.string(), "train, valid or test, from the content (or group) alone; null where unreadable"),
        "scene": (pa.string(), "scene category"),
        "indoor": (pa.bool_(), "from the official list; null where unknown"),
        "width": (pa.int32(), "pixels"),
        "height": (pa.int32(), "pixels"),
        "person_score": (pa.float32(), "best score of any detection; 0 where nobody, null where not looked at"),
        "person_share": (pa.float32(), "share of the image under the person boxes at or above the threshold"),
        "sharpness": (pa.float32(), "as in images"),
        "luma_mean": (pa.float32(), "as in images"),
        "luma_spread": (pa.float32(), "as in images"),
        "clipped": (pa.float32(), "as in images"),
        "chroma": (pa.float32(), "as in images"),
        "border": (pa.float32(), "as in images"),
        "drawn": (pa.float32(), "as in images"),
        "duplicate_of": (pa.string(), "locator of the image kept in its place; null where it is no duplicate"),
        "refine_ok": (
            pa.bool_(),
            "short side x 1.25 reaches curate.refine_side: fills a refine crop without being enlarged over 1.25x",
        ),
        "decision": (pa.string(), "a human's keep or reject; null where none"),
        "licence": (pa.string(), "licence of the dataset"),
        "source": (pa.string(), "where the dataset comes from"),
    },
)
