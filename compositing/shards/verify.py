"""What is wrong with shards on disk: any flipped bit, a missing or extra member or file, and whose composite it is."""

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from compositing.shards.parquet import ParquetFiles
from compositing.tables import SHARDS
from curation.identity import content_id, file_id
from curation.tables import read_table

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


class ShardRows(NamedTuple):
    """What the table says of one shard."""

    shard: str
    digest: str
    rows: tuple[Row, ...]
    """Its SHARDS rows in the order of the file."""


def shards_of(table: Path) -> list[ShardRows]:
    """Return what the SHARDS table says of each shard. Raises as ``read_table``, ValueError for a damaged table."""
    try:
        found = read_table(SHARDS, table)
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise ValueError(f"{table} is damaged ({error}); get it again with 'dvc checkout --force {table}'") from error
    by_shard: dict[str, list[Row]] = {}
    for row in found.to_pylist():
        by_shard.setdefault(row["shard"], []).append(row)
    return [
        ShardRows(shard, rows[0]["shard_digest"], tuple(sorted(rows, key=_place))) for shard, rows in by_shard.items()
    ]


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
