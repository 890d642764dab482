import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compositing.mattes.framestore import FGR, PHA, encode_frame, read_frame
from compositing.shards.tar import write_tar
from curation.sources import Source, locator_of


@pytest.fixture
def frame(disc):
    rng = np.random.default_rng(3)
    smooth = np.add.outer(np.arange(64), np.arange(96))[..., None] + rng.integers(0, 40, 3)
    return smooth.astype(np.uint8), disc()


def store(folder, fgr, pha, name="train_0000.tar"):
    (spans,) = write_tar(folder / name, [("00000", encode_frame(fgr, pha))]).values()
    return {
        "clip": "train/0000",
        "frame": 0,
        "status": "ok",
        "stored": True,
        "fgr": locator_of(name, *spans[FGR]),
        "pha": locator_of(name, *spans[PHA]),
        "width": pha.shape[1],
        "height": pha.shape[0],
    }


def test_a_frame_comes_back(tmp_path, frame):
    row = store(tmp_path, *frame)
    fgr, pha = read_frame(Source(tmp_path), row)
    assert np.array_equal(pha, frame[1])
    assert fgr.shape == frame[0].shape
    assert np.abs(fgr.astype(int) - frame[0]).max() <= 4


@settings(max_examples=20)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_alpha_is_lossless_for_any_size(height, width, seed):
    pha = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)
    members = encode_frame(np.repeat(pha[..., None], 3, axis=2), pha)

    class Members:
        def read(self, locator):
            return members[locator]

    row = {"clip": "c", "frame": 0, "status": "ok", "stored": True, "fgr": FGR, "pha": PHA}
    assert np.array_equal(read_frame(Members(), {**row, "width": width, "height": height})[1], pha)


def test_colour_keeps_its_full_resolution(frame):
    # Columns of red and blue: 4:2:0 would make them all violet.
    fgr = np.zeros((64, 96, 3), np.uint8)
    fgr[:, ::2], fgr[:, 1::2] = (220, 20, 20), (20, 20, 220)
    row = {"clip": "c", "frame": 0, "status": "ok", "stored": True, "fgr": FGR, "pha": PHA, "width": 96, "height": 64}
    members = encode_frame(fgr, frame[1])

    class Members:
        def read(self, locator):
            return members[locator]

    assert np.abs(read_frame(Members(), row)[0].astype(int) - fgr).max() <= 12


def test_the_same_frames_give_the_same_tar(tmp_path, frame):
    for name in ("a.tar", "b.tar"):
        store(tmp_path, *frame, name=name)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_a_referenced_foreground_is_read_from_the_dataset(tmp_path, frame):
    row = store(tmp_path, *frame)
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "00000.jpg").write_bytes(encode_frame(*frame)[FGR])
    referenced = {**row, "stored": False, "fgr": "00000.jpg"}
    for one, other in zip(
        read_frame(Source(tmp_path), referenced, Source(raw)), read_frame(Source(tmp_path), row), strict=True
    ):
        assert np.array_equal(one, other)
    with pytest.raises(ValueError, match=r"train/0000 frame 0 is in the raw dataset.*give read_frame a reader"):
        read_frame(Source(tmp_path), referenced)


def test_a_row_without_images_says_why(tmp_path, frame):
    row = {**store(tmp_path, *frame), "fgr": None, "pha": None, "stored": None, "status": "coverage: 0.001"}
    with pytest.raises(ValueError, match=r"has no images \(coverage: 0\.001\)"):
        read_frame(Source(tmp_path), row)


def test_a_store_of_another_run_is_noticed(tmp_path, frame):
    row = store(tmp_path, *frame)
    with pytest.raises(ValueError, match=r"the table says 48x32.*dvc repro mattes"):
        read_frame(Source(tmp_path), {**row, "width": 48, "height": 32})
    with pytest.raises(ValueError, match="not a readable image"):
        read_frame(Source(tmp_path), {**row, "fgr": row["fgr"].split("#")[0] + "#0+100"})
