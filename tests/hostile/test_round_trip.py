"""Properties of the way from a plan to a sample that is read: tar and Parquet shards give back what went in."""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compositing.codec import pixel_hash
from compositing.inputs import Inputs
from compositing.plan.planrows import PlanRows, needed_frames
from compositing.render import render
from compositing.shards.parquet import ParquetFiles, write_parquet
from compositing.shards.reader import ShardReader, decode_sample
from compositing.shards.tar import TarFiles, write_tar
from compositing.shards.writer import gather, render_shard, shard_tasks
from compositing.tables import LAYERS, SHARDS
from curation.tables import write_chunks
from pipelines.engine import run_parts
from tests.compositing.composite_world import make_world, plan_params

member_bytes = st.binary(max_size=1200) | st.sampled_from([b"", bytes(511), bytes(512), bytes(513), b"\xff" * 1024])
sample_members = st.fixed_dictionaries(dict.fromkeys(LAYERS, member_bytes))
samples = st.lists(sample_members, min_size=1, max_size=20)


@settings(derandomize=True, max_examples=25)
@given(samples, st.data())
def test_any_bytes_come_back_from_either_container(written: list[dict[str, bytes]], data: st.DataObject) -> None:
    keyed = [(f"{number:032x}", members) for number, members in enumerate(written)]
    number = data.draw(st.integers(0, len(written) - 1))
    key, members = keyed[number]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        spans = write_tar(folder / "a.tar", keyed)
        tars = TarFiles(folder)
        assert {m: tars.read("a.tar", *spans[key][m]) for m in LAYERS} == members
        places = write_parquet(folder / "a.parquet", keyed)
        assert ParquetFiles(folder).read("a.parquet", *places[key], LAYERS) == members
        before = (folder / "a.tar").read_bytes(), (folder / "a.parquet").read_bytes()
        write_tar(folder / "a.tar", keyed), write_parquet(folder / "a.parquet", keyed)
        assert ((folder / "a.tar").read_bytes(), (folder / "a.parquet").read_bytes()) == before


@pytest.mark.slow
@settings(derandomize=True, max_examples=2)
@given(st.integers(0, 2**31 - 1), st.integers(1, 4), st.sampled_from([(96, 64), (64, 96), (80, 80)]))
def test_what_is_planned_is_rendered_stored_and_read_alike(seed: int, shard: int, size: tuple[int, int]) -> None:
    sets = {f"{name}__count": 2 for name in ("base", "refine", "valid", "test")}
    sides = {"base__width": size[0], "base__height": size[1]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = make_world(folder / "world", plan_params(seed=seed, **sets, **sides))
        readers = {}
        for kind in ("tar", "parquet"):
            kept = world.render.model_copy(update={"format": kind, "samples_per_shard": shard})
            tasks = shard_tasks(world.plan, world.frames, world.roots, kept)
            made = gather(tasks, run_parts(tasks, render_shard, folder / kind / "parts", "rendering", 1))
            for file, path in made.files.items():
                (folder / kind / "shards" / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, folder / kind / "shards" / file)
            write_chunks(SHARDS, made.table(), folder / kind / "shards.parquet")
            readers[kind] = ShardReader(folder / kind / "shards", folder / kind / "shards.parquet", "base")
        rows = PlanRows(world.plan).read("base")
        inputs = Inputs(world.roots, needed_frames(world.frames, rows))
        for position, row in enumerate(rows.to_pylist()):
            members = render(row, *inputs.load(row), world.render.fgr_quality).members
            assert readers["tar"].read_members(position) == readers["parquet"].read_members(position) == members
            sample, straight = readers["tar"].read(position), decode_sample(members)
            assert sample.recipe["composite_id"] == row["composite_id"] == readers["tar"].key(position)
            assert json.loads(members["json"]) == sample.recipe
            assert sample.src.shape == (size[1], size[0], 3)
            for layer in ("src", "bgr", "fgr", "pha"):
                assert pixel_hash(getattr(sample, layer)) == pixel_hash(np.asarray(getattr(straight, layer)))
