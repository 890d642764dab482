"""Tables and shards from elsewhere: wrong, lying, or naming what lies outside their folder."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compositing.setrows import SetRows
from compositing.shards.parquet import ParquetFiles
from compositing.shards.reader import ShardReader, decode_sample
from compositing.shards.tar import TarFiles
from compositing.shards.verify import shards_of
from compositing.tables import LAYERS, SHARDS
from curation.tables import IMAGES, MOST_GROUP_ROWS, read_pieces, read_table, write_table
from tests.hostile.contained import contained, contained_all

META = IMAGES.schema.metadata


def images(count: int = 3, **values: Any) -> list[dict[str, Any]]:
    return [dict.fromkeys(IMAGES.columns) | {"dataset": "d", "locator": f"{i}.jpg"} | values for i in range(count)]


def whole(folder: Path) -> bytes:
    write_table(IMAGES, images(), folder / "whole.parquet")
    return (folder / "whole.parquet").read_bytes()


def wrong(folder: Path) -> dict[str, bytes]:
    """Files that are not the table they are said to be."""
    good = whole(folder)
    files = {
        "nothing": b"",
        "noise": np.random.default_rng(1).bytes(500),
        "long footer": b"PAR1" + bytes(100) + b"\xff\xff\xff\x7fPAR1",
        "odd footer": b"PAR1" + b"\x15" * 100 + b"\x40\0\0\0PAR1",
        "cut": good[:-30],
        "half": good[: len(good) // 2],
        "a page": b"<html>",
    }
    schemas: dict[str, pa.Table] = {
        "older": pa.table({"a": [1]}).replace_schema_metadata({"table": "images", "schema_version": "1"}),
        "newer": pa.table({"a": [1]}).replace_schema_metadata({"table": "images", "schema_version": "99"}),
        "unsaid": pa.table({"a": [1]}),
        "odd words": pa.table({"a": [1]}).replace_schema_metadata({b"table": b"\xff", b"schema_version": b"\xff"}),
        "columns": pa.table({"a": [1]}).replace_schema_metadata(META),
        "types": pa.table(
            {n: pa.array([1]) if n == "locator" else pa.nulls(1, k) for n, (k, _) in IMAGES.columns.items()}
        ).replace_schema_metadata(META),
        "one more": IMAGES.schema.empty_table().append_column("evil", pa.array([], pa.string())),
    }
    for name, table in schemas.items():
        pq.write_table(table, folder / "made.parquet")
        files[name] = (folder / "made.parquet").read_bytes()
    return files


def test_what_is_not_the_table_is_named(tmp_path: Path) -> None:
    path = tmp_path / "images.parquet"
    readers: list[Callable[[], Any]] = [
        lambda: read_table(IMAGES, path).num_rows,
        lambda: read_table(IMAGES, path, ["locator"]).num_rows,
        lambda: len(list(read_pieces(IMAGES, path))),
        lambda: SetRows(IMAGES, path).counts,
    ]

    def told(data: bytes) -> list[str]:
        path.write_bytes(data)
        words = []
        for read in readers:
            try:
                words.append(f"read: {read()}")
            except ValueError as error:
                words.append(str(error))
        return words

    cases = {name: (data,) for name, data in wrong(tmp_path).items()}
    for name, outcome in contained_all(told, cases, tmp_path).items():
        assert outcome.error == "" and outcome.harmless, (name, outcome)
        for words in outcome.value:
            assert words.startswith(str(path)) and "dvc repro" in words, (name, words)


def test_rows_that_a_few_bytes_claim_are_refused(tmp_path: Path) -> None:
    count, path = MOST_GROUP_ROWS + 1, tmp_path / "images.parquet"
    rows = pa.table({name: pa.nulls(count, kind) for name, (kind, _) in IMAGES.columns.items()})
    pq.write_table(rows.replace_schema_metadata(META), path, row_group_size=count)
    assert path.stat().st_size < 50_000
    for read in (lambda: read_table(IMAGES, path), lambda: next(read_pieces(IMAGES, path))):
        outcome = contained(read, folder=tmp_path)
        assert outcome.refused(str(path), "1,048,577 rows in one row group") and outcome.megabytes < 50, outcome


def test_any_flipped_bits_end_in_a_named_error_or_a_table(tmp_path: Path) -> None:
    good, path = whole(tmp_path), tmp_path / "images.parquet"

    def flips() -> list[str]:
        rng, odd = np.random.default_rng(7), []
        for _ in range(150):
            data = bytearray(good)
            for _ in range(3):
                data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
            path.write_bytes(data)
            try:
                read_table(IMAGES, path).to_pylist()
            except ValueError as error:
                if str(path) not in str(error) and "utf" not in str(error).lower():
                    odd.append(repr(error))
        return odd

    outcome = contained(flips, folder=tmp_path)
    assert outcome.error == "" and outcome.value == [], outcome


def test_strings_may_be_long_and_names_hold_null_bytes(tmp_path: Path) -> None:
    write_table(IMAGES, images(2, scene="y" * 30_000_000, locator="a\0b/../c.jpg"), tmp_path / "images.parquet")
    outcome = contained(lambda: read_table(IMAGES, tmp_path / "images.parquet").num_rows, folder=tmp_path)
    assert outcome.value == 2


def shards(folder: Path, **values: Any) -> Path:
    """A SHARDS table of one sample, and what it may name beside its folder."""
    (folder / "shards").mkdir(exist_ok=True)
    (folder / "secret.tar").write_bytes(b"S" * 5000)
    if not (folder / "shards" / "pipe.tar").exists():
        os.mkfifo(folder / "shards" / "pipe.tar")
    (folder / "shards" / "short.tar").write_bytes(b"S" * 50)
    row = dict.fromkeys(SHARDS.columns) | {"set": "base", "ordinal": 0, "composite_id": "0" * 32, "shard": "short.tar"}
    row |= {"offset": 0, "size": 10, "digest": "d", "shard_digest": "d"} | values
    write_table(SHARDS, [row | {"member": member} for member in LAYERS], folder / "shards.parquet")
    return folder / "shards.parquet"


SPANS: dict[str, tuple[dict[str, Any], str]] = {
    "up": ({"shard": "../secret.tar"}, "does not lie in the shards folder"),
    "absolute": ({"shard": "/etc/passwd"}, "does not lie in the shards folder"),
    "null byte": ({"shard": "a\0b.tar"}, "does not lie in the shards folder"),
    "drive": ({"shard": "C:\\a.tar"}, "does not lie in the shards folder"),
    "pipe": ({"shard": "pipe.tar"}, "seek"),
    "missing": ({"shard": "none.tar"}, "none.tar"),
    "before": ({"offset": -5}, "offset is -5"),
    "below zero": ({"size": -5}, "size is -5"),
    "wrapping": ({"size": 2**40}, "size is 1,099,511,627,776"),
    "unsaid": ({"size": None}, "size is missing"),
    "huge": ({"size": 2**31 - 1}, "short.tar is shorter"),
    "behind": ({"offset": 2**62}, "short.tar ends at"),
    "id": ({"composite_id": "zz"}, "composite_id 'zz' is not 32 hex digits"),
    "no id": ({"composite_id": None}, "composite_id None"),
}


def test_a_shard_is_read_in_its_folder_and_its_file(tmp_path: Path) -> None:
    def read(values: dict[str, Any]) -> dict[str, bytes]:
        tempfile.tempdir = str(tmp_path)
        return ShardReader(tmp_path / "shards", shards(tmp_path, **values), "base").read_members(0)

    shards(tmp_path)
    cases = {name: (values,) for name, (values, _) in SPANS.items()}
    for name, outcome in contained_all(read, cases, tmp_path).items():
        assert outcome.refused(SPANS[name][1]) and outcome.megabytes < 100, (name, outcome)


@pytest.mark.parametrize("name", ["../secret.tar", "/etc/passwd", "a\0b"])
def test_verify_neither_reads_nor_repairs_outside_the_folder(name: str, tmp_path: Path) -> None:
    table = shards(tmp_path, shard=name)
    with pytest.raises(ValueError, match="does not lie in the shards folder"):
        shards_of(table)


def test_a_pipe_in_a_shards_place_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tar")
    os.mkfifo(tmp_path / "pipe.parquet")
    assert contained(TarFiles(tmp_path).read, "pipe.tar", 0, 5, folder=tmp_path, seconds=20).refused()
    files = ParquetFiles(tmp_path)
    assert contained(files.read, "pipe.parquet", 0, 0, ("json",), folder=tmp_path, seconds=20).refused("pipe.parquet")


def test_members_that_are_none_are_named(jpeg: bytes) -> None:
    good = dict.fromkeys(("src.jpg", "bgr.jpg", "fgr.jpg", "pha.png"), jpeg) | {"json": b"{}"}
    assert decode_sample(good).recipe == {}
    for member in good:
        for data in (b"", b"[" * 200_000, b"\xff\xd8\xff", b"%!PS-Adobe-3.0 EPSF-3.0\n"):
            with pytest.raises(ValueError, match=f"^{member}: "):
                decode_sample(good | {member: data})
