import hashlib
import io
import json
import pickle
import shutil
import tarfile
from collections import namedtuple
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest
import webdataset

from compositing.codec import pixel_hash
from compositing.shards import space
from compositing.shards.live import PlanReader
from compositing.shards.reader import ShardReader
from compositing.shards.space import check_disk, estimated_bytes
from compositing.shards.writer import RenderError, gather, render_shard, shard_tasks
from compositing.tables import LAYERS, PLAN, SHARDS
from curation import tables
from curation.tables import read_table, write_chunks, write_table
from pipelines.engine import PartError, run_parts
from tests.compositing.composite_world import make_world

FORMATS = ("tar", "parquet")


def publish(world, folder: Path, kind: str, workers: int = 1):
    """What the render stage does."""
    tasks = shard_tasks(world.plan, world.frames, world.roots, world.render.model_copy(update={"format": kind}))
    parts = run_parts(tasks, render_shard, folder / "parts", "rendering", workers)
    made = gather(tasks, parts)
    for name, file in made.files.items():
        (folder / "shards" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / "shards" / name)
    write_chunks(SHARDS, made.table(), folder / "shards.parquet")
    return made


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return make_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def published(world, tmp_path_factory):
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in FORMATS}
    return {kind: (folder, publish(world, folder, kind)) for kind, folder in folders.items()}


def reader_of(published, kind, set_name="test", **options):
    folder, _ = published[kind]
    return ShardReader(folder / "shards", folder / "shards.parquet", set_name, **options)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("set_name", ["base", "refine", "valid", "test"])
def test_shards_and_live_rendering_agree_bit_for_bit(world, published, kind, set_name):
    shards = reader_of(published, kind, set_name)
    live = PlanReader(world.plan, world.frames, world.roots, set_name)
    assert shards.ordinals.tolist() == live.ordinals.tolist()
    for position in range(len(live)):
        one, two = shards.read(position), live.read(position)
        assert all(np.array_equal(a, b) for a, b in zip(one[:4], two[:4], strict=True))
        assert one.recipe == two.recipe
    pd.testing.assert_frame_equal(shards.recipes(), live.recipes())


def test_the_recipe_is_the_plan_row(world, published):
    plan = {row["composite_id"]: row for row in read_table(PLAN, world.plan).to_pylist()}
    for recipe in reader_of(published, "tar").recipes().to_dict("records"):
        assert {k: v for k, v in recipe.items() if v is not None} == {
            k: v for k, v in plan[recipe["composite_id"]].items() if v is not None
        }


def test_the_stock_webdataset_reads_the_tars(published):
    folder, made = published["tar"]
    url = str(folder / "shards" / "base" / "000000.tar")
    dataset = webdataset.WebDataset(url, shardshuffle=False).decode("rgb8")
    samples = list(dataset)
    reader = reader_of(published, "tar", "base")
    assert len(samples) == 4
    for position, sample in enumerate(samples):
        mine = reader.read(position)
        assert sample["__key__"] == mine.recipe["composite_id"]
        assert sample["json"] == mine.recipe
        assert set(LAYERS) <= set(sample)
        assert np.abs(sample["src.jpg"].astype(int) - mine.src).max() <= 2  # Pillow decodes there
    assert len(made.files) == 3 + 2 + 2 + 3


def test_tars_hold_nothing_of_the_machine(published):
    folder, _ = published["tar"]
    with tarfile.open(folder / "shards" / "test" / "000000.tar") as tar:
        members = tar.getmembers()
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}
    assert [m.name.split(".", 1)[1] for m in members[:5]] == list(LAYERS)


