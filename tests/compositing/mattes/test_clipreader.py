import shutil

import cv2
import numpy as np
import pytest

from compositing.mattes.clipreader import ClipError, read_clip
from compositing.mattes.videomatte import find_clips
from curation.storage import open_store


def read(root, name="train/0000", every=1):
    store = open_store(root)
    (clip,) = [c for c in find_clips(store).clips if c.name == name]
    return list(read_clip(store, clip, every))


def grey(value, size=(64, 96)):
    return np.full(size, value, np.uint8)


def test_videos_come_in_lockstep(tmp_path, write_fgr, write_pha):
    # The frame's number is written into both layers.
    write_fgr(tmp_path / "train/fgr/0000.mp4", [np.full((64, 96, 3), 20 * n, np.uint8) for n in range(12)], rate=10)
    write_pha(tmp_path / "train/pha/0000.mp4", [grey(16 + 10 * n) for n in range(12)], rate=10)
    pairs = read(tmp_path)
    assert [pair.number for pair in pairs] == list(range(12))
    assert [pair.time for pair in pairs] == pytest.approx([n / 10 for n in range(12)])
    for n, pair in enumerate(pairs):
        assert pair.problem is None
        assert pair.fgr.shape == (64, 96, 3)
        assert abs(float(pair.fgr.mean()) - 20 * n) < 3
        assert np.unique(pair.pha).tolist() == [round(10 * n * 255 / 219)]


def test_each_nth_frame(tmp_path, write_clip):
    write_clip(tmp_path, "0000", frames=7)
    assert [pair.number for pair in read(tmp_path, every=3)] == [0, 3, 6]


@pytest.mark.parametrize("full", [False, True])
def test_every_level_of_the_luma_plane(tmp_path, write_fgr, write_pha, full):
    ramp = np.repeat(np.arange(256, dtype=np.uint8).reshape(8, 32), 2, axis=0)
    write_fgr(tmp_path / "train/fgr/0000.mp4", [np.zeros((16, 32, 3), np.uint8)])
    write_pha(tmp_path / "train/pha/0000.mp4", [ramp], full=full)
    (pair,) = read(tmp_path)
    expected = ramp if full else np.clip(np.rint((ramp.astype(float) - 16) * 255 / 219), 0, 255)
    assert np.array_equal(pair.pha, expected)


@pytest.mark.parametrize(("fgr", "pha", "side"), [(6, 4, "pha"), (3, 5, "fgr")])
def test_the_longer_side_has_rows_that_name_the_shorter(tmp_path, write_fgr, write_pha, fgr, pha, side):
    write_fgr(tmp_path / "train/fgr/0000.mp4", [np.zeros((64, 96, 3), np.uint8)] * fgr)
    write_pha(tmp_path / "train/pha/0000.mp4", [grey(100)] * pha)
    pairs = read(tmp_path)
    short = min(fgr, pha)
    assert [pair.problem is None for pair in pairs] == [True] * short + [False] * 2
    assert pairs[-1].problem == f"{side}: train/{side}/0000.mp4 ends after {short} frames"


def test_a_difference_between_kept_frames_is_told_too(tmp_path, write_clip):
    write_clip(tmp_path, "0000", frames=9, pha_frames=8)
    *good, last = read(tmp_path, every=4)
    assert [pair.number for pair in good] == [0, 4]
    assert (last.number, last.problem.split(":")[0]) == (8, "pha")


def test_videos_of_two_sizes(tmp_path, write_fgr, write_pha):
    write_fgr(tmp_path / "train/fgr/0000.mp4", [np.zeros((64, 96, 3), np.uint8)])
    write_pha(tmp_path / "train/pha/0000.mp4", [grey(100, (32, 48))])
    assert read(tmp_path)[0].problem == "size: fgr is 96x64, pha 48x32"


@pytest.mark.parametrize("side", ["fgr", "pha"])
@pytest.mark.parametrize("damage", ["missing", "empty", "text"])
def test_a_clip_that_cannot_be_opened_names_the_side(tmp_path, write_clip, side, damage):
    write_clip(tmp_path, "0000")
    path = tmp_path / f"train/{side}/0000.mp4"
    path.unlink() if damage == "missing" else path.write_bytes(b"" if damage == "empty" else b"not a video" * 99)
    with pytest.raises(ClipError, match=f"^{side}: "):
        read(tmp_path)


@pytest.fixture
def noisy(tmp_path, write_fgr, write_pha):
    """Two videos of 12 frames that do not compress, so that a cut falls between frames."""
    rng = np.random.default_rng(1)
    noise = [rng.integers(0, 256, (64, 96, 3), dtype=np.uint8) for _ in range(12)]

    def write(suffix):
        write_fgr(tmp_path / f"train/fgr/0000{suffix}", noise)
        write_pha(tmp_path / f"train/pha/0000{suffix}", [frame[..., 0] for frame in noise])
        return [tmp_path / f"train/{side}/0000{suffix}" for side in ("fgr", "pha")]

    return write


