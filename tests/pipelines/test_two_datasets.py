"""A second dataset of photographs beside Places365, through the real stages: scan to the shards' inputs."""

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipelines import curate, detect, index
from pipelines.cli import app
from pipelines.doctor import examine
from pipelines.estimate import estimate
from pipelines.params import load
from pipelines.presets import set_value
from pipelines.stage import Stage
from pipelines.work import work_folder
from tests.pipelines.test_curation_stages import picture

BODIES = {"index": index.body, "detect": detect.body, "curate": curate.body}
Run = Callable[..., None]


def use_full(*more: str) -> Result:
    return CliRunner().invoke(app, ["use", "full", "--places365", "places", "--videomatte", "mattes", *more])


@pytest.fixture
def project(bare_project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Places365 with four photographs, and a folder of one's own: flat, nested, packed; one is a larger copy."""
    monkeypatch.setattr(index, "SETTLED_NS", -(10**12))  # these files were all written just now
    (bare_project / "curation").mkdir()
    (bare_project / "curation" / "decisions.csv").write_text("image_id,decision,by,note\n")
    kitchen, own = bare_project / "places" / "data_large" / "k" / "kitchen", bare_project / "own"
    for folder in (kitchen, own / "beach" / "north", bare_project / "mattes"):
        folder.mkdir(parents=True)
    for seed in range(4):
        cv2.imwrite(str(kitchen / f"{seed}.png"), picture(seed))
    cv2.imwrite(str(own / "flat.png"), picture(10))
    cv2.imwrite(str(own / "beach" / "north" / "1.png"), picture(11))
    larger = cv2.resize(picture(0), None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(own / "beach" / "larger.png"), larger)
    cv2.imwrite(str(bare_project / "2.png"), picture(12))
    with tarfile.open(own / "more.tar", "w") as tar:
        tar.add(bare_project / "2.png", "hills/2.png")
    (own / "notes.txt").write_text("notes")
    done = use_full("--photos", "own")
    assert done.exit_code == 0 and "licence" in done.output
    set_value("data.photos.licence", "CC BY 4.0")
    for key, value in {"min_side": 200, "refine_side": 700}.items():
        set_value(f"curate.{key}", value)
    builtin = {"detector": "builtin", "weights": None, "looks": ["whole"]}
    detect_params = {"combine": "one", "members": [builtin], "calibration": None, "floor": 0.2, "device": "cpu"}
    set_value("detect", detect_params)
    set_value("curate.person_score", 0.9)
    return bare_project


@pytest.fixture
def run() -> Run:
    def run_stages(*names: str) -> None:
        for name in names:
            with work_folder(name) as work:
                BODIES[name](Stage(name, load(), work))
                work.seal()

    return run_stages


def rows(table: str) -> dict[tuple[str, str], dict]:
    return {(row["dataset"], row["locator"]): row for row in pq.read_table(f"data/{table}.parquet").to_pylist()}


def test_both_are_indexed_looked_at_and_judged_together(project: Path, run: Run) -> None:
    run("index", "detect", "curate")
    images = rows("images")
    own = {locator.partition("#")[0]: row for (dataset, locator), row in images.items() if dataset == "photos"}
    assert {name: row["scene"] for name, row in own.items()} == {
        "flat.png": None,
        "beach/north/1.png": "beach",
        "beach/larger.png": "beach",
        "more.tar": "hills",
        "notes.txt": None,
    }
    assert {row["licence"] for row in own.values()} == {"CC BY 4.0"}
    assert own["notes.txt"]["status"].startswith("not an image")
    assert sum(dataset == "places365" for dataset, _ in images) == 4
    looked = rows("people")
    assert looked.keys() == images.keys() and looked["photos", "flat.png"]["status"] == "ok"
    verdicts = rows("verdicts")
    small = verdicts["places365", "data_large/k/kitchen/0.png"]
    assert verdicts["photos", "beach/larger.png"]["kept"] and not small["kept"]
    assert small["duplicate_of"] == "photos:beach/larger.png" and small["reason"].endswith(small["duplicate_of"])
    # What is large enough for the refine set comes from either; here from one's own alone.
    assert [key for key, row in verdicts.items() if row["kept"] and row["refine_ok"]] == [
        ("photos", "beach/larger.png")
    ]
    metrics = json.loads(Path("metrics/index.json").read_text())
    assert metrics["datasets"] == {"photos": 5, "places365": 4}


def test_files_of_one_name_stay_two(project: Path, run: Run) -> None:
    twin = project / "own" / "data_large" / "k" / "kitchen"
    twin.mkdir(parents=True)
    cv2.imwrite(str(twin / "1.png"), picture(13))
    run("index", "detect", "curate")
    name = "data_large/k/kitchen/1.png"
    ids = {rows("images")[dataset, name]["image_id"] for dataset in ("places365", "photos")}
    assert len(ids) == 2
    assert {rows("people")[dataset, name]["image_id"] for dataset in ("places365", "photos")} == ids
    done = CliRunner().invoke(app, ["curation", "--out", "page.html"])
    assert done.exit_code == 0, done.output
    assert Path("page.html").read_text().count("cannot be shown") == 1  # the notes


def test_a_second_dataset_makes_nothing_read_again(
    project: Path, run: Run, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    both = load()
    use_full()
    assert load().data.photos is None
    run("index")
    alone = Path("data/images.parquet").read_bytes()
    set_value("data.photos", both.data.photos.model_dump())
    with pytest.raises(FileNotFoundError, match=r"no 'photos'; .*--photos PATH"):
        run("index")
    done = use_full("--photos", "own")
    assert done.exit_code == 0 and load().data.photos == both.data.photos
    caplog.clear()
    run("index")
    assert "places365: 4 known, 0 to read" in caplog.text and "photos: 0 known, 4 to read" in caplog.text
    set_value("data.photos", None)
    caplog.clear()
    run("index")
    assert "4 known, 0 to read" in caplog.text
    assert Path("data/images.parquet").read_bytes() == alone


def test_scan_doctor_and_estimate_know_it(project: Path) -> None:
    def scanned() -> dict[str, bool]:
        return {item.subject: item.ok for item in examine() if item.subject.startswith(("scan", "raw"))}

    (project / "mattes" / "clip.mp4").write_bytes(b"x")
    assert scanned() == {"raw data": True, "scan places365": False, "scan photos": False, "scan videomatte": False}
    guessed = estimate(load(), Path(".work/scan"), False).lines[0].what
    done = CliRunner().invoke(app, ["scan"])
    assert done.exit_code == 0 and "photos: 5 files" in done.output
    assert load().data.photos.digest and scanned() == {"raw data": True}
    assert guessed == "1,813,460 images"
    assert estimate(load(), Path(".work/scan"), False).lines[0].what == "9 images"
    before = load().data.photos.digest
    shutil.copy(project / "2.png", project / "own" / "again.png")
    CliRunner().invoke(app, ["scan"])
    assert load().data.photos.digest != before


def test_a_folder_inside_the_other_is_refused(project: Path) -> None:
    done = use_full("--photos", "places/data_large")
    assert done.exit_code == 1 and "would come twice" in str(done.exception)


def test_photographs_that_cannot_be_read_are_named_by_their_dataset(project: Path, run: Run) -> None:
    shutil.rmtree(project / "own")
    (project / "own").mkdir()
    with pytest.raises(ValueError, match=r"photos.root: '.*own' has no images; expected photographs"):
        run("index")


def test_pictures_are_noise_enough_to_differ() -> None:
    assert np.abs(picture(10).astype(int) - picture(11)).mean() > 20
