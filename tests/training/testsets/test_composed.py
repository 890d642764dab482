"""Mattes alone, composited over photographs at every strength; tiny."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.identity import rng
from pipelines.params import parse
from pipelines.presets import preset_text
from training.testsets.composed import ComposedSet, ComposeTask, compose_part
from training.testsets.mattes import find_mattes
from training.testsets.opening import tell_layout

SIDE = 64


def disc(x: int, radius: int = 26) -> tuple[np.ndarray, np.ndarray]:
    """Colours (BGR) and alpha of a soft disc, 120x120."""
    pha = np.zeros((120, 120), np.float32)
    cv2.circle(pha, (x, 60), radius, 1.0, -1)
    pha = np.rint(255 * cv2.GaussianBlur(pha, (0, 0), 1.2)).astype(np.uint8)
    return np.full((120, 120, 3), (40, 60, 210), np.uint8), pha


def put(path: Path, image: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)


@pytest.fixture(scope="module")
def backgrounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backgrounds")
    for i in range(3):
        small = rng(2, "background", i).integers(0, 256, (8, 8, 3)).astype(np.uint8)
        put(folder / "nested" / f"{i}.jpg", cv2.resize(small, (200, 160), interpolation=cv2.INTER_CUBIC))
    put(folder / "tiny.png", np.zeros((20, 20, 3), np.uint8))
    return folder


def compose(layout: str, root: Path, backgrounds: Path, folder: Path, frames: int = 2) -> ComposedSet:
    params = parse(preset_text("sample"))
    small = params.plan.test.model_copy(update={"width": SIDE, "height": SIDE})
    plan = params.plan.model_copy(update={"test": small})
    folder.mkdir(parents=True)
    task = ComposeTask("mine", layout, root, backgrounds, plan, params.mattes, frames)
    compose_part(task, folder)
    # What the engine asks of a part.
    assert all(each.is_file() for each in folder.iterdir())
    return ComposedSet("mine", folder, backgrounds, frames)


@pytest.fixture(scope="module")
def rgba(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rgba")
    for name, x in (("a/one", 50), ("two", 70)):
        put(folder / f"{name}.png", np.dstack(disc(x)))
    put(folder / "plain.png", disc(60)[0])
    (folder / "broken.png").write_bytes(b"no")
    (folder / "notes.txt").write_text("x")
    return folder


@pytest.fixture(scope="module")
def from_rgba(rgba, backgrounds, tmp_path_factory) -> ComposedSet:
    assert tell_layout(rgba) == "rgba"
    return compose("rgba", rgba, backgrounds, tmp_path_factory.mktemp("made") / "part")


def test_each_matte_is_composited_at_each_strength(from_rgba):
    samples = [from_rgba.read(i) for i in range(len(from_rgba))]
    assert sorted((s.recipe["clip"], s.recipe["strength"]) for s in samples) == [
        (clip, strength) for clip in ("a/one", "two") for strength in ("exact", "hard", "mild")
    ]
    assert len({s.recipe["composite_id"] for s in samples}) == 6
    for sample in samples:
        assert sample.src.shape == (SIDE, SIDE, 3) and sample.pha.max() == 255
        assert sample.recipe["fgr_known"] and sample.recipe["case"] is None
        solid = sample.pha == 255
        assert np.abs(sample.src[solid].astype(int) - sample.fgr[solid]).mean() < 12
    exact = next(s for s in samples if s.recipe["strength"] == "exact")
    bare = exact.pha == 0
    assert np.abs(exact.src[bare].astype(int) - exact.bgr[bare]).mean() < 4
    assert not any(from_rgba.follows(i) for i in range(6))


def test_what_cannot_be_used_is_named_with_its_reason(from_rgba):
    reasons = {each.name: each.reason for each in from_rgba.unusable}
    assert reasons["plain.png"] == "no alpha channel; expected RGBA"
    assert reasons["broken.png"].startswith("not a readable picture")
    assert "alpha channel" in reasons["notes.txt"]
    assert set(reasons) - {"background tiny.png"} == {"plain.png", "broken.png", "notes.txt"}


def test_the_same_folder_gives_the_same_set(from_rgba, rgba, backgrounds, tmp_path):
    again = compose("rgba", rgba, backgrounds, tmp_path / "again")
    one, other = from_rgba.read(4), again.read(4)
    assert np.array_equal(one.src, other.src) and one.recipe == other.recipe


def test_frames_of_a_clip_share_everything_but_subject_and_noise(backgrounds, tmp_path):
    for place, x in enumerate((50, 56, 62)):
        colour, pha = disc(x)
        for folder in ("train", "test"):
            put(tmp_path / "vm" / folder / "fgr" / "0001" / f"{place:05d}.png", colour)
            put(tmp_path / "vm" / folder / "pha" / "0001" / f"{place:05d}.png", pha)
    put(tmp_path / "vm" / "test" / "fgr" / "0002" / "00000.png", disc(50)[0])
    assert tell_layout(tmp_path / "vm") == "videomatte"
    made = compose("videomatte", tmp_path / "vm", backgrounds, tmp_path / "part")
    # The clips of the official test folder alone, two frames of each.
    samples = [made.read(i) for i in range(len(made))]
    assert [(s.recipe["clip"], s.recipe["frame"]) for s in samples] == [("test/0001", 0), ("test/0001", 1)] * 3
    assert [made.follows(i) for i in range(6)] == [False, True] * 3
    first, second = samples[0], samples[1]
    assert first.recipe["strength"] == second.recipe["strength"]
    assert first.recipe["noise_key"] != second.recipe["noise_key"]
    bare = (first.pha == 0) & (second.pha == 0)
    difference = np.abs(first.bgr[bare].astype(int) - second.bgr[bare])
    assert 0 < difference.mean() < 3
    assert not np.array_equal(first.pha, second.pha)
    # The scene stands still, and the subject moves by what it moved in the clip.
    moved = [np.average(np.arange(SIDE), weights=s.pha.sum(axis=0).astype(float)) for s in (first, second)]
    assert abs(moved[1] - moved[0]) == pytest.approx(6 * first.recipe["fgr_scale"], rel=0.15)
    assert [each.name for each in made.unusable if "background" not in each.name] == ["test/0002"]


def test_foregrounds_and_alphas_are_paired_by_name(tmp_path):
    colour, pha = disc(60)
    for name in ("x", "y"):
        put(tmp_path / "fg" / f"{name}.jpg", colour)
    for name in ("x", "z"):
        put(tmp_path / "alpha" / f"{name}.png", pha)
    assert tell_layout(tmp_path) == "fg-alpha"
    found = find_mattes("fg-alpha", tmp_path, tmp_path / "scratch", 1)
    assert [clip.name for clip in found.clips] == ["x"]
    assert [tuple(each) for each in found.unusable] == [
        ("fg/y.jpg", "no alpha of that name beside it"),
        ("alpha/z.png", "no foreground of that name beside it"),
    ]


def test_a_set_without_mattes_or_backgrounds_says_so(rgba, tmp_path):
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="holds no pictures"):
        compose("rgba", rgba, tmp_path / "none", tmp_path / "one")
    with pytest.raises(ValueError, match="no matte of"):
        compose("rgba", tmp_path / "none", rgba, tmp_path / "two")
