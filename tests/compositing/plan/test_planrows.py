import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from compositing.plan.planrows import PlanRows, needed_frames
from compositing.tables import FRAMES, PLAN
from curation import tables
from curation.tables import read_table, write_table
from tests.compositing.composite_world import make_world


@pytest.fixture(scope="module", params=[1, 4, 7, 65_536])
def world(request, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "ROW_GROUP", request.param)
        return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def groups_read(monkeypatch):
    """Rows of each row group that is read whole (the column ``set`` alone is not counted)."""
    found = []
    read = pq.ParquetFile.read_row_group

    def counted(self, group, columns=None, **options):
        rows = read(self, group, columns, **options)
        if columns is None or len(columns) > 1:
            found.append(len(rows))
        return rows

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    return found


def test_rows_of_a_set_are_those_of_the_whole_table(world):
    whole = read_table(PLAN, world.plan)
    rows = PlanRows(world.plan)
    assert rows.counts == {"base": 10, "refine": 5, "test": 9, "valid": 6}
    for name, count in rows.counts.items():
        expected = whole.filter(pc.equal(whole["set"], name)).to_pylist()
        for first, stop in [(0, None), (0, 3), (2, count), (count - 1, None), (4, count + 9)]:
            assert rows.read(name, first, stop).to_pylist() == expected[first:stop]
    some = rows.read("test", 1, 3, ["strength", "ordinal"])
    assert some.to_pylist() == [{"strength": "mild", "ordinal": 1}, {"strength": "hard", "ordinal": 2}]
    assert some.column_names == ["strength", "ordinal"]
    taken = rows.read("test").take([8, 0, 4])  # chunks whose dictionaries differ cannot be taken from
    assert taken["ordinal"].to_pylist() == [8, 0, 4]


def test_only_the_row_groups_of_the_rows_are_read(world, groups_read):
    size = pq.ParquetFile(world.plan).metadata.row_group(0).num_rows
    assert len(PlanRows(world.plan).read("test", 3, 5)) == 2
    assert sum(groups_read) <= max(2 * size, 2)


def test_a_set_that_is_not_there_is_named(world):
    with pytest.raises(ValueError, match="holds no set 'tests', only base, refine, test, valid"):
        PlanRows(world.plan).read("tests")


def test_a_plan_out_of_order_and_another_table_are_refused(world, tmp_path):
    whole = read_table(PLAN, world.plan)
    mixed = whole.take([0, 29, 1]).replace_schema_metadata(PLAN.schema.metadata)
    pq.write_table(mixed, tmp_path / "mixed.parquet")
    with pytest.raises(ValueError, match="not sorted by set"):
        PlanRows(tmp_path / "mixed.parquet")
    with pytest.raises(ValueError, match="holds table 'frames'"):
        PlanRows(world.frames)
    with pytest.raises(FileNotFoundError, match="dvc repro"):
        PlanRows(tmp_path / "none.parquet")


def test_an_empty_plan_has_no_sets(tmp_path):
    write_table(PLAN, [], tmp_path / "plan.parquet")
    rows = PlanRows(tmp_path / "plan.parquet")
    assert rows.counts == {}
    with pytest.raises(ValueError, match="only none"):
        rows.read("base")


def test_frames_are_those_asked_for_whether_first_or_second(world):
    whole = {row["frame_id"]: row for row in read_table(FRAMES, world.frames).to_pylist()}
    names = sorted(whole)
    asked = pa.table(
        {
            "frame_id": pa.chunked_array([[names[3]], [names[0], names[3]]], pa.string()),
            "second_frame_id": pa.array([None, names[7], "f" * 32], pa.string()),
        }
    )
    found = needed_frames(world.frames, asked)
    assert list(found) == [names[0], names[3], names[7]] and len(found) == 3
    for name, row in found.items():
        assert row == {column: whole[name][column] for column in row}
        assert {"fgr", "pha", "stored", "width", "height", "status"} <= row.keys()
    assert found.get("f" * 32) is None and found.get("0") is None
    nobody = needed_frames(world.frames, asked.slice(0, 0))
    assert len(nobody) == 0 and nobody.get(names[0]) is None
