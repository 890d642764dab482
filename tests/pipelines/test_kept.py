import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import kept
from pipelines.work import sweep, work_folder

PART = "rows.parquet"


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLEANPLATE_WORK", "work")


def rows(*names: str) -> pa.Table:
    return pa.table({"name": pa.array(names, pa.string())})


def test_only_the_newest_rows_of_a_stage_stay_and_other_stages_are_left_alone() -> None:
    kept.save("index", "1", rows("a"))
    kept.save("detect", "1", rows("d"))
    kept.save("index", "2", rows("a", "b"))
    assert kept.load("index", "1", PART) is None
    assert kept.load("index", "2", PART) == rows("a", "b")
    assert kept.load("detect", "1", PART) == rows("d")


def test_rows_outlive_the_sweep() -> None:
    kept.save("index", "1", rows("a"))
    for path in (Path("work/kept"), *Path("work/kept").iterdir()):
        os.utime(path, (1, 1))
    sweep()
    assert kept.load("index", "1", PART) == rows("a")


def test_finished_parts_of_marked_work_folders_count() -> None:
    kept.save("index", "1", rows("a"))
    for key, stamp in (("one", "1"), ("two", "2")):
        with work_folder("index", key) as work:
            kept.mark(work.folder, stamp)
            for part in ("000", ".001.tmp"):  # the second was cut off
                (work.parts / part).mkdir()
                pq.write_table(rows(key + part), work.parts / part / PART)
    found = kept.load("index", "1", PART)
    assert found is not None and found["name"].to_pylist() == ["a", "one000"]


def test_the_stamp_holds_code_libraries_and_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("dvc.yaml").write_text("stages: {index: {cmd: x, deps: [data/a.parquet, curation/x.py]}}\n")
    Path("curation").mkdir()
    Path("curation/x.py").write_text("1")
    first = kept.stamp_of("index", ["numpy"], {"a": 1})
    Path("data").mkdir()
    Path("data/a.parquet").write_text("data is no code")
    assert kept.stamp_of("index", ["numpy"], {"a": 1}) == first
    assert kept.stamp_of("index", ["numpy"], {"a": 2}) != first
    assert kept.stamp_of("index", ["pyarrow"], {"a": 1}) != first
    Path("curation/x.py").write_text("2")
    assert kept.stamp_of("index", ["numpy"], {"a": 1}) != first


def test_parts_of_other_libraries_are_made_again_and_another_machine_is_told() -> None:
    with work_folder("index", "one") as work:
        kept.mark(work.folder, "1")
        (work.parts / "000").mkdir()
        pq.write_table(rows("old"), work.parts / "000" / PART)
        with pytest.raises(ValueError, match="the same environment"):
            kept.mark(work.folder, "2", shared=True)
        kept.mark(work.folder, "1")
        assert kept.load("index", "1", PART) == rows("old")
        kept.mark(work.folder, "2")
        assert kept.load("index", "2", PART) is None
        assert work.parts.is_dir()
