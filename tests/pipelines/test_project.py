"""``cleanplate init``: what it writes, what it leaves alone, what it refuses; and the code that stages depend on."""

import ast
import json
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from pipelines import installed, project, work
from pipelines.cli import app
from pipelines.params import load
from pipelines.paths import dvc_folder
from pipelines.presets import set_value

ROOT = Path(__file__).resolve().parents[2]
OWN = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())
THEIRS = YAML(typ="safe", pure=True).load(project.pipeline())


def files(folder: Path) -> dict[str, bytes]:
    found = (file for file in folder.rglob("*") if file.is_file() and ".git" not in file.relative_to(folder).parts)
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in found}


def what(folder: Path, **options: bool) -> dict[str, str]:
    return dict(project.init(folder, **options))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "a project"
    subprocess.run(["git", "init", "-q", folder], check=True)
    return folder


def test_it_writes_a_project_and_once_is_enough(repository):
    assert set(what(repository).values()) == {"written"}
    made = files(repository)
    assert set(made) == {
        "dvc.yaml", "params.yaml", ".gitignore", ".dvcignore", ".dvc/.gitignore", ".dvc/config",
        "curation/decisions.csv",
    }  # fmt: skip
    assert load(repository / "params.yaml").data.preset == "sample"
    assert made["curation/decisions.csv"] == (ROOT / "curation/decisions.csv").read_bytes()
    assert set(what(repository).values()) == {"kept"}
    assert files(repository) == made


def test_its_ignore_files_and_configuration_are_the_checkouts(repository):
    project.init(repository)
    made = {name: data.decode().splitlines() for name, data in files(repository).items()}
    assert (repository / ".dvc/config").read_bytes() == (ROOT / ".dvc/config").read_bytes()
    assert made[".dvc/.gitignore"] == (ROOT / ".dvc/.gitignore").read_text().splitlines()
    assert set(made[".dvcignore"]) <= set((ROOT / ".dvcignore").read_text().splitlines())
    ours = [line for line in (ROOT / ".gitignore").read_text().splitlines() if line.startswith("/")]
    assert [line for line in made[".gitignore"] if line.startswith("/")] == ours


def test_what_is_there_already_is_added_to_or_kept(repository):
    (repository / ".dvc").mkdir()
    (repository / ".gitignore").write_text("/mine/\n/data/")
    (repository / ".dvc/config").write_text("[core]\n    remote = far\n['remote \"far\"']\n    url = s3://bucket/far\n")
    (repository / "curation").mkdir()
    (repository / "curation/decisions.csv").write_text("image_id,decision,by,note\nab,keep,me,\n")
    done = what(repository)
    assert (done[".gitignore"], done[".dvc/config"], done["curation/decisions.csv"]) == ("added to", "added to", "kept")
    lines = (repository / ".gitignore").read_text().splitlines()
    assert lines[:2] == ["/mine/", "/data/"] and lines.count("/data/") == 1 and "/paths.yaml" in lines
    config = (repository / ".dvc/config").read_text()
    assert "url = s3://bucket/far" in config and "remote = far" in config and "hardlink,symlink" in config
    assert set(what(repository).values()) == {"kept"}


def test_in_a_project_of_dvc_it_becomes_a_folder_of_that(repository):
    (repository / ".dvc").mkdir()
    done = what(repository / "matting" / "first")
    assert done[f"{repository / '.dvc'}/config"] == "written"
    assert "hardlink" in (repository / ".dvc/config").read_text()
    assert not (repository / "matting/first/.dvc").exists()
    assert (repository / "matting/first/dvc.yaml").is_file()
    assert set(what(repository / "matting" / "first").values()) == {"kept"}


def test_parameters_that_fit_are_kept_even_if_forced(repository):
    project.init(repository)
    set_value("train_base.steps", 7, repository / "params.yaml")
    (repository / "dvc.yaml").write_text("stages: {}\n")
    done = what(repository, force=True)
    assert (done["dvc.yaml"], done["params.yaml"]) == ("overwritten", "kept")
    assert load(repository / "params.yaml").train_base.steps == 7
    assert (repository / "dvc.yaml").read_text() == project.pipeline()


def test_what_would_be_overwritten_is_named_and_nothing_is_written(repository):
    (repository / "dvc.yaml").write_text("stages: {}\n")
    (repository / "params.yaml").write_text("mine: 1\n")
    before = files(repository)
    with pytest.raises(FileExistsError) as error:
        project.init(repository)
    assert all(str(repository / name) in str(error.value) for name in ("dvc.yaml", "params.yaml"))
    assert "--force" in str(error.value)
    assert files(repository) == before
    assert what(repository, force=True)["params.yaml"] == "overwritten"


def test_it_asks_for_a_git_repository_or_makes_one(tmp_path):
    folder = tmp_path / "no repository"
    with pytest.raises(ValueError, match=r"git init '.*no repository'"):
        project.init(folder)
    assert not folder.exists()
    project.init(folder, git=True)
    assert (folder / ".git").is_dir() and (folder / "dvc.yaml").is_file()
    project.init(folder / "below", git=True)
    assert not (folder / "below/.git").exists()


def test_the_checkout_and_a_file_are_refused(repository):
    with pytest.raises(ValueError, match="Cleanplate's own checkout"):
        project.init(ROOT, force=True)
    (repository / "file").write_text("")
    with pytest.raises(FileExistsError, match="is a file"):
        project.init(repository / "file")


def test_a_configuration_that_dvc_cannot_read_is_named(repository):
    (repository / ".dvc").mkdir()
    (repository / ".dvc/config").write_text("[core\nnonsense")
    with pytest.raises(ValueError, match=r"config cannot be read by DVC"):
        project.init(repository)
    assert not (repository / "dvc.yaml").exists()


