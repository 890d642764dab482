import av
import cv2
import numpy as np
import pytest

from pipelines.matting.reading import Clip
from pipelines.matting.writing import CODECS, open_writer, write_picture
from tests.pipelines.matting.conftest import TIMES, decoded

ROWS, COLUMNS = np.mgrid[:72, :96]
PICTURE = np.dstack(
    [COLUMNS * 255 // 95, ROWS * 255 // 71, (ROWS + COLUMNS) * 255 // 166, np.clip((COLUMNS - 20) * 5, 0, 255)]
).astype(np.uint8)


@pytest.mark.parametrize(("suffix", "colour", "alpha"), [(".mov", 1, 1), (".webm", 8, 4), (".mkv", 0, 0)])
def test_alpha_survives(clip, tmp_path, suffix, colour, alpha):
    out = tmp_path / f"out{suffix}"
    with Clip(clip) as source, open_writer(out, ".png", source, alpha=True) as writer:
        for when in TIMES[:3]:
            writer.picture(PICTURE, when, 0)
    found, _ = decoded(out, "rgba")
    assert len(found) == 3
    difference = np.abs(found[0].astype(int) - PICTURE)
    assert difference[..., 3].max() <= alpha
    assert difference[..., :3].max() <= colour
    assert found[0][..., 3].min() == 0
    assert found[0][..., 3].max() == 255


@pytest.mark.parametrize("suffix", CODECS)
def test_range_and_matrix_are_tagged_and_true(clip, tmp_path, suffix):
    out = tmp_path / f"out{suffix}"
    bars = np.zeros((72, 96, 3), np.uint8)
    bars[:, 48:] = 255
    bars[36:] = (200, 40, 30)
    with Clip(clip) as source, open_writer(out, ".png", source, alpha=False) as writer:
        writer.picture(bars, 0, 0)
    with av.open(str(out)) as container:
        frame = next(container.decode(video=0))
    rgb = suffix == ".mkv"
    assert (int(frame.color_range), int(frame.colorspace)) == ((2, 0) if rgb else (1, 1))
    if not rgb:
        luma = np.frombuffer(frame.planes[0], np.uint16 if "12" in frame.format.name else np.uint8)
        luma = luma.reshape(72, -1)[:, :96] / (16 if "12" in frame.format.name else 1)
        assert luma[10, 10] == pytest.approx(16, abs=1)
        assert luma[10, 80] == pytest.approx(235, abs=1)
    assert np.abs(frame.to_ndarray(format="rgb24").astype(int)[60, 50] - (200, 40, 30)).max() <= 4


def test_pictures_with_their_times(clip, tmp_path):
    with Clip(clip) as source, open_writer(tmp_path / "frames", ".png", source, alpha=True) as writer:
        for when in TIMES[:2]:
            writer.picture(PICTURE, when, 0)
    read = cv2.imread(str(tmp_path / "frames/frame_000002.png"), cv2.IMREAD_UNCHANGED)
    assert np.array_equal(cv2.cvtColor(read, cv2.COLOR_BGRA2RGBA), PICTURE)
    lines = (tmp_path / "frames/times.csv").read_text().splitlines()
    assert lines == ["file,seconds", "frame_000001.png,0.000000", f"frame_000002.png,{TIMES[1] / 90_000:.6f}"]
    with (
        Clip(clip) as source,
        pytest.raises(ValueError, match="already holds"),
        open_writer(tmp_path / "frames", ".png", source, alpha=True),
    ):
        pass


def test_exr_holds_linear_light_in_half_floats(tmp_path):
    light = np.dstack([PICTURE[..., :3] / np.float32(255) * 2, PICTURE[..., 3] / np.float32(255)]).astype(np.float32)
    write_picture(tmp_path / "a.exr", light[:, :90])  # a width that FFmpeg pads
    with av.open(str(tmp_path / "a.exr")) as container:
        frame = next(container.decode(video=0))
    kind = np.float16 if "f16" in frame.format.name else np.float32
    for plane, channel in zip(frame.planes, (1, 2, 0, 3), strict=True):
        values = np.frombuffer(plane, kind).reshape(72, -1)[:, :90]
        assert np.abs(values - light[:, :90, channel]).max() < 1e-3


def test_what_a_file_cannot_hold_is_said_before_work(clip, tmp_path):
    with Clip(clip) as source:
        with (
            pytest.raises(ValueError, match=r"no alpha.*\.mov \(ProRes 4444\)"),
            open_writer(tmp_path / "out.mp4", ".png", source, alpha=True),
        ):
            pass
        with (
            pytest.raises(ValueError, match=r"\.gif is none of"),
            open_writer(tmp_path / "out.gif", ".png", source, alpha=False),
        ):
            pass
    assert not list(tmp_path.iterdir())


def test_odd_sides_are_kept(clip, tmp_path):
    for suffix in CODECS:
        out = tmp_path / f"odd{suffix}"
        with Clip(clip) as source, open_writer(out, ".png", source, alpha=False) as writer:
            writer.picture(PICTURE[:71, :95, :3], 0, 0)
        assert decoded(out)[0][0].shape == (71, 95, 3)
