import os
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import pipelines.work
from pipelines.work import BusyError, Share, fingerprint, sweep, work_folder

DVC_YAML = """
stages:
  make:
    cmd: python -m pipelines.make
    deps: [code, table.parquet]
    params: [make, other.seed]
    outs: [data/made.parquet]
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLEANPLATE_WORK", raising=False)
    Path("dvc.yaml").write_text(DVC_YAML)
    Path("params.yaml").write_text("make: {a: 1}\nother: {seed: 2, unused: 3}\n")
    Path("code").mkdir()
    Path("code/a.py").write_text("x = 1\n")
    Path("table.parquet").write_bytes(b"table")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "text"),
    [("params.yaml", "make: {a: 2}\nother: {seed: 2}\n"), ("code/a.py", "x = 2\n"), ("table.parquet", "other")],
)
def test_fingerprint_follows_params_code_and_data(project, file, text):
    before = fingerprint("make")
    Path(file).write_text(text)
    assert fingerprint("make") != before


def test_fingerprint_ignores_what_the_stage_does_not_name(project):
    before = fingerprint("make")
    Path("params.yaml").write_text("make: {a: 1}\nother: {seed: 2, unused: 99}\n")
    assert fingerprint("make") == before


def test_other_devices_go_on_in_the_same_folder(project):
    before = fingerprint("make")
    Path("params.yaml").write_text("make: {a: 1, devices: 4}\nother: {seed: 2, unused: 3}\n")
    assert fingerprint("make") == before


def publish() -> Path:
    with work_folder("make") as work:
        part = work.folder / "made.parquet"
        part.write_bytes(b"whole")
        work.link_file(part, Path("data/made.parquet"))
        work.seal()
        return work.folder


def record(md5: str) -> None:
    lock = {"stages": {"make": {"outs": [{"path": "data/made.parquet", "md5": md5}]}}}
    with Path("dvc.lock").open("w") as file:
        YAML().dump(lock, file)


def test_parts_outlive_a_deleted_output_until_the_lock_records_it(project):
    folder = publish()
    Path("data/made.parquet").unlink()  # what DVC does to an output it did not record
    assert sweep() == []
    publish()
    assert Path("data/made.parquet").read_bytes() == b"whole"
    record("another")
    assert sweep() == []
    record(pipelines.work.file_md5(Path("data/made.parquet")))
    assert sweep() == [folder.relative_to(project) if folder.is_absolute() else folder]
    assert Path("data/made.parquet").read_bytes() == b"whole"


def test_publishing_replaces_a_read_only_output(project):
    publish()
    Path("data/made.parquet").chmod(0o444)
    publish()
    assert Path("data/made.parquet").read_bytes() == b"whole"


def test_a_second_run_is_told_who_holds_the_folder(project, monkeypatch):
    monkeypatch.setattr(pipelines.work, "ORPHAN_SECONDS", 0.2)
    root = Path(__file__).resolve().parents[2]
    script = (
        "import sys, time\nfrom pipelines.work import work_folder\n"
        "with work_folder('make'):\n    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    try:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=f"kill {process.pid}"), work_folder("make"):
            pass
    finally:
        process.kill()
        process.wait()
    with work_folder("make"):  # a killed holder leaves no lock behind
        pass


def test_shares_work_side_by_side_and_keep_a_whole_run_out(project, monkeypatch):
    monkeypatch.setattr(pipelines.work, "ORPHAN_SECONDS", 0.2)
    with work_folder("make", share=Share(1, 2)) as one:
        half_made = one.parts / ".other.tmp"
        half_made.mkdir()
        with work_folder("make", share=Share(2, 2)) as two:
            assert two.folder == one.folder and half_made.is_dir()
            with pytest.raises(BusyError, match="on part 1 of 2"), work_folder("make"):
                pass
            with pytest.raises(BusyError, match=r"on part [12] of 2"), work_folder("make", share=Share(2, 3)):
                pass
        with pytest.raises(BusyError, match=f"kill {os.getpid()}"), work_folder("make", share=Share(1, 2)):
            pass
    with work_folder("make"):
        assert not half_made.exists()
        with pytest.raises(BusyError, match="already works"), work_folder("make", share=Share(2, 2)):
            pass


def test_a_share_in_work_is_not_swept(project, monkeypatch):
    monkeypatch.setattr(pipelines.work, "STALE_DAYS", -1)
    with work_folder("make", share=Share(1, 2)) as work:
        assert sweep() == [] and work.folder.is_dir()
    assert len(sweep()) == 1


def test_a_run_that_lay_still_for_long_keeps_its_parts_and_goes_on(project, monkeypatch):
    monkeypatch.setattr(pipelines.work, "STALE_DAYS", -1)
    with work_folder("make") as work:
        (work.parts / "one").mkdir()
    assert sweep(going_on=work.folder.name) == [] and (work.parts / "one").is_dir()
    assert sweep(going_on="make-another") == [work.folder]


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "-1/2", "01/2", "1/" + "9" * 5000, "\u0661/\u0662"])
def test_what_is_no_share_is_refused(text):
    with pytest.raises(ValueError, match=f"'{text}'"):
        Share.parse(text)


def test_shares_have_every_task_once():
    tasks = {f"p{n}": n for n in range(7)}
    taken = [Share(number, 3).take(tasks) for number in (1, 2, 3)]
    assert {key: task for share in taken for key, task in share.items()} == tasks
    assert sorted(map(len, taken)) == [2, 2, 3]


def test_a_holder_on_another_machine_is_named_with_it(project, monkeypatch):
    monkeypatch.setattr(pipelines.work, "ORPHAN_SECONDS", 0.1)
    with work_folder("make") as work:
        (work.folder / "owner").write_text("77 node-12")
        with pytest.raises(BusyError, match="'kill 77' on machine node-12"), work_folder("make"):
            pass
