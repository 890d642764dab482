import io
import shutil
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from compositing.shards.verify import check_shard, extra_files, rows_of, shards_of
from compositing.shards.writer import gather, render_shard, shard_tasks
from compositing.tables import SHARDS
from curation import tables
from curation.tables import read_table, write_chunks, write_table
from pipelines.engine import run_parts
from tests.compositing.composite_world import make_world

FORMATS = ("tar", "parquet")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """The set ``test`` in both formats."""
    world = make_world(tmp_path_factory.mktemp("world"))
    folders = {}
    for kind in FORMATS:
        folder = folders[kind] = tmp_path_factory.mktemp(kind)
        tasks = shard_tasks(world.plan, world.frames, world.roots, world.render.model_copy(update={"format": kind}))
        tasks = {key: task for key, task in tasks.items() if task.set_name == "test"}
        made = gather(tasks, run_parts(tasks, render_shard, folder / "parts", "rendering", 1))
        write_chunks(SHARDS, made.table(), folder / "shards.parquet")
        (folder / "shards/test").mkdir(parents=True)
        for name, file in made.files.items():
            shutil.copyfile(file, folder / "shards" / name)
    return folders


@pytest.fixture
def copy_of(written, tmp_path):
    def copy(kind: str) -> Path:
        shutil.copytree(written[kind], tmp_path / kind)
        return tmp_path / kind

    return copy


def check(folder: Path):
    table = folder / "shards.parquet"
    return [d for each in rows_of(table, shards_of(table)) for d in check_shard(folder / "shards", each)]


def flip(file: Path, at: int, bit: int = 0) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 1 << bit
    file.write_bytes(data)


def shard_and_rows(folder: Path):
    table = folder / "shards.parquet"
    (first,) = rows_of(table, [min(shards_of(table), key=lambda each: each.shard)])
    return folder / "shards" / first.shard, first.rows


@pytest.mark.parametrize("kind", FORMATS)
def test_whole_shards_have_no_damage(written, kind):
    assert check(written[kind]) == []
    assert len(shards_of(written[kind] / "shards.parquet")) == 3


