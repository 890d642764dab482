"""``cleanplate people`` on a folder of anything: which detector it takes, and a row for every file."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pytest
import skimage.data
from filelock import FileLock
from typer.testing import CliRunner

from curation.tables import PEOPLE, PERSONS, read_table
from pipelines.cli import app
from pipelines.detectors import Choice, choose
from pipelines.people import filter_folder
from pipelines.work import BusyError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A person, a scene, and what is no image."""
    folder = tmp_path / "my photos"
    (folder / "below").mkdir(parents=True)
    wheel = Path(skimage.data.__file__).parent
    (folder / "below" / "astronaut.png").write_bytes((wheel / "astronaut.png").read_bytes())
    (folder / "hopper.jpg").write_bytes(
        Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg").read_bytes()
    )
    (folder / "coffee.png").write_bytes((wheel / "coffee.png").read_bytes())
    cv2.imwrite(str(folder / "grey.png"), np.full((200, 300), 90, np.uint8))
    (folder / "torn.jpg").write_bytes((folder / "hopper.jpg").read_bytes()[:3000])
    (folder / "empty.jpg").touch()
    (folder / "notes.txt").write_text("hello")
    return folder


@pytest.fixture(autouse=True)
def _no_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CLEANPLATE_WEIGHTS", raising=False)
    monkeypatch.chdir(tmp_path)


def test_every_file_is_a_row_and_nothing_is_left_behind(folder: Path, tmp_path: Path) -> None:
    out, boxes = tmp_path / "out" / "people.parquet", tmp_path / "out" / "boxes.parquet"
    out.parent.mkdir()
    found = filter_folder(folder, choose(None, []), out, boxes, None)
    rows = {row["locator"]: row for row in read_table(PERSONS, out).to_pylist()}
    assert {name: row["person"] for name, row in rows.items()} == {
        "below/astronaut.png": True, "hopper.jpg": True, "coffee.png": False, "grey.png": False,
        "torn.jpg": None, "empty.jpg": None, "notes.txt": None,
    }  # fmt: skip
    assert all(row["status"] != "ok" and row["score"] is None for row in rows.values() if row["person"] is None)
    assert "not an image" in rows["notes.txt"]["status"]
    assert found.counts["with people"] == 2 and sum(found.counts.values()) == 7
    astronaut = [row for row in read_table(PEOPLE, boxes).to_pylist() if row["locator"] == "below/astronaut.png"]
    assert astronaut[0]["score"] == rows["below/astronaut.png"]["score"]
    assert 0 < astronaut[0]["w"] < 0.5
    assert sorted(path.name for path in out.parent.iterdir()) == ["boxes.parquet", "people.parquet"]
    again = out.with_name("again.parquet")
    filter_folder(folder, choose(None, []), again, None, None)
    assert again.read_bytes() == out.read_bytes()


def test_two_runs_do_not_write_one_table(folder: Path, tmp_path: Path) -> None:
    (tmp_path / ".p.parquet.parts").mkdir()
    with FileLock(tmp_path / ".p.parquet.parts" / "lock"), pytest.raises(BusyError, match="another run writes"):
        filter_folder(folder, choose("builtin", []), tmp_path / "p.parquet", None, None)
    assert filter_folder(folder, choose("builtin", []), tmp_path / "p.parquet", None, None).counts["with people"] == 2


