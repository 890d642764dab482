import os
import signal

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.matting import webcam
from tests.pipelines.matting.conftest import SIZE, decoded, room, shots, write_clip
from training.predictor import MattingPredictor

EMPTY, WALK = 90, 30
"""Frames of the film. Four seconds, for a busy machine misses most of them."""


def run(*words):
    result = CliRunner().invoke(app, ["matte", "webcam", *map(str, words)])
    said = f"{result.output} {result.exception or ''}"
    return result.exit_code, " ".join(said.split())


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    images = [room()] * EMPTY + shots(WALK)
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    return write_clip(path, images, [3000 * number for number in range(len(images))], codec="ffv1", form="bgr0")


@pytest.fixture
def plate(tmp_path):
    path = tmp_path / "plate.png"
    cv2.imwrite(str(path), cv2.cvtColor(room(), cv2.COLOR_RGB2BGR))
    return path


def test_a_file_as_camera_into_a_file(film, weights, tmp_path):
    out = tmp_path / "out.mp4"
    words = ("--camera", film, "--weights", weights, "--no-window", "--countdown", 0, "--align", "never")
    code, said = run(out, *words)
    assert code == 0, said
    assert "96x72; network: runtime" in said
    assert "plate 1: median of 16 frames" in said
    found, times = decoded(out)
    assert f"{out.name}: {len(found)} frames".replace(" ", "") in said.replace(" ", "")
    assert 1 <= len(found) <= EMPTY + WALK - 16
    assert times == sorted(set(times))
    assert found[0].shape == (*SIZE, 3)
    assert f"{len(found)} results" in said and "ms late" in said
    code, said = run(out, *words)
    assert code == 1 and "--overwrite" in said


def test_a_background_from_a_file_needs_no_countdown(film, plate, weights, tmp_path):
    words = ("--camera", film, "--weights", weights, "--no-window", "--background", plate)
    code, said = run(tmp_path / "frames", *words, "--seconds", 0.01)
    assert code == 0, said
    assert "plate.png, one picture" in said and "plate is taken" not in said
    assert len(list((tmp_path / "frames").glob("frame_*.png"))) >= 1
    other = tmp_path / "other.png"
    cv2.imwrite(str(other), cv2.cvtColor(room(9), cv2.COLOR_RGB2BGR))
    code, said = run(tmp_path / "no.mp4", *words[:-1], other)
    assert code == 1 and "does not seem to belong" in said
    assert not (tmp_path / "no.mp4").exists()


def test_a_signal_ends_it_and_closes_the_file(film, plate, weights, tmp_path, monkeypatch):
    plain = webcam.Session._matted
    count = []

    def pressed(self, shot):
        count.append(shot.number)
        if len(count) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return plain(self, shot)

    monkeypatch.setattr(webcam.Session, "_matted", pressed)
    out = tmp_path / "out.mov"
    code, said = run(out, "--camera", film, "--weights", weights, "--no-window", "--background", plate)
    assert code == 130, said
    assert len(decoded(out)[0]) == len(count) == 2
    assert count == sorted(set(count))


def test_an_encoder_that_fails_ends_it_with_its_message(film, plate, weights, tmp_path, monkeypatch):
    def full(self, image, pts, duration):
        raise OSError("no space left")

    monkeypatch.setattr("pipelines.matting.writing.VideoWriter.picture", full)
    code, said = run(tmp_path / "out.mkv", "--camera", film, "--weights", weights, "--no-window", "--background", plate)
    assert code == 1 and "no space left" in said
    assert not (tmp_path / "out.mkv").exists()


def test_says_what_is_missing_before_the_camera_is_switched_on(film, weights, tmp_path, monkeypatch):
    monkeypatch.setattr(webcam, "open_camera", lambda *unused: pytest.fail("switched on"))
    code, said = run("--camera", film, "--weights", weights, "--no-window")
    assert code == 1 and "--virtual" in said
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    code, said = run("--camera", film, "--weights", weights)
    assert code == 1 and "--no-window" in said
    code, said = run("--camera", film, "--weights", weights, "--no-window", tmp_path / "out.mkv", "--size", "wide")
    assert code == 1 and "WIDTHxHEIGHT" in said


def test_what_is_written_are_mattes_of_the_film_in_its_order(film, plate, weights, tmp_path):
    out = tmp_path / "out.mkv"
    words = ("--camera", film, "--weights", weights, "--no-window", "--background", plate, "--align", "never")
    code, said = run(out, *words, "--over", "#ff00ff")
    assert code == 0, said
    found, _ = decoded(out)
    predictor = MattingPredictor.from_pretrained(weights, fitting="never").set_background(room())
    scene = np.full((*SIZE, 3), (255, 0, 255), np.uint8)
    expected = [predictor.composite(predictor.predict(frame), scene).tobytes() for frame in [room(), *shots(WALK)]]
    assert len(set(expected)) == WALK + 1
    places = [expected.index(frame.tobytes()) for frame in found]
    assert places == sorted(places)
    walked = [place for place in places if place]
    assert len(walked) == len(set(walked))  # no frame twice, whatever frames were missed