@pytest.mark.parametrize("member", range(5))
@pytest.mark.parametrize("at", ["first", "middle", "last"])
def test_a_flipped_bit_in_any_member_names_its_composite(copy_of, member, at):
    folder = copy_of("tar")
    file, rows = shard_and_rows(folder)
    row = rows[5 + member]
    flip(file, row["offset"] + {"first": 0, "middle": row["size"] // 2, "last": row["size"] - 1}[at], bit=3)
    (found,) = check(folder)
    assert found.composite_id == row["composite_id"]
    assert found.what == f"the bytes of {row['composite_id']}.{row['member']} differ"


@pytest.mark.parametrize("place", [0, 100, 124, 257, 500, 511])
def test_a_flipped_bit_in_a_tar_header_is_found(copy_of, place):
    folder = copy_of("tar")
    file, rows = shard_and_rows(folder)
    flip(file, rows[6]["offset"] - 512 + place)
    (found,) = check(folder)
    assert "tar header" in found.what and found.composite_id == rows[6]["composite_id"]


def test_flipped_bits_in_padding_and_at_the_end_are_found(copy_of):
    folder = copy_of("tar")
    file, rows = shard_and_rows(folder)
    row = next(row for row in rows if row["size"] % 512)
    flip(file, row["offset"] + row["size"])
    (found,) = check(folder)
    assert "padding" in found.what and found.composite_id == row["composite_id"]
    flip(file, row["offset"] + row["size"])
    flip(file, file.stat().st_size - 1)
    (found,) = check(folder)
    assert "end of the archive" in found.what and found.composite_id is None


@pytest.mark.parametrize("kind", FORMATS)
def test_every_byte_counts(copy_of, kind):
    folder = copy_of(kind)
    file, _ = shard_and_rows(folder)
    whole = file.read_bytes()
    for at in (*range(0, len(whole), max(1, len(whole) // 40)), len(whole) - 1):
        flip(file, at, at % 8)
        found = check(folder)
        assert found and {each.shard for each in found} == {f"test/{file.name}"}, at
        file.write_bytes(whole)


@pytest.mark.parametrize("kind", FORMATS)
def test_truncated_and_missing_shards_name_their_composites(copy_of, kind):
    folder = copy_of(kind)
    file, rows = shard_and_rows(folder)
    everything = {row["composite_id"] for row in rows}
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    lost = {each.composite_id for each in check(folder)} - {None}
    assert lost <= everything and rows[-1]["composite_id"] in lost
    if kind == "tar":
        assert rows[0]["composite_id"] not in lost, "what lies before the cut is whole"
    file.write_bytes(b"")
    assert {each.composite_id for each in check(folder)} - {None} == everything
    file.unlink()
    assert {each.composite_id for each in check(folder)} == everything


def test_a_parquet_page_names_its_composite(copy_of):
    folder = copy_of("parquet")
    file, _ = shard_and_rows(folder)
    layer = pq.read_table(file, columns=["src"])["src"][2].as_py()
    at = file.read_bytes().index(layer)
    flip(file, at + len(layer) // 2)
    (found,) = check(folder)
    key = pq.read_table(file, columns=["key"])["key"][2].as_py()
    assert found.composite_id == key and found.what == f"the bytes of {key}.src.jpg differ"


def test_an_extra_or_lost_member_is_found(copy_of):
    folder = copy_of("tar")
    file, rows = shard_and_rows(folder)
    with tarfile.open(file, "a") as tar:
        info = tarfile.TarInfo("stranger.txt")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"abc"))
    (found,) = check(folder)
    assert "stranger.txt" in found.what
    with tarfile.open(file) as tar:
        kept = [(m, tar.extractfile(m).read()) for m in tar.getmembers()[:-2]]  # and the last of the shard's own
    with tarfile.open(file, "w") as tar:
        for info, data in kept:
            tar.addfile(info, io.BytesIO(data))
    assert rows[-1]["composite_id"] in {each.composite_id for each in check(folder)}


def test_files_too_many_are_named(copy_of):
    folder = copy_of("tar")
    (folder / "shards/test/notes.txt").write_text("mine")
    names = [each.shard for each in shards_of(folder / "shards.parquet")]
    assert [each.shard for each in extra_files(folder / "shards", names)] == ["test/notes.txt"]


def test_a_damaged_table_is_an_error_that_says_what_to_do(copy_of):
    folder = copy_of("tar")
    table = folder / "shards.parquet"
    table.write_bytes(table.read_bytes()[:-3])
    with pytest.raises(ValueError, match=r"is damaged .*verify --outputs --repair"):
        shards_of(table)


@pytest.mark.parametrize("group", [1, 7, 15, 64])
def test_shards_are_told_apart_over_any_row_groups(written, tmp_path, monkeypatch, group):
    whole = read_table(SHARDS, written["tar"] / "shards.parquet")
    monkeypatch.setattr(tables, "ROW_GROUP", group)
    write_table(SHARDS, whole, tmp_path / "shards.parquet")
    spans = shards_of(tmp_path / "shards.parquet")
    rows = whole.to_pylist()
    assert [(each.shard, each.digest) for each in spans] == list(
        dict.fromkeys((row["shard"], row["shard_digest"]) for row in rows)
    )
    for chosen in (spans, spans[1:], spans[:1], [spans[0], spans[-1]]):
        for span, found in zip(chosen, rows_of(tmp_path / "shards.parquet", chosen), strict=True):
            expected = [row for row in rows if row["shard"] == span.shard]
            assert list(found.rows) == sorted(expected, key=lambda row: row["offset"])


def test_a_table_whose_shards_are_mixed_is_refused(written, tmp_path):
    whole = read_table(SHARDS, written["tar"] / "shards.parquet")
    names = whole["shard"].to_pylist()
    mixed = whole.set_column(whole.schema.get_field_index("shard"), "shard", pa.array([names[-1], *names[1:]]))
    pq.write_table(mixed.replace_schema_metadata(whole.schema.metadata), tmp_path / "shards.parquet")
    with pytest.raises(ValueError, match=r"the rows of test/.* are mixed"):
        shards_of(tmp_path / "shards.parquet")
