import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.commands import matte
from pipelines.matting import backdrops, plates
from tests.pipelines.matting.conftest import SIZE, TIMES, decoded, room, shots, write_clip


def run(*words):
    result = CliRunner().invoke(app, ["matte", *map(str, words)])
    said = f"{result.output} {result.exception or ''}"
    return result.exit_code, " ".join(said.split())


@pytest.fixture
def plate(tmp_path):
    path = tmp_path / "plate.png"
    cv2.imwrite(str(path), cv2.cvtColor(room(), cv2.COLOR_RGB2BGR))
    return path


def test_a_clip_over_a_colour(clip, plate, weights, tmp_path):
    out = tmp_path / "out.mp4"
    code, said = run("video", clip, out, "--background", plate, "--weights", weights, "--over", "#0080ff")
    assert code == 0, said
    assert "plate.png, one picture" in said and "of its edges are there" in said
    assert f"composite, {len(TIMES)} frames" in said
    assert len(decoded(out)[0]) == len(TIMES)
    assert "network: runtime, " in said
    code, said = run("video", clip, out, "--background", plate, "--weights", weights)
    assert code and "--overwrite" in said
    words = ("--background", plate, "--weights", weights, "--frames", 1, "--backend", "pytorch")
    assert "network: pytorch on cpu" in run("video", clip, tmp_path / "plain.mkv", *words)[1]
    code, said = run("video", clip, tmp_path / "none.mkv", *words[:-1], "onnx")
    assert code == 1 and "auto, pytorch, runtime" in said


def test_a_background_of_another_place_is_refused_before_the_work(clip, weights, tmp_path):
    wrong, out = tmp_path / "wrong.png", tmp_path / "out.mov"
    cv2.imwrite(str(wrong), cv2.cvtColor(room(9), cv2.COLOR_RGB2BGR))
    code, said = run("video", clip, out, "--background", wrong, "--weights", weights)
    assert code == 1
    assert "does not seem to belong" in said and "--anyway" in said and "%" in said
    assert not out.exists()
    code, said = run("video", clip, out, "--background", wrong, "--weights", weights, "--anyway", "--frames", 2)
    assert code == 0, said
    assert len(decoded(out)[0]) == 2


def test_exposure_that_drifts_is_said(plate, weights, tmp_path):
    darker = [np.clip(shot * (1 - 0.06 * number), 0, 255).astype(np.uint8) for number, shot in enumerate(shots())]
    path = write_clip(tmp_path / "drift.mp4", darker, group=1)
    words = ("video", path, tmp_path / "out.mkv", "--background", plate, "--weights", weights, "--frames", 1)
    code, said = run(*words)
    assert code == 0, said
    assert "exposure drifts by" in said and "--align each" in said
    assert "exposure drifts by" not in run(*words, "--align", "each", "--overwrite")[1]


def test_a_background_of_another_shape_is_refused_and_of_another_size_resized(clip, plate, weights, tmp_path):
    tall = tmp_path / "tall.png"
    cv2.imwrite(str(tall), np.zeros((96, 72, 3), np.uint8))
    code, said = run("video", clip, tmp_path / "out.mov", "--background", tall, "--weights", weights)
    assert code == 1 and "72x96" in said and "96x72" in said
    large = tmp_path / "large.png"
    cv2.imwrite(str(large), cv2.resize(cv2.imread(str(plate)), (192, 144)))
    assert "resized from 192x144" in plates.captured(large, *SIZE).words


def test_a_plate_out_of_the_clip(clip, weights, tmp_path, monkeypatch):
    def red(frame):
        mask = (np.abs(frame.astype(int) - (220, 30, 40)).max(axis=2) < 24).astype(np.uint8)
        x, y, w, h = cv2.boundingRect(mask)
        return ((x / SIZE[1], y / SIZE[0], w / SIZE[1], h / SIZE[0]),) if w else ()

    monkeypatch.setattr(matte, "_people", lambda: red)
    code, said = run("video", clip, tmp_path / "frames", "--weights", weights, "--exr", "--frames", 2)
    assert code == 0, said
    assert "of the frame was uncovered" in said and "recovered from" in said
    assert sorted(file.name for file in (tmp_path / "frames").iterdir()) == [
        "frame_000001.exr", "frame_000002.exr", "times.csv",
    ]  # fmt: skip
    found, share = plates.recovered(shots(12), red)
    assert share > 0.95
    assert (np.abs(found.image.astype(int) - room()).max(axis=2) > 8).mean() < 0.05


def test_a_clip_of_the_empty_scene_is_a_background(tmp_path):
    path = write_clip(tmp_path / "empty.mp4", [room()] * 8)
    found = plates.captured(path, *SIZE)
    assert "median of" in found.words
    assert np.abs(found.image.astype(int) - room()).mean() < 6


def test_a_photograph(plate, weights, tmp_path):
    src = tmp_path / "src.png"
    cv2.imwrite(str(src), cv2.cvtColor(shots()[3], cv2.COLOR_RGB2BGR))
    for name, depth in (("rgba.png", 4), ("over.jpg", 3)):
        code, said = run("image", src, tmp_path / name, "--background", plate, "--weights", weights)
        assert code == 0, said
        assert cv2.imread(str(tmp_path / name), cv2.IMREAD_UNCHANGED).shape == (*SIZE, depth)
    code, said = run("image", src, tmp_path / "a.exr", "--background", plate, "--weights", weights, "--what", "alpha")
    assert code == 1 and "EXR" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--what", "hair"], "composite, rgba, alpha, foreground"),
        (["--what", "alpha", "--over", "blur"], "nothing behind the person"),
        (["--despill", "red"], "neither green nor blue"),
        (["--smooth", "2"], "smooth: 2"),
        (["--exr"], "has an ending"),
        (["--align", "often"], "first, each, never"),
        (["--over", "nowhere.jpg"], "no such file"),
    ],
)
def test_what_means_nothing_is_said(clip, plate, weights, tmp_path, words, said):
    code, found = run("video", clip, tmp_path / "out.mov", "--background", plate, "--weights", weights, *words)
    assert code == 1
    assert said in found
    assert not (tmp_path / "out.mov").exists()


def test_a_moving_backdrop_keeps_its_own_time_and_begins_again(tmp_path):
    images = [np.full((32, 48, 3), level, np.uint8) for level in (40, 120, 200)]
    path = write_clip(tmp_path / "behind.mkv", images, [0, 9000, 18_000], codec="ffv1", form="bgr0")
    show = backdrops.choose(str(path), room, *SIZE)
    levels = [int(show(seconds)[0, 0, 0]) for seconds in (0.0, 0.05, 0.1, 0.19, 0.2, 0.22, 0.234, 0.35)]
    assert levels == [40, 40, 120, 120, 200, 200, 40, 120]
    assert show(0.4).shape == (*SIZE, 3)
