import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.recorded import CACHE, spoiled


def put(data: bytes, suffix: str = "") -> tuple[Path, str]:
    digest = hashlib.md5(data).hexdigest() + suffix
    path = CACHE / digest[:2] / digest[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path, digest


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A table and a folder of one file, each one file with DVC's copy."""
    monkeypatch.chdir(tmp_path)
    table, digest = put(b"a table")
    member, inner = put(b"a shard")
    _, folder = put(json.dumps([{"md5": inner, "relpath": "test/0.tar"}]).encode(), ".dir")
    Path("data/shards/test").mkdir(parents=True)
    Path("data/plan.parquet").hardlink_to(table)
    Path("data/shards/test/0.tar").hardlink_to(member)
    lock = {"stages": {"plan": {"outs": [{"path": "data/plan.parquet", "md5": digest}]}}}
    lock["stages"]["render"] = {"outs": [{"path": "data/shards", "md5": folder}]}
    Path("dvc.lock").write_text(json.dumps(lock))
    return table, member


def run(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["verify", "--outputs", *words])
    return done.exit_code, done.output


def test_whole_outputs_are_said_to_be_whole(project):
    assert run() == (0, "all outputs are what dvc.lock records\n")


@pytest.mark.parametrize(
    ("name", "stage", "copy"), [("data/plan.parquet", "plan", 0), ("data/shards/test/0.tar", "render", 1)]
)
def test_a_bit_flipped_in_the_output_and_in_the_copy_is_found_and_removed(project, name, stage, copy):
    Path(name).write_bytes(b"another")
    code, text = run()
    assert code == 1 and name in text and f"'{stage}'" in text
    code, text = run("--repair")
    assert code == 0 and f"dvc repro {stage}" in text
    assert not Path(name).exists() and not project[copy].exists() and project[1 - copy].exists()
    assert spoiled() == []


def test_a_whole_copy_in_the_cache_stays(project):
    Path("data/plan.parquet").unlink()
    Path("data/plan.parquet").write_bytes(b"another")
    run("--repair")
    assert project[0].read_bytes() == b"a table"


def test_without_a_record_the_next_step_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="run 'dvc repro' first"):
        spoiled()
