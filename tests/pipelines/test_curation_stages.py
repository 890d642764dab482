"""index, detect and curate as a user runs them, on a small folder of their own."""

import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import cv2
import matplotlib
import numpy as np
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from pipelines import curate, detect, index
from pipelines.params import load
from pipelines.stage import Stage
from pipelines.work import work_folder

BODIES = {"index": index.body, "detect": detect.body, "curate": curate.body}


def picture(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.random((6, 8, 3), np.float32), (320, 240), interpolation=cv2.INTER_CUBIC)
    fine = cv2.resize(rng.random((120, 160), np.float32), (320, 240))
    return np.clip(180 * coarse + 70 * fine[..., None], 5, 250).astype(np.uint8)


@pytest.fixture()
def project(bare_project: Path, root: Path) -> Path:
    """A folder with the project's parameters and a small Places365 of its own, half of it packed."""
    tmp_path = bare_project
    (tmp_path / "curation").mkdir()
    (tmp_path / "curation" / "decisions.csv").write_text("image_id,decision,by,note\n")
    yaml = YAML()
    params = yaml.load((root / "params.yaml").read_text())
    params["data"]["preset"] = "full"
    params["data"]["places365"] |= {"licence": "some licence", "source": "some source"}
    params["detect"]["floor"] = 0.2
    params["curate"] |= {"person_score": 0.5, "min_side": 200, "min_sharpness": 40.0, "duplicate_distance": 6}
    with (tmp_path / "params.yaml").open("w") as file:
        yaml.dump(params, file)
    folder = tmp_path / "photos" / "data_large" / "k" / "kitchen"
    folder.mkdir(parents=True)
    for seed in range(6):
        cv2.imwrite(str(folder / f"{seed}.png"), picture(seed))
    (folder / "copy.png").write_bytes((folder / "0.png").read_bytes())
    (folder / "empty.jpg").write_bytes(b"")
    grace = Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")
    with tarfile.open(tmp_path / "photos" / "val_large.tar", "w") as tar:
        tar.add(grace, "val_large/Places365_val_00000001.jpg")
    (tmp_path / "photos" / "places365_val.txt").write_text("Places365_val_00000001.jpg 3\n")
    (tmp_path / "photos" / "categories_places365.txt").write_text("/k/kitchen 3\n")
    return tmp_path


@pytest.fixture()
def run() -> Callable[..., None]:
    def run_stages(*names: str) -> None:
        for name in names:
            with work_folder(name) as work:
                BODIES[name](Stage(name, load(), work))
                work.seal()

    return run_stages


def test_photographs_become_verdicts(project: Path, run: Callable[..., None]) -> None:
    run("index", "detect", "curate")
    rows = {row["locator"]: row for row in pq.read_table("data/verdicts.parquet").to_pylist()}
    kitchen = "data_large/k/kitchen/"
    assert {name for name, row in rows.items() if row["kept"]} == {f"{kitchen}{k}.png" for k in range(1, 6)} | {
        f"{kitchen}0.png"
    }
    assert rows[kitchen + "copy.png"]["reason"] == f"duplicate: a copy of {kitchen}0.png"
    assert rows[kitchen + "empty.jpg"]["reason"] == "unreadable: empty: the file has no bytes"
    (packed,) = [row for name, row in rows.items() if name.startswith("val_large.tar#")]
    assert packed["rule"] == "people" and packed["scene"] == "kitchen" and packed["licence"] == "some licence"
    metrics = {name: json.loads(Path(f"metrics/{name}.json").read_text()) for name in BODIES}
    assert metrics["index"]["status"] == {"empty": 1, "ok": 8}
    assert metrics["detect"]["with_person"] >= 1 and metrics["detect"]["status"] == {"not looked at": 1, "ok": 8}
    assert metrics["curate"]["rejected"] == {"duplicate": 1, "people": 1, "unreadable": 1}
    assert sum(metrics["curate"]["split"].values()) == metrics["curate"]["kept"] == 6


def test_a_new_threshold_never_asks_the_detector(project: Path, run: Callable[..., None]) -> None:
    run("index", "detect", "curate")
    before = Path("data/people.parquet").stat().st_ino
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("person_score: 0.5", "person_score: 0.95"))
    run("curate")
    assert Path("data/people.parquet").stat().st_ino == before
    assert "people" not in json.loads(Path("metrics/curate.json").read_text())["rejected"]
    Path("params.yaml").write_text(text.replace("person_score: 0.5", "person_score: 0.1"))
    with pytest.raises(ValueError, match=r"only scores from 0.2 up were stored"):
        run("curate")


def test_a_photograph_is_looked_at_once(
    project: Path, run: Callable[..., None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One new, one moved: only the new one is looked at, and the tables are those of a run from nothing."""
    caplog.set_level("INFO")
    run("index", "detect")
    photos = project / "photos" / "data_large" / "k" / "kitchen"
    (photos / "moved.png").write_bytes((photos / "1.png").read_bytes())
    (photos / "1.png").unlink()
    (photos / "new.png").write_bytes((photos / "2.png").read_bytes() + b"\n")  # another content, the same picture
    caplog.clear()
    run("index", "detect")
    assert "8 known, 2 to look at" in caplog.text  # the empty file is told again
    tables = [Path(f"data/{name}.parquet").read_bytes() for name in ("images", "people")]
    monkeypatch.setenv("CLEANPLATE_WORK", str(project / "elsewhere"))
    caplog.clear()
    run("index", "detect")
    assert "0 known, 10 to look at" in caplog.text
    assert [Path(f"data/{name}.parquet").read_bytes() for name in ("images", "people")] == tables


def test_nothing_to_read_names_the_root_and_the_layout(project: Path, run: Callable[..., None]) -> None:
    (project / "nothing").mkdir()
    (project / "paths.yaml").write_text("places365: nothing\nvideomatte: photos\n")
    with pytest.raises(ValueError, match=r"places365.root: '.*nothing' has no images; expected data_large/, train/"):
        run("index")
    (project / "nothing" / "bad.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"no images that can be read \(1 files: empty 1\)"):
        run("index")
    assert not Path("data/images.parquet").exists()