def test_the_command_says_what_it_did_and_what_is_next(repository, monkeypatch):
    monkeypatch.chdir(repository.parent)
    done = CliRunner().invoke(app, ["init", repository.name])
    assert done.exit_code == 0
    for words in ("written  dvc.yaml", "cd 'a project'", "dvc repro", "cleanplate scan", "cleanplate browse"):
        assert words in done.output


def test_a_projects_pipeline_is_the_checkouts_but_for_commands_and_code():
    assert list(THEIRS["stages"]) == ["code", *OWN["stages"]]
    assert {key: value for key, value in THEIRS.items() if key != "stages"} == {
        key: value for key, value in OWN.items() if key != "stages"
    }
    for name, own in OWN["stages"].items():
        theirs = THEIRS["stages"][name]
        assert theirs["cmd"] == f"cleanplate run {name}"
        rest = ("params", "outs", "metrics", "plots")
        assert {key: theirs.get(key) for key in rest} == {key: own.get(key) for key in rest}
        data = [dep for dep in own["deps"] if dep.startswith(("data/", "metrics/")) or dep.endswith(".csv")]
        assert theirs["deps"] == [*data, f"data/code/{name}.json"]


def test_every_stage_is_a_module_with_a_body():
    for name in OWN["stages"]:
        tree = ast.parse((ROOT / (installed.stage_module(name).replace(".", "/") + ".py")).read_text())
        assert "body" in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)], name
    with pytest.raises(ValueError, match="no stage 'rendr'; the stages are code, sample, index"):
        installed.run_stage("rendr")


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package of two modules and a folder, and a project whose stages run them."""
    home, here = tmp_path / "installed", tmp_path / "project"
    stages = {"one": ["curation/a.py", "training/net"], "two": ["curation/b.py", "curation/decisions.csv"]}
    entries = "".join(f"  {name}: {{cmd: x, deps: [{', '.join(deps)}]}}\n" for name, deps in stages.items())
    for name in ("curation/a.py", "curation/b.py", "training/net/c.py", "training/net/__pycache__/c.pyc"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(name)
    (home / "dvc.yaml").write_text(f"stages:\n{entries}")
    here.mkdir()
    data = {"one": "", "two": "curation/decisions.csv, "}
    mine = "".join(f"  {name}: {{cmd: x, deps: [{data[name]}data/code/{name}.json]}}\n" for name in stages)
    (here / "dvc.yaml").write_text(f"stages:\n{mine}  other: {{cmd: x, deps: [training/mine.py]}}\n")
    monkeypatch.setattr(installed, "HOME", home)
    monkeypatch.chdir(here)
    installed.run_stage("code")
    return home


def test_a_pipeline_of_an_older_version_is_said_to_lag(package, capsys):
    assert capsys.readouterr().out == ""
    lines = (
        (package / "dvc.yaml").read_text().replace("two: {", "two: {params: [two, {new.yaml: [x]}], outs: [data/b], ")
    )
    (package / "dvc.yaml").write_text(f"{lines}  three: {{cmd: x, deps: []}}\n")
    installed.run_stage("code")
    assert capsys.readouterr().out == (
        "dvc.yaml lacks what the installed Cleanplate has: params of two: two; params of two: {'new.yaml': ['x']}; "
        "outs of two: data/b; stage three. Stages may not see what they depend on; 'cleanplate init --force' writes it "
        "anew\n"
    )


def test_a_projects_own_additions_are_nobodys_business():
    mine = {**THEIRS["stages"], "mine": {"cmd": "x"}}
    mine["curate"] = mine["curate"] | {"deps": [*mine["curate"]["deps"], "labels.csv"]}
    assert installed.lacks({"stages": mine}) == []


def test_a_note_holds_the_code_of_its_stage_alone(package):
    notes = {name: Path(f"data/code/{name}.json").read_bytes() for name in ("one", "two")}
    assert list(json.loads(notes["one"])) == ["curation/a.py", "training/net"]
    (package / "training/net/__pycache__/c.pyc").write_text("compiled again")
    installed.run_stage("code")
    assert Path("data/code/one.json").read_bytes() == notes["one"]
    (package / "training/net/c.py").write_text("changed")
    installed.run_stage("code")
    assert Path("data/code/one.json").read_bytes() != notes["one"]
    assert Path("data/code/two.json").read_bytes() == notes["two"]


def test_work_folders_go_by_the_installed_code_and_refuse_an_old_note(package):
    before = {name: work.fingerprint(name) for name in ("one", "two", "other")}
    assert list(work.code_digests("one")) == ["curation/a.py", "training/net"]
    assert list(work.code_digests("other")) == ["training/mine.py"]
    (package / "curation/a.py").write_text("changed")
    for asked in (work.fingerprint, work.code_digest):
        with pytest.raises(ValueError, match=r"data/code/one.json .*run 'dvc repro code'"):
            asked("one")
    installed.run_stage("code")
    assert work.fingerprint("one") != before["one"]
    assert {name: work.fingerprint(name) for name in ("two", "other")} == {
        name: before[name] for name in ("two", "other")
    }
    with pytest.raises(FileNotFoundError, match="'cleanplate init' writes"):
        installed.write_notes(Path("elsewhere/dvc.yaml"))
    Path("data/code/one.json").unlink()
    with pytest.raises(ValueError, match="run 'dvc repro code'"):
        work.fingerprint("one")


def test_the_dvc_project_is_found_from_a_folder_in_it(repository):
    below = repository / "matting"
    below.mkdir()
    assert dvc_folder(below) is None
    (repository / ".dvc").mkdir()
    assert dvc_folder(below) == dvc_folder(repository) == repository / ".dvc"
