"""Where the members of each sample are, for the samples of a set: a few numbers each, mapped from a file."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from compositing.setrows import SetRows
from compositing.shards.mapped import Records
from compositing.tables import LAYERS, SHARDS
from curation.sources import parse

COUNT = len(LAYERS)
ID = re.compile("[0-9a-f]{32}")
_ORDER = np.argsort(LAYERS)
"""Members in the order of the table, as places in ``LAYERS``."""
_SAMPLE = [("ordinal", "<i8"), ("key", "V16"), ("shard", "<i4")]
IN_TAR = np.dtype([*_SAMPLE, ("offset", "<i8", COUNT), ("size", "<i4", COUNT)])
"""A sample in a tar: offset and size of each of ``LAYERS``."""
IN_PARQUET = np.dtype([*_SAMPLE, ("row_group", "<i4"), ("row", "<i4")])


class Places:
    """The samples of a set in the order of ordinals, one record each. Picklable."""

    def __init__(self, table: Path, set_name: str) -> None:
        """Read them of a SHARDS table, a row group at a time.

        Raises FileNotFoundError, ValueError for another table, a set it does not hold or a sample that lacks a member.
        """
        rows = SetRows(SHARDS, table)
        self._name = f"{table}: set '{set_name}'"
        first = next(rows.pieces(set_name, 0, 1, ["offset"]))
        self.in_tar = first["offset"].null_count == 0
        """Or in Parquet shards."""
        self._shards: dict[str, int] = {}
        at = ["offset", "size"] if self.in_tar else ["row_group", "row"]
        pieces = rows.pieces(set_name, columns=["ordinal", "member", "composite_id", "shard", *at])
        self._records = Records(self._kind, self._read(pieces))
        self._names: list[str] = list(self._shards)

    def keep(self, positions: NDArray[np.int64]) -> None:
        """Forget all samples but those at some positions, (N,), in their order."""
        self._records = Records(self._kind, [self._records.all[positions]])

    @property
    def _kind(self) -> np.dtype[Any]:
        return IN_TAR if self.in_tar else IN_PARQUET

    def __len__(self) -> int:
        return len(self._records.all)

    @property
    def ordinals(self) -> NDArray[np.int64]:
        """(N,)."""
        return np.asarray(self._records.all["ordinal"])

    def key(self, position: int) -> str:
        """Return the composite_id of a sample."""
        return bytes(self._records.all["key"][position]).hex()

    def shard(self, position: int) -> str:
        """Return the shard of a sample, below the shards folder."""
        return self._names[int(self._records.all["shard"][position])]

    def at(self, position: int) -> Any:
        """Return the record of a sample: ``IN_TAR`` or ``IN_PARQUET``."""
        return self._records.all[position]

    def _read(self, pieces: Iterable[pa.Table]) -> Iterator[NDArray[Any]]:
        held: pa.Table | None = None
        for piece in pieces:
            held = piece if held is None else pa.concat_tables([held, piece])
            whole = len(held) // COUNT * COUNT  # a row group may end within a sample
            if whole:
                yield self._records_of(held.slice(0, whole))
            held = held.slice(whole)
        if held is not None and len(held):
            raise self._lacking(held)

    def _records_of(self, rows: pa.Table) -> NDArray[Any]:
        try:
            return self._checked(rows)
        except (pa.ArrowException, TypeError, OverflowError, _DamagedError) as error:
            raise ValueError(f"{self._name} is damaged: {error}; make it again with 'dvc repro render'") from error

    def _checked(self, rows: pa.Table) -> NDArray[Any]:
        found = np.zeros(len(rows) // COUNT, self._kind)
        ordinals = rows["ordinal"].to_numpy().reshape(-1, COUNT)
        members = rows["member"].cast(pa.string()).to_numpy().reshape(-1, COUNT)
        if (ordinals != ordinals[:, :1]).any() or (members != np.array(LAYERS, object)[_ORDER]).any():
            raise self._lacking(rows)
        found["ordinal"] = ordinals[:, 0]
        every = rows.take(pa.array(np.arange(0, len(rows), COUNT)))
        found["key"] = _digests(every["composite_id"])
        found["shard"] = self._numbers(every["shard"].combine_chunks())
        if self.in_tar:
            for name in ("offset", "size"):
                found[name][:, _ORDER] = _within(rows[name], name, self._kind[name].base).reshape(-1, COUNT)
        else:
            for name in ("row_group", "row"):
                found[name] = _within(every[name], name, self._kind[name])
        return found

    def _numbers(self, shards: pa.DictionaryArray | pa.ChunkedArray) -> NDArray[np.int32]:
        shards = pc.dictionary_encode(pa.chunked_array([shards]).cast(pa.string())).combine_chunks()
        known = [self._shards.setdefault(inside(name), len(self._shards)) for name in shards.dictionary.to_pylist()]
        return np.asarray(np.array(known, np.int32)[shards.indices.to_numpy()])

    def _lacking(self, rows: pa.Table) -> ValueError:
        counts = pc.value_counts(rows["ordinal"]).to_pylist()
        ordinal = next((each["values"] for each in counts if each["counts"] != COUNT), None)
        return ValueError(
            f"{self._name} lacks a member of sample {ordinal} or has one too many; "
            "make it again with 'dvc repro render'"
        )


class _DamagedError(Exception):
    pass


def inside(shard: str) -> str:
    """Return a shard's name. Raises ValueError where it would lead out of the shards folder."""
    try:
        return parse(shard).path
    except ValueError as error:
        raise ValueError(f"shard {shard!r} does not lie in the shards folder; run 'dvc repro render'") from error


def _within(values: pa.ChunkedArray, name: str, kind: np.dtype[Any]) -> NDArray[Any]:
    """Return whole numbers from 0 that fit into ``kind``: they are read with, and would wrap."""
    if values.null_count:
        raise _DamagedError(f"{name} is missing")
    found = values.to_numpy()
    if len(found) and not 0 <= found.min() <= found.max() <= np.iinfo(kind).max:
        raise _DamagedError(f"{name} is {found.min():,} or {found.max():,}")
    return np.asarray(found)


def _digests(keys: pa.ChunkedArray) -> NDArray[Any]:
    """Turn hex digits into bytes, 16 each: half the space."""
    ids = keys.to_pylist()
    wrong = next((each for each in ids if not (isinstance(each, str) and ID.fullmatch(each))), "")
    if wrong != "":
        raise _DamagedError(f"composite_id {wrong!r:.80} is not 32 hex digits")
    return np.frombuffer(bytes.fromhex("".join(ids)), "V16")
