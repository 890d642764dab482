"""The stage index works only on what is new or changed, and makes the same bytes as a run from nothing."""

import hashlib
import json
import os
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from ruamel.yaml import YAML

from curation import index as reading
from pipelines import index
from pipelines.params import load
from pipelines.stage import Stage
from pipelines.work import work_folder

OUTPUTS = ("data/images.parquet", "metrics/index.json")
KITCHEN = Path("photos/data_large/k/kitchen")
Run = Callable[..., tuple[str, set[str]]]


def picture(path: Path, seed: int, kind: str = ".png") -> None:
    noise = np.random.default_rng(seed).integers(0, 255, (24, 32, 3), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(kind, noise)[1].tobytes())


@pytest.fixture()
def project(bare_project: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(index, "SETTLED_NS", -(10**12))  # these files were all written just now
    yaml = YAML()
    params = yaml.load((root / "params.yaml").read_text())
    params["data"]["preset"] = "full"
    with Path("params.yaml").open("w") as file:
        yaml.dump(params, file)
    for seed in range(8):
        picture(KITCHEN / f"{seed}.png", seed)
    Path("photos/notes.txt").write_text("notes")
    (KITCHEN / "empty.jpg").write_bytes(b"")
    for seed in (20, 21):
        picture(Path(f"val_large/Places365_val_{seed:08d}.jpg"), seed)
    with tarfile.open("photos/val_large.tar", "w") as tar:
        tar.add("val_large")
    Path("photos/categories_places365.txt").write_text("/k/kitchen 3\n/a/attic 4\n")
    Path("photos/places365_val.txt").write_text("Places365_val_00000020.jpg 3\nPlaces365_val_00000021.jpg 4\n")
    return bare_project


@pytest.fixture()
def run(project: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the stage and returns the hash of its outputs, and the locators that were read."""
    read: list[str] = []
    index_image = reading.index_image

    def counted(record, *rest):
        if record.reason is None:
            read.append(record.locator)
        return index_image(record, *rest)

    monkeypatch.setattr(reading, "index_image", counted)

    def run_stage(work: str = ".work") -> tuple[str, set[str]]:
        read.clear()
        monkeypatch.setenv("CLEANPLATE_WORK", work)
        shutil.rmtree("data", ignore_errors=True)  # as DVC does
        with work_folder("index") as folder:
            index.body(Stage("index", load(), folder))
            folder.seal()
        shutil.rmtree(folder.folder)  # as the sweep does once dvc.lock records the output
        return hashlib.sha256(b"".join(Path(name).read_bytes() for name in OUTPUTS)).hexdigest(), set(read)

    return run_stage


def same_as_from_nothing(run: Run) -> set[str]:
    """Run on top of what is kept; check against a run from nothing; return what was read."""
    got, read = run()
    shutil.rmtree("fresh", ignore_errors=True)
    want, everything = run("fresh")
    assert got == want
    assert read <= everything
    return read


def test_only_what_is_new_or_changed_is_read(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(same_as_from_nothing(run)) == 11
    assert same_as_from_nothing(run) == set()
    picture(KITCHEN / "30.png", 30)
    (KITCHEN / "3.png").unlink()
    picture(KITCHEN / "4.png", 40)
    (KITCHEN / "5.png").rename(KITCHEN / "50.png")
    os.utime(KITCHEN / "6.png")
    names = {path.removeprefix("data_large/k/kitchen/") for path in same_as_from_nothing(run)}
    assert names == {"30.png", "4.png", "50.png", "6.png"}
    shutil.copy(KITCHEN / "1.png", KITCHEN / "0.png")
    assert len(same_as_from_nothing(run)) == 1
    os.utime("photos/val_large.tar")
    assert {path.partition("#")[0] for path in same_as_from_nothing(run)} == {"val_large.tar"}


def test_a_file_put_in_anothers_place_with_its_size_and_time_is_read(run: Run) -> None:
    one, two = KITCHEN / "a.bmp", KITCHEN / "b.bmp"
    for seed, path in enumerate((one, two)):
        picture(path, 60 + seed, ".bmp")  # bitmaps of one size, with the time that a tar gave both
        os.utime(path, ns=(10**18, 10**18))
    run()
    one.rename(KITCHEN / "c.bmp")
    two.rename(one)
    (KITCHEN / "c.bmp").rename(two)
    assert {Path(path).name for path in same_as_from_nothing(run)} == {"a.bmp", "b.bmp"}


def test_new_lists_and_licences_are_told_without_reading(run: Run) -> None:
    before, _ = run()
    Path("photos/IO_places365.txt").write_text("/k/kitchen 1\n/a/attic 1\n")
    Path("photos/places365_val.txt").write_text("Places365_val_00000020.jpg 4\n")
    params = Path("params.yaml").read_text()
    Path("params.yaml").write_text(params.replace("cleanplate sample", "another source"))
    assert same_as_from_nothing(run) == set()
    assert run()[0] != before


def test_other_parameters_code_roots_and_libraries_read_all_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run()
    params = Path("params.yaml").read_text()
    Path("params.yaml").write_text(params.replace("max_megapixels: 120", "max_megapixels: 119"))
    assert len(same_as_from_nothing(run)) == 11
    Path("curation").mkdir()
    Path("curation/images.py").write_text("# other code")
    assert len(same_as_from_nothing(run)) == 11
    monkeypatch.setattr("importlib.metadata.version", lambda name: "99")
    assert len(same_as_from_nothing(run)) == 11
    Path("photos").rename("elsewhere")
    Path("paths.yaml").write_text("places365: elsewhere\nvideomatte: elsewhere\n")
    assert len(same_as_from_nothing(run)) == 11
    assert len(list(Path(".work/kept").iterdir())) == 1  # only the newest


def test_what_could_not_be_read_is_tried_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def locked(self: Path, *args, **kwargs):
        if self.name == "2.png":
            raise OSError(5, "Input/output error")
        return opened(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", locked)
        run()
        assert json.loads(Path("metrics/index.json").read_text())["status"]["not readable"] == 1
    assert {Path(path).name for path in same_as_from_nothing(run)} == {"2.png"}


def test_a_killed_run_leaves_its_parts_to_the_next_even_if_the_data_changed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = 0

    def dies(record, *rest):
        nonlocal made
        made += 1
        if made > 5:
            raise KeyboardInterrupt
        return whole(record, *rest)

    whole = reading.index_image
    with monkeypatch.context() as patch:
        patch.setattr(reading, "index_image", dies)
        with pytest.raises(KeyboardInterrupt):
            run()
    done = len(list(Path(".work").glob("index-*/parts/[!.]*")))
    assert done >= 4
    picture(KITCHEN / "-first.png", 70)  # comes before all others: every later chunk is another
    params, changed = re.subn(r"digest:( null)?\n", "digest: scanned\n", Path("params.yaml").read_text(), count=1)
    assert changed
    Path("params.yaml").write_text(params)
    assert len(same_as_from_nothing(run)) == 12 - done
    assert not list(Path(".work").glob("index-*/published.json"))


def test_files_that_changed_a_moment_ago_are_not_kept(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "SETTLED_NS", 10**12)
    assert len(run()[1]) == len(run()[1]) == 11


def test_a_damaged_kept_file_costs_time_and_nothing_else(run: Run) -> None:
    run()
    (path,) = Path(".work/kept").iterdir()
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(data)
    assert len(same_as_from_nothing(run)) == 11
    path.write_bytes(b"")
    assert len(same_as_from_nothing(run)) == 11
