import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation import tables
from curation.identity import item_id, item_ids
from curation.tables import Table, from_columns, read_pieces, to_arrow, write_chunks, write_table

NUMBERS = Table(
    name="numbers",
    version=3,
    key=("name", "number"),
    columns={
        "name": (pa.string(), "first key"),
        "number": (pa.int64(), "second key"),
        "half": (pa.float32(), "a measure"),
        "even": (pa.bool_(), "null where unknown"),
    },
)


@pytest.fixture(autouse=True)
def small_groups(monkeypatch):
    monkeypatch.setattr(tables, "ROW_GROUP", 10)


def rows(count):
    number = np.arange(count)
    return from_columns(
        NUMBERS,
        {"name": pa.array(["b"] * count), "number": number, "half": number / 2, "even": [None] * count},
    )


@pytest.mark.parametrize("count", [0, 1, 9, 10, 11, 30, 35])
@pytest.mark.parametrize("piece", [1, 7, 10, 100])
def test_pieces_give_the_bytes_of_the_whole(tmp_path, count, piece):
    whole = rows(count)
    write_table(NUMBERS, whole.take(np.arange(count)[::-1]), tmp_path / "whole")
    write_chunks(NUMBERS, (whole.slice(i, piece) for i in range(0, count, piece)), tmp_path / "pieces")
    assert (tmp_path / "pieces").read_bytes() == (tmp_path / "whole").read_bytes()
    assert pq.read_table(tmp_path / "pieces").equals(whole)
    assert pq.ParquetFile(tmp_path / "pieces").num_row_groups == max(1, -(-count // 10))


@pytest.mark.parametrize("order", [[*range(10), 9, 8], [*range(8), 12, 9, 13], [*range(1, 11), 0]])
def test_pieces_out_of_order_are_refused_and_leave_nothing(tmp_path, order):
    pieces = [rows(20).take(order[:10]), rows(20).take(order[10:])]
    with pytest.raises(ValueError, match="numbers: the rows do not come sorted by name, number"):
        write_chunks(NUMBERS, pieces, tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_an_error_while_writing_is_raised_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", full)
    with pytest.raises(OSError, match="No space left"):
        write_chunks(NUMBERS, [rows(35)], tmp_path / "out")
    assert not list(tmp_path.iterdir())


def test_columns_make_the_table_that_rows_make():
    values = [{"name": "b", "number": i, "half": i / 2, "even": None} for i in range(7)]
    assert rows(7).equals(to_arrow(NUMBERS, values))
    with pytest.raises(ValueError, match="missing or unknown: even, odd"):
        from_columns(NUMBERS, {"name": [], "number": [], "half": [], "odd": []})


def test_many_ids_are_those_of_single_items():
    numbers = np.array([0, 7, 10, 123_456_789_012])
    assert item_ids((20260101, "bäse"), numbers) == [item_id(20260101, "bäse", int(number)) for number in numbers]


def test_pieces_are_the_table_a_row_group_at_a_time(tmp_path):
    write_table(NUMBERS, rows(25), tmp_path / "numbers")
    pieces = list(read_pieces(NUMBERS, tmp_path / "numbers", ["number"]))
    assert [len(piece) for piece in pieces] == [10, 10, 5]
    assert pa.concat_tables(pieces)["number"].to_pylist() == list(range(25))
    with pytest.raises(FileNotFoundError, match="numbers table"):
        next(read_pieces(NUMBERS, tmp_path / "none"))


def test_a_table_that_ends_early_is_named_with_the_next_step(tmp_path):
    path = tmp_path / "numbers.parquet"
    write_table(NUMBERS, rows(9), path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"numbers\.parquet is damaged .*verify --outputs --repair"):
        tables.read_table(NUMBERS, path)
