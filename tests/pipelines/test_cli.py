import csv
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from curation.tables import PERSONS, write_table
from pipelines.cli import app

VERBS = [["use"], ["use", "sample"], ["use", "full"], ["scan"], ["estimate"], ["doctor"], ["explain"], ["clean"],
         ["browse"], ["browse", "backgrounds"], ["people"], ["audit"], ["audit-sample"], ["fetch-weights"]]  # fmt: skip


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_teaches(verb):
    result = CliRunner().invoke(app, [*verb, "--help"])
    assert result.exit_code == 0
    assert len(result.output) > 200


def test_an_expected_error_is_one_message(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.cli", "estimate"], cwd=tmp_path, capture_output=True, text=True,
        env={"PYTHONPATH": str(__import__("pathlib").Path(__file__).resolve().parents[2]), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 1
    assert "cleanplate use sample" in done.stderr
    assert "Traceback" not in done.stderr


def test_use_and_estimate(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = CliRunner()
    assert runner.invoke(app, ["use", "sample"]).exit_code == 0
    again = runner.invoke(app, ["use", "sample"])
    assert "already is the preset" in again.output
    priced = runner.invoke(app, ["estimate"])
    assert priced.exit_code == 0
    assert "composites" in priced.output


def test_estimate_refuses_what_does_not_fit(tmp_path, monkeypatch):
    from pipelines.presets import set_value, use

    monkeypatch.chdir(tmp_path)
    use("sample")
    set_value("plan.base.count", 10**10)
    result = CliRunner().invoke(app, ["estimate"])
    assert result.exit_code == 1
    assert "does not fit" in result.output


def test_explain_covers_every_key(tmp_path, monkeypatch):
    from pipelines.explain import explain
    from pipelines.presets import use

    monkeypatch.chdir(tmp_path)
    use("sample")
    rows = list(explain(None))
    assert len(rows) > 100
    undescribed = [key for key, _, words in rows if not words]
    assert undescribed == []
    with pytest.raises(ValueError, match="no 'curat'"):
        list(explain("curat"))


def test_the_audit_goes_from_a_sample_to_a_threshold(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [
        {"locator": f"{i:03d}.jpg", "person": i >= 900, "score": i / 1000, "threshold": 0.37, "detector": "test"}
        for i in range(1000)
    ]
    write_table(PERSONS, [row | {"status": "ok"} for row in rows], tmp_path / "people.parquet")
    runner, scores = CliRunner(), ["--scores", "people.parquet"]
    drawn = runner.invoke(app, ["audit-sample", *scores, "--count", "900"])
    assert drawn.exit_code == 0, drawn.output
    with (tmp_path / "labels.csv").open() as file:
        asked = list(csv.DictReader(file))
    assert len(asked) >= 850 and {row["person"] for row in asked} == {""}
    lines = [f"{row['locator']},{int(float(row['score']) >= 0.9)}" for row in asked]
    (tmp_path / "labels.csv").write_text("locator,person\n" + "\n".join(lines))
    told = runner.invoke(app, ["audit", "labels.csv", *scores, "--plot", "curve.png"], env={"COLUMNS": "160"})
    assert told.exit_code == 0, told.output
    assert "At most 0.50% of kept images show a person, 95 % sure: threshold 0.9" in told.output
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    assert isinstance(runner.invoke(app, ["audit-sample", *scores]).exception, ValueError)  # filled in by somebody


def test_every_detector_has_its_price():
    from typing import get_args

    from curation.detectors.build import Kind
    from pipelines.estimate import DETECT_LOOKS

    assert set(DETECT_LOOKS) == set(get_args(Kind))
