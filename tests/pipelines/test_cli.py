import csv
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from curation.decisions import Decision, write_decisions
from curation.tables import PERSONS, VERDICTS, write_table
from pipelines.cli import app

VERBS = [["use"], ["use", "sample"], ["use", "full"], ["use", "extra"], ["scan"], ["estimate"], ["doctor"], ["explain"],
         ["clean"], ["browse"], ["browse", "backgrounds"], ["people"], ["audit"], ["audit-sample"], ["fetch-weights"],
         ["decisions"], ["decisions", "pull"], ["decisions", "list"], ["replay"],
         ["matte"], ["matte", "image"], ["matte", "video"]]  # fmt: skip


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
    assert {row["why"] for row in asked} == {"random", "near"}
    assert sum(0.3 < float(row["score"]) < 0.44 for row in asked) > 130, "near the threshold in use, 0.37"
    lines = [f"{row['locator']},{int(float(row['score']) >= 0.9)}" for row in asked]
    (tmp_path / "labels.csv").write_text("locator,person\n" + "\n".join(lines))
    told = runner.invoke(app, ["audit", "labels.csv", *scores, "--plot", "curve.png"], env={"COLUMNS": "160"})
    assert told.exit_code == 0, told.output
    assert "At most 0.50% of kept images show a person, 95 % sure: threshold 0.9" in told.output
    assert "0.370 in use" in told.output
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    lines = [f"{row['locator']},{int(float(row['score']) >= 0.9)},{row['why']}" for row in asked]
    (tmp_path / "labels.csv").write_text("locator,person,why\n" + "\n".join(lines))
    told = runner.invoke(app, ["audit", "labels.csv", *scores], env={"COLUMNS": "160"})
    assert "of the 450 labelled images that were drawn at random" in told.output
    assert "Near the threshold" in told.output and "label at least" in told.output
    assert isinstance(runner.invoke(app, ["audit-sample", *scores]).exception, ValueError)  # filled in by somebody
    assert "one of both" in str(runner.invoke(app, ["audit", *scores]).exception)


def test_the_audit_takes_the_threshold_in_use(tmp_path, monkeypatch, root):
    from pipelines.audit import read_scores

    monkeypatch.chdir(tmp_path)
    row = {"locator": "a.jpg", "person": True, "score": 0.9, "detector": "test", "status": "ok"}
    write_table(PERSONS, [row | {"threshold": 0.3}], tmp_path / "people.parquet")
    assert read_scores(tmp_path / "people.parquet")[1:] == (0.3, True)
    assert read_scores(tmp_path / "people.parquet", 0.6)[1:] == (0.6, False)
    rows = [row | {"threshold": 0.3}, row | {"threshold": 0.4, "locator": "b.jpg"}]
    write_table(PERSONS, rows, tmp_path / "people.parquet")
    with pytest.raises(ValueError, match="2 thresholds; say which with --threshold"):
        read_scores(tmp_path / "people.parquet")
    (tmp_path / "params.yaml").write_text((root / "pipelines/presets/sample.yaml").read_text())
    verdict = dict.fromkeys(VERDICTS.columns) | {"dataset": "d", "locator": "a.jpg", "person_score": 0.2}
    write_table(VERDICTS, [verdict], tmp_path / "verdicts.parquet")
    assert read_scores(tmp_path / "verdicts.parquet").threshold == 0.5


def test_decisions_are_listed_with_what_they_are_about(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    known, strange = Decision("a" * 32, "keep", "ana", "a statue"), Decision("b" * 32, "reject", "ben", "")
    (tmp_path / "curation").mkdir()
    write_decisions([known, strange], tmp_path / "curation/decisions.csv")
    verdict = dict.fromkeys(VERDICTS.columns) | {"dataset": "d", "locator": "bar/a.jpg", "image_id": "a" * 32}
    (tmp_path / "data").mkdir()
    write_table(VERDICTS, [verdict | {"reason": "decision: kept by ana"}], tmp_path / "data/verdicts.parquet")
    told = CliRunner().invoke(app, ["decisions", "list"], env={"COLUMNS": "180"})
    assert told.exit_code == 0, told.output
    assert "bar/a.jpg" in told.output and "not in the index" in told.output and "a statue" in told.output


def test_every_detector_has_its_price():
    from typing import get_args

    from curation.detectors.build import Kind
    from pipelines.estimate import DETECT_LOOKS

    assert set(DETECT_LOOKS) == set(get_args(Kind))


def test_the_published_ranges_are_a_flag_away(tmp_path, monkeypatch):
    from pipelines.params import load

    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    roots = ["--places365", "data", "--videomatte", "data"]
    for flags, space in (([], "linear"), (["--published"], "display")):
        assert CliRunner().invoke(app, ["use", "full", *roots, *flags]).exit_code == 0
        assert load().plan.look.space == space and load().data.preset == "full"
