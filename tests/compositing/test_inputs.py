from collections import Counter

import pytest

from compositing import inputs
from compositing.inputs import Inputs
from compositing.plan.planrows import PlanRows, needed_frames
from tests.compositing.composite_world import make_world, plan_params


@pytest.fixture
def decoded(monkeypatch):
    """How often each frame was decoded."""
    counts: Counter[str] = Counter()
    read_frame = inputs.read_frame

    def counted(store, frame, dataset):
        counts[frame["frame_id"]] += 1
        return read_frame(store, frame, dataset)

    monkeypatch.setattr(inputs, "read_frame", counted)
    return counts


def test_composites_that_share_a_frame_have_it_decoded_once(tmp_path, decoded, monkeypatch):
    params = plan_params(base__count=12, base__together=4, look__second=0.0)
    world = make_world(tmp_path, params)
    plan = PlanRows(world.plan).read("base")
    reader = Inputs(world.roots, needed_frames(world.frames, plan))
    # Room for a frame and two photographs: nothing else outlives its group.
    monkeypatch.setattr(inputs, "CACHE_BYTES", 420_000)
    for row in plan.to_pylist():
        reader.load(row)
    assert decoded == Counter(dict.fromkeys(plan["frame_id"].to_pylist(), 1)) and len(decoded) == 3


def test_what_is_kept_is_bounded(tmp_path, decoded, monkeypatch):
    world = make_world(tmp_path, plan_params(base__count=12, look__second=0.0))
    plan = PlanRows(world.plan).read("base")
    rows, reader = plan.to_pylist(), Inputs(world.roots, needed_frames(world.frames, plan))
    reader.load(rows[0])
    monkeypatch.setattr(inputs, "CACHE_BYTES", 1)
    reader.load(rows[1])
    reader.load(rows[0])
    assert decoded[rows[0]["frame_id"]] == 2