def test_a_threshold_moves_the_verdict_but_not_below_what_was_looked_for(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "people.parquet"
    filter_folder(folder, choose("builtin", []), out, None, 0.999)
    assert not any(row["person"] for row in read_table(PERSONS, out).to_pylist())
    with pytest.raises(ValueError, match=r"threshold is 0\.1, but only scores from 0\.2"):
        filter_folder(folder, choose("builtin", []), out, None, 0.1)


def kinds(choice: Choice) -> tuple[str, ...]:
    return (choice.spec.combine, *(member.kind for member in choice.spec.members))


def test_the_best_detector_at_hand_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, yolox_file: Callable[..., Path]
) -> None:
    assert kinds(choose(None, [])) == ("one", "builtin")
    weights = tmp_path / "weights"
    weights.mkdir()
    monkeypatch.setenv("CLEANPLATE_WEIGHTS", str(weights))
    shutil.copy(yolox_file("any", None), weights / "yolox_tiny.onnx")
    assert kinds(choose(None, [])) == ("one", "onnx")
    assert choose(None, []).spec.members[0].files == (weights / "yolox_tiny.onnx",)
    shutil.copy(yolox_file("any", None), weights / "nanodet_m.onnx")
    fusion = choose(None, [])
    assert kinds(fusion) == ("fusion", "onnx", "onnx") and fusion.spec.members[1].looks == ("whole", "tiles2x2")
    assert "calibrated for yolox_nano@" in fusion.words  # and these are others
    assert choose("onnx", []).spec.members[0].files == (weights / "yolox_tiny.onnx",)
    assert choose(None, ["nanodet_m.onnx"]).spec.members[0].files == (weights / "nanodet_m.onnx",)
    assert kinds(choose("any", ["nanodet_m.onnx", "yolox_tiny.onnx"])) == ("any", "onnx", "onnx")
    assert kinds(choose("confirm", ["nanodet_m.onnx", "yolox_tiny.onnx"])) == ("confirm", "onnx", "onnx")


@pytest.mark.parametrize(
    ("detector", "weights", "words"),
    [
        ("yolo", [], "detector 'yolo': expected builtin, onnx, darknet"),
        ("fusion", [], r"takes 2 files .* 0 found or named; fusion takes yolox\*\.onnx and nanodet\*\.onnx"),
        ("onnx", [], "fetch-weights"),
        ("torchvision", [], "takes 1 files or names"),
        ("torchvision", ["ssdlite320_mobilenet_v3_large"], "fetch-weights torchvision:ssdlite320_mobilenet_v3_large"),
        ("onnx", ["none.onnx"], "weights 'none.onnx' not found"),
    ],
)
def test_what_cannot_be_run_says_so(detector: str, weights: list[str], words: str) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=words):
        choose(detector, weights)


def test_a_folder_without_a_single_image_fails(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    with pytest.raises(ValueError, match="holds no files"):
        filter_folder(tmp_path / "texts", choose("builtin", []), tmp_path / "people.parquet", None, None)
    (tmp_path / "texts" / "a.txt").touch()
    with pytest.raises(ValueError, match=r"no image below .* could be looked at"):
        filter_folder(tmp_path / "texts", choose("builtin", []), tmp_path / "people.parquet", None, None)


def test_the_command_says_what_it_took_and_found(folder: Path) -> None:
    result = CliRunner().invoke(app, ["people", str(folder), "--out", "p.parquet"], env={"COLUMNS": "150"})
    assert result.exit_code == 0, result.output
    assert "detector builtin" in result.output and "threshold 0.5" in result.output
    assert "with people" in result.output and "images a second" in result.output
    assert Path("p.parquet").is_file()


@pytest.mark.realset
def test_the_default_separates_real_photographs(realset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEANPLATE_WEIGHTS", str(realset / "models"))
    choice = choose(None, [])
    assert choice.spec.combine == "fusion" and "calibrate" not in choice.words
    filter_folder(realset / "photos", choice, tmp_path / "people.parquet", None, None)
    found = {row["locator"]: row["person"] for row in read_table(PERSONS, tmp_path / "people.parquet").to_pylist()}
    lines = (line.split(",") for line in (realset / "photos" / "labels.csv").read_text().splitlines()[1:])
    labels = {file: person == "1" for file, person, *_ in lines}
    people, scenes = ([found[file] for file, label in labels.items() if label is wanted] for wanted in (True, False))
    # Fitted on these photographs: all of 62, and 1 of 69 others.
    assert np.mean(people) >= 0.98
    assert np.mean(scenes) <= 0.024
