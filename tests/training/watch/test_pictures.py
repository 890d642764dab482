import cv2
import numpy as np
import pytest

from compositing.shards.reader import Sample
from training.loop import Readers, train
from training.watch.pictures import HEADER, SCREEN, SIDE, Pictures, draw, names, pictured


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.fixture
def run(disc_reader, tmp_path, monkeypatch):
    """Trains in a folder of its own; gives the pictures by name."""
    monkeypatch.setenv("CLEANPLATE_LOADERS", "0")
    readers = Readers(disc_reader("base"), disc_reader("valid"))

    def start(params, name, kind="base", stop=0):
        def progress(step, note):
            if step == stop:
                raise Killed

        folder = tmp_path / name
        train(kind, params, readers, folder, folder / "curves", "discs", progress=progress, pictures=folder / "seen")
        top = folder / "seen/plots/images"
        return {path.relative_to(top).as_posix(): path.read_bytes() for path in sorted(top.rglob("*.*"))}

    return start


def test_the_same_pictures_twice_and_after_a_kill(run, make_params):
    params = make_params(images_every=2, checkpoint_every=3)
    whole = run(params, "whole")
    each = [f"{strength}-{number}" for strength in ("exact", "hard", "mild") for number in (1, 2)]
    assert list(whole) == [f"{name}/{step:07d}.jpg" for name in each for step in (2, 4)]
    assert whole["hard-1/0000002.jpg"] != whole["hard-1/0000004.jpg"]
    for step in (2, 3):  # before and after the first checkpoint, each with a picture made
        with pytest.raises(Killed):
            run(params, f"killed {step}", stop=step)
        assert run(params, f"killed {step}") == whole
    assert max(len(data) for data in whole.values()) < 60_000


def test_a_refine_network_is_pictured_and_none_where_nobody_asks(run, make_params):
    assert len(run(make_params(steps=1, images_every=1), "refine", "refine")) == 6
    assert run(make_params(steps=1), "none") == {}


def test_pictures_behind_the_checkpoint_are_forgotten(tmp_path, disc_reader):
    sample = disc_reader("valid").read(0)
    pictures = Pictures(tmp_path / "one", tmp_path / "kept", 0)
    for step in (10, 20):
        pictures.add("mild-1", step, sample, sample.pha)
    Pictures(tmp_path / "two", tmp_path / "kept", 15)
    found = [sorted(p.name for p in (tmp_path / name).rglob("*.*g")) for name in ("one", "two", "kept")]
    assert found == [["0000010.jpg", "0000020.jpg"], ["0000010.jpg"], ["0000010.png"]]


def test_panels_show_what_they_say():
    height, width = 448, 300
    grey = np.zeros((height, width), np.uint8)
    colours = [np.full((height, width, 3), value, np.uint8) for value in (50, 90)]
    sample = Sample(*colours, colours[0], grey, {})
    picture = draw(sample, np.full_like(grey, 255), 12)
    top, bottom = (picture[y, 10 :: SIDE + 4].tolist() for y in (HEADER + SIDE // 2, 2 * HEADER + SIDE * 3 // 2))
    assert top == [[50] * 3, [90] * 3, [0] * 3]
    assert bottom == [[255] * 3, [178, 24, 43], [50] * 3]
    empty = draw(sample, grey, 12)
    assert tuple(empty[2 * HEADER + SIDE * 3 // 2, 10 + 2 * (SIDE + 4)]) == SCREEN


@pytest.mark.parametrize(
    ("every", "expected"), [(2, [2, 4, 6, 7]), (4, [4, 7]), (3, [4, 6, 7]), (50, [7]), (1, [2, 4, 6, 7]), (None, [])]
)
def test_pictures_come_with_validations(make_params, every, expected):
    params = make_params(steps=7, validate_every=2, images_every=every)
    assert [step for step in (2, 4, 6, 7) if pictured(step, params)] == expected


def test_names():
    assert names({"hard": [7, 9], "mild": [2]}) == {"hard-1": 7, "hard-2": 9, "mild-1": 2}


def test_pictures_are_kept_without_loss(tmp_path, disc_reader):
    sample = disc_reader("valid").read(1)
    Pictures(tmp_path / "seen", tmp_path / "kept", 0).add("mild-1", 3, sample, sample.pha)
    kept = cv2.imread(str(tmp_path / "kept/mild-1/0000003.png"))
    assert (cv2.cvtColor(kept, cv2.COLOR_BGR2RGB) == draw(sample, sample.pha, 3)).all()
