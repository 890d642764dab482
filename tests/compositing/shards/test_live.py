import pickle

import pandas as pd
import pytest

from compositing.inputs import InputError
from compositing.shards import live
from compositing.shards.live import PlanReader
from tests.compositing.composite_world import make_world


@pytest.fixture
def world(tmp_path):
    return make_world(tmp_path)


def test_the_live_reader_gives_every_sample_and_is_picklable(world):
    reader = PlanReader(world.plan, world.frames, world.roots, "test")
    assert len(reader) == 9 and reader.ordinals.tolist() == list(range(9))
    again = pickle.loads(pickle.dumps(reader))
    for position in (0, 8):
        one, two = reader.read(position), again.read(position)
        assert all((a == b).all() for a, b in zip(one[:4], two[:4], strict=True))
        assert one.recipe == two.recipe
        assert one.src.shape == (96, 128, 3) and one.pha.shape == (96, 128)
    assert reader.read(0, recipe=False).recipe == {}
    hard = PlanReader(world.plan, world.frames, world.roots, "test", where={"strength": "hard"})
    assert hard.ordinals.tolist() == [2, 5, 8]
    with pytest.raises(IndexError, match="position 9 of set 'test' with 9 samples"):
        reader.read(9)
    with pytest.raises(ValueError, match="no set 'tset', only base, refine, test, valid"):
        PlanReader(world.plan, world.frames, world.roots, "tset")


def test_a_changed_or_missing_photograph_is_named(world):
    reader = PlanReader(world.plan, world.frames, world.roots, "valid")
    row = reader.recipes().iloc[0]
    photo = world.roots.backgrounds / row["locator"]
    photo.write_bytes(photo.read_bytes() + b"x")
    with pytest.raises(InputError, match=f"composite {row['composite_id']}: {row['locator']} is not the file"):
        reader.read(0)
    photo.unlink()
    with pytest.raises(InputError, match=f"composite {row['composite_id']}.*is missing"):
        reader.read(0)


def test_what_goes_to_a_worker_is_small_and_keeps_freed_memory_there(world, monkeypatch):
    kept = []
    monkeypatch.setattr(live, "keep_freed_memory", lambda: kept.append(True))
    reader = PlanReader(world.plan, world.frames, world.roots, "test", where={"strength": "mild"})
    sent = pickle.dumps(reader)
    assert len(sent) < 1500 and not kept
    again = pickle.loads(sent)
    assert kept == [True]
    assert again.ordinals.tolist() == reader.ordinals.tolist() == [1, 4, 7]
    assert again.read_members(2) == reader.read_members(2)


def test_a_plan_written_again_is_not_mixed_with_the_one_before(world):
    reader = PlanReader(world.plan, world.frames, world.roots, "test")
    before = reader.recipes()
    world.plan.unlink()
    again = pickle.loads(pickle.dumps(reader))
    pd.testing.assert_frame_equal(again.recipes(), before)
    assert again.read_members(3) == reader.read_members(3)


def test_rows_that_do_not_fit_are_an_error(world):
    with pytest.raises(ValueError, match=r"set 'test': no sample has \{'strength': 'soft'\}"):
        PlanReader(world.plan, world.frames, world.roots, "test", where={"strength": "soft"})


def test_an_unknown_column_is_named(world):
    with pytest.raises(ValueError, match="a recipe has no column strenght"):
        PlanReader(world.plan, world.frames, world.roots, "test", where={"strenght": "hard"})
