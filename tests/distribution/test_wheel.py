"""The wheel itself: what is in it, and a project of one's own that runs from it, in folders with a space."""

import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.conftest import write_yolox

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("curation", "compositing", "training", "pipelines")
TINY = {
    "sample": {"backgrounds": 6, "train_clips": 3, "test_clips": 1, "frames": 2, "height": 96},
    "detect": {"members": [{"detector": "onnx", "weights": "nobody.onnx", "looks": ["whole"]}]},
    "curate": {"valid_share": 0.35, "test_share": 0.3, "refine_side": 128},
    "mattes": {"min_clips": 1},
    "render": {"samples_per_shard": 64},
}
SMALL = {"count": 2, "width": 64, "height": 64}
OWN = "raise RuntimeError('Cleanplate imported a folder of the project')\n"

pytestmark = pytest.mark.slow


def sh(folder: Path, environment: dict[str, str], *command: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-6000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    sh(ROOT, dict(os.environ), sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder))
    return next(folder.glob("cleanplate-*.whl"))


@pytest.fixture(scope="module")
def packages(tmp_path_factory, wheel) -> Path:
    """The packages of an environment of its own, which sees the locked ones and not the checkout."""
    home = tmp_path_factory.mktemp("installed") / "an environment"
    sh(ROOT, dict(os.environ), sys.executable, "-m", "venv", "--without-pip", str(home))
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(home), "platbase": str(home)}))
    # A line in a .pth file adds the folder and not what its own .pth files name: the checkout's editable install.
    (packages / "locked.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = (sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"))
    sh(ROOT, dict(os.environ), *pip, "install", "--quiet", "--no-index", "--no-deps", "--no-compile", str(wheel))
    return packages


@pytest.fixture(scope="module")
def environment(packages) -> dict[str, str]:
    dropped = ("DVC_", "CLEANPLATE_", "GIT_", "PYTHON", "VIRTUAL_ENV")
    values = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    path = [packages.parents[2] / "bin", Path(sys.executable).parent, values["PATH"]]
    who = {f"GIT_{role}_{what}": f"test@{role}" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return values | who | {"PATH": os.pathsep.join(map(str, path)), "CLEANPLATE_WORKERS": "1"}


@pytest.fixture(scope="module")
def project(tmp_path_factory, environment) -> Path:
    """A project with packages of its own under Cleanplate's names, reproduced as far as the shards."""
    folder = tmp_path_factory.mktemp("own") / "a project"
    sh(folder.parent, environment, "cleanplate", "init", "--git", str(folder))
    for room in ROOMS:
        (folder / room).mkdir(exist_ok=True)
        (folder / room / "__init__.py").write_text(OWN)
    yaml = YAML(typ="safe", pure=True)
    params = yaml.load((folder / "params.yaml").read_text())
    for section, values in TINY.items():
        params[section] |= values
    for name in ("base", "refine", "valid", "test"):
        params["plan"][name] |= SMALL
    yaml.dump(params, folder / "params.yaml")
    (folder / ".weights").mkdir()
    write_yolox(folder / ".weights/nobody.onnx", (96, 160), None)
    sh(folder, environment, "git", "add", "-A")
    sh(folder, environment, "git", "commit", "-qm", "Start")
    sh(folder, environment, "dvc", "repro", "render")
    return folder


def left_over(source: str) -> list[str]:
    """The lines that would import a room by its short name, or run one."""
    rooms = "|".join(ROOMS)
    start = r"(?:^|[;:])\s*"
    ways = (
        rf"{start}from\s+(?:{rooms})\b",
        rf"{start}import\s+(?:[\w. ]+,\s*)*(?:{rooms})\b",
        rf"-m (?:{rooms})\b",
        rf"(?:files|PackageLoader|import_module|find_spec|run_module)\(f?[\"'](?:{rooms})\b",
    )
    return [line for line in source.splitlines() if re.search("|".join(ways), line)]


def test_it_holds_one_package_that_names_no_other(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        assert {name.split("/")[0].split("-")[0] for name in names} == {"cleanplate"}
        top = next(name for name in names if name.endswith("top_level.txt"))
        assert archive.read(top).split() == [b"cleanplate"]
        modules = [name for name in names if name.endswith(".py")]
        assert len(modules) > 300
        found = {name: left_over(archive.read(name).decode()) for name in modules}
    # Words: about what made a file of the sample, whose bytes are the same from a wheel, and about a command.
    told = {"cleanplate/pipelines/sample/places365.py", "cleanplate/pipelines/demo/runtime.py"}
    assert {name: lines for name, lines in found.items() if lines and name not in told} == {}


@pytest.mark.parametrize(
    "line",
    [
        "from training import a",
        "    import pipelines.b as b",
        "x = 1; from curation.c import d",
        "import os, training",
        "if x: import training",
        "run('python -m pipelines.render')",
        "files('curation.detectors')",
    ],
)
def test_left_overs_are_found(line):
    assert left_over(f"from . import training\nprint('training', 'from training')\n{line}\n") == [line]


def test_it_holds_every_file_that_the_checkout_has(wheel):
    listed = subprocess.run(["git", "ls-files", *ROOMS], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    expected = {name for name in listed.splitlines() if (ROOT / name).is_file()} - {"curation/decisions.csv"}
    with zipfile.ZipFile(wheel) as archive:
        held = {name.removeprefix("cleanplate/") for name in archive.namelist()}
        assert archive.read("cleanplate/dvc.yaml") == (ROOT / "dvc.yaml").read_bytes()
    assert len(expected) > 350 and expected <= held


def test_the_sample_runs_from_it(project):
    for name in ("images", "people", "verdicts", "frames", "plan", "shards"):
        assert (project / f"data/{name}.parquet").is_file(), name
    assert list((project / "data/shards").rglob("*.tar"))


def test_changed_code_runs_its_stage_again_and_no_other(project, packages, environment):
    file = packages / "cleanplate/compositing/plan/turns.py"  # what the stage 'plan' depends on, and no other
    before = file.read_text()
    file.write_text(before + "\n# changed\n")
    try:
        again = sh(project, environment, "dvc", "repro", "render")
    finally:
        file.write_text(before)
    assert re.findall(r"Running stage '(\w+)'", again) == ["code", "plan"]
    assert "Stage 'render' didn't change, skipping" in again


def test_a_project_imports_its_own_packages_and_ours(tmp_path, packages, environment):
    for room in ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text("MINE = True\n")
    (tmp_path / "script.py").write_text(
        "import curation, compositing, training, pipelines, runpy\n"
        "from cleanplate.training.predictor import MattingPredictor\n"
        "from cleanplate.pipelines.browse.session import code_folder\n"
        "assert all(each.MINE for each in (curation, compositing, training, pipelines))\n"
        "print(MattingPredictor.__module__)\n"
        "print(code_folder())\n"
        "runpy.run_module('cleanplate.pipelines.render', run_name='__main__', alter_sys=True)\n"  # what python -m does
    )
    command = ["python", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines()[:2] == ["cleanplate.training.predictor", str(packages)]
    assert "params.yaml is missing; run 'cleanplate use sample'" in done.stdout
