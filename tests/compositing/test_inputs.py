import pickle
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest

from compositing import inputs
from compositing.inputs import InputError, InputRoots, Inputs
from compositing.plan.planrows import PlanRows, needed_frames
from curation.identity import content_id
from tests.compositing.composite_world import make_world, photograph, plan_params
from tests.objects_world import S3


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


@pytest.fixture
def given(tmp_path):
    """A world, its first row, and a second dataset with another photograph under the same locator."""
    world = make_world(tmp_path)
    plan = PlanRows(world.plan).read("test")
    row = plan.to_pylist()[0]
    own = tmp_path / "own"
    (own / row["locator"]).parent.mkdir(parents=True)
    cv2.imwrite(str(own / row["locator"]), cv2.cvtColor(photograph(77), cv2.COLOR_RGB2BGR))
    roots = InputRoots({**world.roots.backgrounds, "photos": own}, *world.roots[1:])
    return row, Inputs(roots, needed_frames(world.frames, plan)), own / row["locator"]


def test_photographs_of_one_name_are_told_apart_by_their_dataset(given):
    row, inputs, file = given
    first = inputs.load(row)[2]
    second = inputs.load(row | {"dataset": "photos", "image_id": content_id(file.read_bytes())})[2]
    assert np.array_equal(second, photograph(77)) and not np.array_equal(first, second)
    assert np.array_equal(inputs.load(row)[2], first)


def test_the_photograph_of_a_wrong_plate_comes_along(given):
    row, inputs, file = given
    assert inputs.load(row)[4] is None
    plate = {
        "plate_dataset": "photos",
        "plate_locator": row["locator"],
        "plate_image_id": content_id(file.read_bytes()),
    }
    assert np.array_equal(inputs.load(row | plate)[4], photograph(77))


def test_a_dataset_without_a_root_is_named(given):
    row, inputs, _ = given
    with pytest.raises(InputError, match=r"dataset 'flickr' \(known: photos, places365\); name it in paths.yaml"):
        inputs.load(row | {"dataset": "flickr"})


def test_photographs_and_mattes_in_an_object_store_are_the_same(tmp_path: Path, s3: S3) -> None:
    world = make_world(tmp_path)
    plan = PlanRows(world.plan).read("test")
    places = {name: s3.fill(f"{s3.bucket()}/{name}", Path(root)) for name, root in world.roots.backgrounds.items()}
    mattes = s3.fill(s3.bucket(), Path(world.roots.mattes))
    frames = needed_frames(world.frames, plan)
    here = Inputs(world.roots, frames)
    there = pickle.loads(pickle.dumps(Inputs(InputRoots(places, world.roots.store, mattes), frames)))
    for row in plan.to_pylist()[:2]:
        for ours, theirs in zip(here.load(row), there.load(row), strict=True):
            assert np.array_equal(ours, theirs) if ours is not None else theirs is None
    with pytest.raises(InputError, match=r"composite .*: s3://made-\d+/places365/none.png: there is no such object"):
        there.load(plan.to_pylist()[0] | {"locator": "none.png"})
