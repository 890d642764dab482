"""``cleanplate doctor``: each thing that is missing comes with the command that mends it."""

import subprocess
from pathlib import Path

import pytest

from pipelines.doctor import examine
from pipelines.presets import use


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CLEANPLATE_WEIGHTS", raising=False)
    use("sample")
    (tmp_path / ".dvc").mkdir()
    return tmp_path


def finding(subject: str) -> tuple[bool, str, str]:
    (found,) = [item for item in examine() if item.subject == subject]
    return found.ok, found.words, found.mend


def test_git_is_wanted_with_a_commit(project: Path) -> None:
    assert finding("git")[0] is False
    subprocess.run(["git", "init", "-q"], check=True)
    ok, words, mend = finding("git")
    assert not ok and "without a commit" in words and "git commit" in mend
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, "commit", "-q", "--allow-empty", "-m", "Start"], check=True)
    assert finding("git") == (True, "a checkout", "")


def test_missing_weights_are_named_one_by_one(project: Path) -> None:
    params = (project / "params.yaml").read_text(encoding="utf-8")
    params = params.replace("detector: builtin", "detector: darknet")
    params = params.replace("weights: null", "weights: [yolov3.cfg, yolov3.weights]")
    (project / "params.yaml").write_text(params, encoding="utf-8")
    found = [item for item in examine() if item.subject == "detect.members"]
    assert [item.ok for item in found] == [False, False]
    assert "FOLDER-OF-yolov3.weights" in found[1].mend
    (project / ".weights").mkdir()
    (project / ".weights" / "yolov3.cfg").touch()
    assert [item.ok for item in examine() if item.subject == "detect.members"] == [True, False]


def test_broken_parameters_are_a_finding_not_a_crash(project: Path) -> None:
    (project / "params.yaml").write_text("detect: 3\n")
    ok, words, mend = finding("params.yaml")
    assert not ok and words and mend == "cleanplate use sample"
