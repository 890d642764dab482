"""What is wrong with shards on disk: any flipped bit, a missing or extra member or file, and whose composite it is."""

import tarfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from compositing.setrows import runs
from compositing.shards.parquet import ParquetFiles
from compositing.shards.places import inside
from compositing.tables import SHARDS
from curation.identity import content_id, file_id
from curation.tables import check_table

BLOCK = tarfile.BLOCKSIZE

Row = dict[str, Any]


class Damage(NamedTuple):
    """One thing that is wrong."""

    shard: str
    """File below the shards folder."""
    what: str
    """In words."""
    composite_id: str | None
    """Whose layer it is; None where none is touched, such as in a tar's end or a file too many."""


class ShardSpan(NamedTuple):
    """Where the table speaks of one shard."""

    shard: str
    digest: str
    first: int
    """Its first row in the table."""
    stop: int
    """The row after its last."""


class ShardRows(NamedTuple):
    """What the table says of one shard."""

    shard: str
    digest: str
    rows: tuple[Row, ...]
    """Its SHARDS rows in the order of the file."""


def shards_of(table: Path) -> list[ShardSpan]:
    """Return the shards of a SHARDS table, a few words each.

    Raises as ``read_table``, ValueError for a damaged table or one that is not sorted.
    """
    spans: dict[str, ShardSpan] = {}
    with _telling(table):
        check_table(SHARDS, table)
        with pq.ParquetFile(table) as file:
            columns = [runs(file, name) for name in ("shard", "shard_digest")]
            for first, stop, (shard, digest) in _overlaps(*columns):
                known = spans.get(shard, ShardSpan(inside(shard), digest, first, first))
                if (known.stop, known.digest) != (first, digest):
                    raise ValueError(f"{table}: the rows of {shard} are mixed with others; run 'dvc repro render'")
                spans[shard] = known._replace(stop=stop)
    return list(spans.values())


def rows_of(table: Path, spans: Sequence[ShardSpan]) -> Iterator[ShardRows]:
    """Read what a SHARDS table says of some shards, ascending; a row group at a time. Raises as :func:`shards_of`."""
    with _telling(table), pq.ParquetFile(table) as file:
        begin, group, held = 0, 0, SHARDS.schema.empty_table()
        for span in spans:
            while begin + len(held) < span.stop:
                # A shard may begin in one row group and end in the next.
                drop = min(max(0, span.first - begin), len(held))
                begin, held = begin + drop, held.slice(drop)
                rows = file.metadata.row_group(group).num_rows
                if not len(held) and begin + rows <= span.first:
                    begin += rows
                else:
                    held = pa.concat_tables([held, file.read_row_group(group)])
                group += 1
            found = held.slice(span.first - begin, span.stop - span.first).to_pylist()
            yield ShardRows(span.shard, span.digest, tuple(sorted(found, key=_place)))


def _overlaps(
    one: Iterator[tuple[str, int, int]], two: Iterator[tuple[str, int, int]]
) -> Iterator[tuple[int, int, tuple[str, str]]]:
    """Lay two columns' runs over one another: first row, row after the last, both values."""
    left, right = next(one, None), next(two, None)
    while left and right:
        stop = min(left[2], right[2])
        yield max(left[1], right[1]), stop, (left[0], right[0])
        left, right = (next(rest, None) if run[2] == stop else run for rest, run in ((one, left), (two, right)))


@contextmanager
def _telling(table: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{table} is damaged ({error}); get it again with 'dvc checkout --force {table}'") from error


def extra_files(folder: Path, known: Iterable[str]) -> list[Damage]:
    """Find files below the shards folder that no row of the table speaks of."""
    names = set(known)
    found = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if not file.is_dir())
    return [Damage(name, "a file that the table does not know", None) for name in found if name not in names]


def check_shard(folder: Path, expected: ShardRows) -> list[Damage]:
    """Compare one shard with the table: nothing where every byte is as it was written.

    One reading and one hash of the file settle a whole shard; only a damaged one is taken apart.
    """
    file = folder / expected.shard
    if not file.is_file():
        return [Damage(expected.shard, "the shard is missing", key) for key in _keys(expected)]
    try:
        if file_id(file) == expected.digest:
            return []
        found = list((_in_tar if file.suffix == ".tar" else _in_parquet)(folder, expected))
    except OSError as error:
        return [Damage(expected.shard, f"cannot be read: {error}", key) for key in _keys(expected)]
    rest = "bytes outside every layer differ (the container's own: headers, statistics or footer)"
    return found or [Damage(expected.shard, rest, None)]


def _in_tar(folder: Path, expected: ShardRows) -> Iterator[Damage]:
    data = (folder / expected.shard).read_bytes()
    end = 0
    for row in expected.rows:
        name, start = f"{row['composite_id']}.{row['member']}", row["offset"]
        stop = start + row["size"]
        end = stop + -row["size"] % BLOCK
        if stop > len(data):
            yield Damage(expected.shard, f"{name} is cut off: the file ends at {len(data)}", row["composite_id"])
            continue
        info = tarfile.TarInfo(name)
        info.size, info.mode = row["size"], 0o644
        if data[start - BLOCK : start] != info.tobuf(tarfile.USTAR_FORMAT):
            yield Damage(expected.shard, f"the tar header of {name} differs", row["composite_id"])
        if content_id(data[start:stop]) != row["digest"]:
            yield Damage(expected.shard, f"the bytes of {name} differ", row["composite_id"])
        if any(data[stop:end]):
            yield Damage(expected.shard, f"the padding after {name} is not empty", row["composite_id"])
    if data[end:] != bytes(2 * BLOCK):
        yield Damage(expected.shard, f"after the last member: {_tail(folder / expected.shard, expected)}", None)


def _tail(file: Path, expected: ShardRows) -> str:
    known = {f"{row['composite_id']}.{row['member']}" for row in expected.rows}
    try:
        with tarfile.open(file) as tar:
            extra = sorted(set(tar.getnames()) - known)
    except (tarfile.TarError, EOFError):
        extra = []
    return f"extra member {', '.join(extra)}" if extra else "the end of the archive differs"


def _in_parquet(folder: Path, expected: ShardRows) -> Iterator[Damage]:
    files = ParquetFiles(folder)
    try:
        for row in expected.rows:
            name = f"{row['composite_id']}.{row['member']}"
            try:
                # One column at a time, so that a broken page costs only its own layer.
                data = files.read(expected.shard, row["row_group"], row["row"], (row["member"],))[row["member"]]
            except (ValueError, OSError) as error:
                yield Damage(expected.shard, f"{name} cannot be read: {_first_line(error)}", row["composite_id"])
                continue
            if data is None or content_id(data) != row["digest"]:
                yield Damage(expected.shard, f"the bytes of {name} differ", row["composite_id"])
    finally:
        files.close()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _keys(expected: ShardRows) -> list[str]:
    return list(dict.fromkeys(row["composite_id"] for row in expected.rows))


def _place(row: Row) -> tuple[int, int]:
    return (row["offset"], 0) if row["offset"] is not None else (row["row_group"], row["row"])