def test_what_a_cut_video_still_holds_is_read(tmp_path, noisy):
    for path in noisy(".mkv"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    good = [pair for pair in read(tmp_path) if pair.problem is None]
    assert 0 < len(good) < 12


def test_a_header_that_announces_more_frames_is_told(tmp_path, noisy):
    # An index in front and half of the data: what a broken download of a streamable file leaves.
    for path in noisy(".mp4"):
        path.write_bytes(cut_after_index(path))
    pairs = read(tmp_path)
    problems = [pair.problem for pair in pairs if pair.problem]
    assert 0 < len(pairs) - len(problems) < 12
    assert any("announces 12" in problem or "fails after" in problem for problem in problems)


def cut_after_index(path):
    """Move the index to the front of an MP4 and cut the frames' data in the middle."""
    import av

    front = path.with_suffix(".front.mp4")
    with av.open(str(path)) as source, av.open(str(front), "w", options={"movflags": "faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    data = front.read_bytes()
    front.unlink()
    start = data.index(b"mdat")
    return data[: start + (len(data) - start) // 2]


def test_folders_of_frames(tmp_path, write_clip):
    write_clip(tmp_path, "0000", video=False)
    pairs = read(tmp_path)
    assert [(pair.number, pair.time, pair.problem) for pair in pairs] == [(n, None, None) for n in range(4)]
    assert pairs[2].jpeg == "train/fgr/0000/00002.jpg"
    assert pairs[2].pha.max() == 255
    assert np.abs(pairs[2].fgr.astype(int) - (200, 60, 60)).max() <= 3


def test_missing_frames_are_rows(tmp_path, write_clip):
    write_clip(tmp_path, "0000", video=False)
    (tmp_path / "train/fgr/0000/00001.jpg").unlink()
    (tmp_path / "train/pha/0000/00003.png").unlink()
    pairs = read(tmp_path)
    assert [pair.number for pair in pairs] == [0, 1, 2, 3]
    assert pairs[1].problem.startswith("fgr: frame '00001' is missing in train/fgr/0000")
    assert pairs[3].problem.startswith("pha: frame '00003' is missing in train/pha/0000")


def test_numbers_are_those_of_the_names(tmp_path, write_clip):
    write_clip(tmp_path, "0000", frames=3, video=False)
    for side, suffix in (("fgr", "jpg"), ("pha", "png")):
        folder = tmp_path / "train" / side / "0000"
        for old, new in ((2, 10), (1, 9)):
            (folder / f"{old:05d}.{suffix}").rename(folder / f"{new}.{suffix}")
        (folder / f"00000.{suffix}").rename(folder / f"8.{suffix}")
    assert [pair.number for pair in read(tmp_path)] == [8, 9, 10]
    for side, suffix in (("fgr", "jpg"), ("pha", "png")):
        folder = tmp_path / "train" / side / "0000"
        (folder / f"8.{suffix}").rename(folder / f"first.{suffix}")
    assert [pair.number for pair in read(tmp_path)] == [0, 1, 2]


def test_damaged_and_swapped_frames_are_rows(tmp_path, write_clip):
    write_clip(tmp_path, "0000", video=False)
    first = tmp_path / "train/fgr/0000/00000.jpg"
    first.write_bytes(first.read_bytes()[:-60])
    shutil.copyfile(tmp_path / "train/fgr/0000/00002.jpg", tmp_path / "train/pha/0000/00001.png")
    cv2.imwrite(str(tmp_path / "train/pha/0000/00003.png"), grey(9, (64, 97)))
    problems = [pair.problem for pair in read(tmp_path)]
    assert problems[0].startswith("fgr: train/fgr/0000/00000.jpg: truncated")
    assert "are fgr and pha swapped?" in problems[1]
    assert problems[2] is None
    assert problems[3] == "size: fgr is 96x64, pha 97x64"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_png_alpha_passes_unchanged(tmp_path, write_clip, dtype):
    write_clip(tmp_path, "0000", frames=1, video=False)
    ramp = np.resize(np.arange(256, dtype=np.uint8), (64, 96))
    cv2.imwrite(str(tmp_path / "train/pha/0000/00000.png"), ramp.astype(dtype) * (1 if dtype is np.uint8 else 257))
    assert np.array_equal(read(tmp_path)[0].pha, ramp)


def test_a_video_beside_a_folder_is_refused(tmp_path, write_clip):
    write_clip(tmp_path, "0000", video=False)
    shutil.rmtree(tmp_path / "train/fgr/0000")
    (tmp_path / "train/fgr/0000.mp4").write_bytes(b"x")
    with pytest.raises(ClipError, match="must both be videos or both folders"):
        read(tmp_path)


def test_the_same_frame_twice_is_refused(tmp_path, write_clip):
    write_clip(tmp_path, "0000", video=False)
    cv2.imwrite(str(tmp_path / "train/pha/0000/00000.jpg"), grey(9))
    with pytest.raises(ClipError, match="are the same frame; keep one"):
        read(tmp_path)