def test_pandas_reads_the_parquet_shards(published):
    folder, _ = published["parquet"]
    frame = pd.read_parquet(folder / "shards" / "base" / "000000.parquet")
    assert list(frame.columns) == ["key", "src", "bgr", "fgr", "pha", "json"]
    mine = reader_of(published, "parquet", "base").read(1)
    assert frame["key"][1] == json.loads(frame["json"][1])["composite_id"] == mine.recipe["composite_id"]
    pha = cv2.imdecode(np.frombuffer(frame["pha"][1], np.uint8), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(pha, mine.pha)


def test_the_index_points_at_bytes_and_knows_their_pixels(published):
    folder, made = published["tar"]
    reader = reader_of(published, "tar", "refine")
    rows = [row for piece in made.table() for row in piece.to_pylist() if row["set"] == "refine"]
    for row in rows:
        with (folder / "shards" / row["shard"]).open("rb") as file:
            file.seek(row["offset"])
            data = file.read(row["size"])
        sample = reader.read(row["ordinal"])
        assert reader.read_members(row["ordinal"])[row["member"]] == data
        if row["member"] == "json":
            assert row["pixels"] == hashlib.blake2b(data, digest_size=16).hexdigest()
        else:
            assert row["pixels"] == pixel_hash(getattr(sample, row["member"].split(".")[0]))


def test_both_formats_hold_the_same_members(published):
    for set_name in ("base", "test"):
        tar, parquet = (reader_of(published, kind, set_name) for kind in FORMATS)
        for position in range(len(tar)):
            assert tar.read_members(position) == parquet.read_members(position)


@pytest.mark.parametrize("kind", FORMATS)
def test_two_workers_and_a_restart_give_the_same_bytes(world, published, kind, tmp_path):
    _, made = published[kind]
    tasks = shard_tasks(world.plan, world.frames, world.roots, world.render.model_copy(update={"format": kind}))
    parts = tmp_path / "parts"
    first = dict(list(tasks.items())[:3])
    run_parts(first, render_shard, parts, "rendering", 1)  # then it was killed
    stamps = {part.name: part.stat().st_mtime_ns for part in parts.iterdir()}
    again = gather(tasks, run_parts(tasks, render_shard, parts, "rendering", 2))
    assert {name: (parts / name).stat().st_mtime_ns for name in stamps} == stamps
    for name, file in made.files.items():
        assert file.read_bytes() == again.files[name].read_bytes()
    assert all(one.equals(two) for one, two in zip(again.table(), made.table(), strict=True))
    assert again.metrics == made.metrics


def test_metrics_count_by_strength(published):
    metrics = published["tar"][1].metrics
    assert metrics["test"]["hard"]["samples"] == 3
    assert metrics["total"]["samples"] == 10 + 5 + 6 + 9
    assert 0 < metrics["base"]["train"]["mean_coverage"] < 1
    assert metrics["test"]["exact"]["mean_coverage"] == metrics["test"]["hard"]["mean_coverage"]


@pytest.mark.parametrize("kind", FORMATS)
def test_readers_filter_pickle_and_refuse(published, kind):
    reader = reader_of(published, kind, where={"strength": "mild"})
    reader.read(0)
    again = pickle.loads(pickle.dumps(reader))
    assert again.ordinals.tolist() == [1, 4, 7] and len(again) == 3
    assert np.array_equal(again.read(2).src, reader.read(2).src)
    assert reader.read(0, recipe=False).recipe == {}
    with pytest.raises(IndexError, match="position 3"):
        reader.read(3)
    with pytest.raises(ValueError, match="no sample has"):
        reader_of(published, kind, where={"strength": "soft"})
    with pytest.raises(ValueError, match="no column strenght"):
        reader_of(published, kind, where={"strenght": "hard"})
    with pytest.raises(ValueError, match="holds no set 'tests', only base, refine, test, valid"):
        reader_of(published, kind, "tests")


def test_missing_and_damaged_shards_say_what_to_do(published, tmp_path):
    folder, _ = published["tar"]
    with pytest.raises(FileNotFoundError, match="dvc repro render"):
        ShardReader(tmp_path / "none", folder / "shards.parquet", "test")
    with pytest.raises(FileNotFoundError, match="dvc pull"):
        ShardReader(folder / "shards", tmp_path / "none.parquet", "test")
    shutil.copytree(folder / "shards", tmp_path / "shards")
    reader = ShardReader(tmp_path / "shards", folder / "shards.parquet", "test")
    file = tmp_path / "shards" / "test" / "000000.tar"
    whole = file.read_bytes()
    with tarfile.open(fileobj=io.BytesIO(whole)) as tar:
        member = tar.getmembers()[1]
    at = member.offset_data
    file.write_bytes(whole[:at] + bytes(member.size) + whole[at + member.size :])
    with pytest.raises(ValueError, match=rf"000000.tar: {member.name.split('.')[0]}.bgr.jpg: .*dvc checkout"):
        reader.read(0)
    file.write_bytes(whole[: at + 100])
    with pytest.raises(ValueError, match="ends at"):
        reader.read(0)


def test_unreadable_inputs_fail_with_every_composite_and_reason(tmp_path):
    world = make_world(tmp_path, backgrounds=2)
    for photo in (world.roots.backgrounds / "train").iterdir():
        photo.unlink()
    tasks = shard_tasks(world.plan, world.frames, world.roots, world.render)
    (tmp_path / "part").mkdir()
    with pytest.raises(RenderError, match=r"4 composites of base/000000\.tar cannot be rendered") as failed:
        render_shard(tasks["base-000000"], tmp_path / "part")
    ids = [row["composite_id"] for row in read_table(PLAN, world.plan).to_pylist() if row["set"] == "base"][:4]
    assert all(identity in str(failed.value) for identity in ids)
    with pytest.raises(PartError, match="is missing"):
        run_parts(tasks, render_shard, tmp_path / "parts", "rendering", 1)


def test_the_estimate_is_near_what_shards_take(world, published, tmp_path, monkeypatch):
    taken = published["tar"][1].metrics["total"]["bytes"]
    estimated = estimated_bytes(world.plan, world.render)
    assert 0.4 < estimated / taken < 2.5
    plan = read_table(PLAN, world.plan)
    noisier = plan.set_column(plan.schema.get_field_index("src_noise"), "src_noise", pc.add(plan["src_noise"], 0.02))
    monkeypatch.setattr(tables, "ROW_GROUP", 7)
    write_table(PLAN, plan, tmp_path / "pieces.parquet")
    write_table(PLAN, noisier, tmp_path / "noisier.parquet")
    assert estimated_bytes(tmp_path / "pieces.parquet", world.render) == pytest.approx(estimated, abs=1)
    assert estimated_bytes(tmp_path / "noisier.parquet", world.render) > estimated


def test_a_disk_that_cannot_hold_the_shards_is_refused(monkeypatch, tmp_path):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(space.shutil, "disk_usage", lambda _: usage(10**12, 10**12 - 10**9, 10**9))
    check_disk(9 * 10**8, [tmp_path / "not" / "there" / "yet"])
    with pytest.raises(OSError, match=r"need about 1.00 GB and .* has 1.00 GB free; make room"):
        check_disk(10**9, [tmp_path / "not" / "there" / "yet"])
