"""Shares of ``detect``, as a few machines run them; those of ``mattes`` and ``render`` are in test_repro.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines import detect, index
from pipelines.cli import app
from pipelines.params import load
from pipelines.stage import Stage
from pipelines.work import work_folder
from tests.pipelines.test_curation_stages import project

__all__ = ["project"]
BODIES = {"index": index.body, "detect": detect.body}


def run(stage: str) -> None:
    with work_folder(stage) as work:
        BODIES[stage](Stage(stage, load(), work))


def detect_share(part: str, workers: int, root: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(root), "CLEANPLATE_WORKERS": str(workers)}
    command = [sys.executable, "-m", "pipelines.cli", "detect", "--part", part]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def parts() -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in Path("shared").glob("detect-*/parts/*")}


def test_shares_of_detect_give_the_bytes_of_one_run(
    project: Path, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run("index")
    run("detect")
    whole = Path("data/people.parquet")
    local = whole.read_bytes()
    whole.unlink()
    monkeypatch.setenv("CLEANPLATE_WORK", "shared")
    done = detect_share("2/2", 2, root)
    assert done.returncode == 0 and "once all are, 'dvc repro detect' publishes" in done.stdout, done.stdout
    second = parts()
    # It finds the other's images in the work folder, but must cut what is to do as the other did.
    done = detect_share("1/2", 1, root)
    assert done.returncode == 0 and "0 known, 9 to look at" in done.stdout, done.stdout
    assert len(second) == 4 and len(parts()) == 9
    assert not whole.exists()
    before = parts()
    caplog.set_level("INFO")
    run("detect")
    assert whole.read_bytes() == local
    assert "8 known, 1 to look at" in caplog.text  # the empty file is told again
    assert before.items() <= parts().items()


@pytest.mark.parametrize("stage", ["detect", "mattes", "render"])
def test_what_is_no_share_is_refused_before_anything_runs(bare_project: Path, stage: str) -> None:
    done = CliRunner().invoke(app, [stage, "--part", "3/2"])
    assert done.exit_code == 2 and "'3/2'" in done.output
    assert not Path(".work").exists()
