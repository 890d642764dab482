"""The whole line at a tiny size, with the real dvc: the first test that a broken stage fails."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.presets import set_value, use

ROOT = Path(__file__).resolve().parents[2]
TINY = {
    "sample.backgrounds": 24,
    "sample.train_clips": 4,
    "sample.test_clips": 2,
    "sample.frames": 3,
    "sample.height": 192,
    "curate.refine_side": 128,
    "mattes.min_clips": 1,
    "plan.base.count": 12,
    "plan.base.width": 64,
    "plan.base.height": 64,
    "plan.refine.count": 8,
    "plan.refine.width": 128,
    "plan.refine.height": 128,
    "plan.valid.count": 2,
    "plan.valid.width": 128,
    "plan.valid.height": 128,
    "plan.test.count": 2,
    "plan.test.width": 128,
    "plan.test.height": 128,
    "render.samples_per_shard": 4,
    "train_base.steps": 4,
    "train_base.batch": 4,
    "train_base.crop": [48, 64],
    "train_base.threads": 1,
    "train_base.validate_every": 2,
    "train_base.checkpoint_every": 2,
    "train_refine.steps": 3,
    "train_refine.batch": 2,
    "train_refine.crop": [96, 128],
    "train_refine.threads": 1,
    "train_refine.validate_every": 2,
    "train_refine.checkpoint_every": 2,
    "train_refine.refine_sample_pixels": 1600,
    "evaluate.gallery": 1,
    "robustness.samples": 1,
    "robustness.exposure": [],
    "robustness.jpeg": [],
    "robustness.noise": [],
    "export.width": 128,
    "export.height": 128,
    "export.variants": ["onnx", "int8", "torchscript"],
    "export.samples": 1,
    "export.calibration": 2,
    "export.tolerance.int8": 1.0,  # a network of so few steps has nothing in it to keep
}
STAGES = [
    "sample", "index", "detect", "curate", "mattes", "plan", "render", "train_base", "train_refine", "evaluate",
    "robustness", "export", "report",
]  # fmt: skip

pytestmark = pytest.mark.slow


def environment() -> dict[str, str]:
    values = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "CLEANPLATE_", "GIT_"))}
    values["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{values['PATH']}"
    for role in ("AUTHOR", "COMMITTER"):
        values |= {f"GIT_{role}_NAME": "test", f"GIT_{role}_EMAIL": "test@example.org"}
    return values | {"DVC_NO_ANALYTICS": "1"}


def sh(project: Path, *command: str) -> str:
    done = subprocess.run(
        command,
        cwd=project,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-6000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A checkout of its own, in a folder with a space, reproduced once."""
    folder = tmp_path_factory.mktemp("line") / "a checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout  # fmt: skip
    for name in listed.decode().split("\0"):
        if name and (ROOT / name).is_file() and not name.startswith(("tests/", "metrics/")) and name != "dvc.lock":
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    use("sample", folder / "params.yaml")
    for key, value in TINY.items():
        set_value(key, value, folder / "params.yaml")
    sh(folder, "git", "init", "-q")
    sh(folder, "git", "add", "-A")
    sh(folder, "git", "commit", "-qm", "start")
    sh(folder, "env", "CLEANPLATE_WORKERS=1", "dvc", "repro")
    sh(folder, "git", "add", "-A")
    sh(folder, "git", "commit", "-qm", "reproduced")
    return folder


def test_every_stage_left_its_outputs(project):
    for table in ("images", "people", "verdicts", "frames", "plan", "shards", "evaluation", "robustness"):
        assert (project / "data" / f"{table}.parquet").is_file(), table
    assert (project / "data/models/base.safetensors").is_file()
    assert (project / "data/models/refine.safetensors").is_file()
    exported = {file.name for file in (project / "data/export").iterdir()}
    assert exported == {"export.json", "refine.onnx", "refine.int8.onnx", "refine.torchscript.pt"}
    for stage in STAGES:
        assert (project / "logs" / f"{stage}.log").is_file(), stage


def test_metrics_have_the_promised_keys(project):
    test = json.loads((project / "metrics/evaluate.json").read_text())["test"]
    for strength in ("exact", "mild", "hard"):
        for method in ("classical", "base", "refine"):
            assert test[strength][method]["mad"] >= 0
    robustness = json.loads((project / "metrics/robustness.json").read_text())
    assert set(robustness["curves"]["shift"]["points"][0]) == {"value", "difference", "classical", "base", "refine"}
    assert (project / "data/robustness/swapped.jpg").is_file()
    shown = sh(project, "dvc", "metrics", "show", "--json")
    assert "evaluate.json" in shown


def test_the_report_is_one_self_contained_page(project):
    page = (project / "report/report.html").read_text()
    assert page.count('<img src="data:image/') > 20
    for outside in ('src="http', 'href="http', "url(http"):
        assert outside not in page.split("<body>")[1]


def test_a_second_repro_has_nothing_to_do(project):
    assert "up to date" in sh(project, "dvc", "repro")


def test_git_holds_no_data(project):
    tracked = sh(project, "git", "ls-files").splitlines()
    assert not [name for name in tracked if name.startswith(("data/", "report/", ".work/", "logs/"))]


def test_outputs_share_their_bytes_with_the_cache(project):
    shard = next((project / "data/shards").rglob("*.tar"))
    assert shard.stat().st_nlink >= 2


def test_a_stage_that_dvc_did_not_record_is_not_done_again(project):
    set_value("render.samples_per_shard", 5, project / "params.yaml")
    try:
        # The command ends, and dvc is killed before it writes dvc.lock: all that is left is the work folder.
        sh(project, sys.executable, "-m", "pipelines.render")
        parts = {p.relative_to(project): p.stat().st_mtime_ns for p in (project / ".work").glob("render-*/parts/*/*")}
        assert parts
        out = sh(project, "dvc", "repro", "render")
        assert "Running stage 'render'" in out
        after = {p.relative_to(project): p.stat().st_mtime_ns for p in (project / ".work").glob("render-*/parts/*/*")}
        assert after == parts
        # Now that dvc.lock records it, the next stage sweeps the work folder.
        sh(project, "cleanplate", "clean")
        assert not list((project / ".work").glob("render-*"))
    finally:
        sh(project, "git", "checkout", "-q", "params.yaml", "dvc.lock", "metrics")
        sh(project, "dvc", "checkout")


SHARED = {
    "mattes": (["data/frames.parquet", "data/frames/*.tar"], "data/frames"),
    "render": (["data/shards.parquet", "data/shards/*/*.tar"], "data/shards"),
}


@pytest.mark.parametrize("stage", SHARED)
def test_shares_of_a_stage_give_the_bytes_of_one_run(project, tmp_path, stage):
    """The last share first, with other numbers of workers, in an empty work folder; dvc publishes."""
    patterns, published = SHARED[stage]

    def digests() -> dict[Path, str]:
        files = [file for pattern in patterns for file in project.glob(pattern)]
        return {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    def made() -> set[Path]:
        return set(shared.glob(f"{stage}-*/parts/*"))

    whole, shared = digests(), tmp_path / "shared"
    assert whole
    try:
        shutil.rmtree(project / published)
        before = f"CLEANPLATE_WORK={shared}"
        sh(project, "env", before, "CLEANPLATE_WORKERS=2", "cleanplate", stage, "--part", "2/2")
        second = made()
        sh(project, "env", before, "CLEANPLATE_WORKERS=1", "cleanplate", stage, "--part", "1/2")
        first = made() - second
        assert 0 <= len(first) - len(second) <= 1 and len(second) > 2
        assert not (project / published).exists()
        written = {part: part.stat().st_mtime_ns for part in made()}
        sh(project, "env", before, "dvc", "repro", "--force", "--single-item", stage)
        assert digests() == whole
        assert {part: part.stat().st_mtime_ns for part in made()} == written
    finally:
        sh(project, "git", "checkout", "-q", "dvc.lock", "metrics")
        sh(project, "dvc", "checkout", "--force")


def test_a_queued_experiment_runs_what_it_was_queued_with(project):
    sh(project, "dvc", "exp", "run", "--queue", "--name", "queued", "-S", "curate.min_sharpness=60.5", "curate")
    try:
        # What changes in the workspace after queueing must not reach the experiment.
        code = project / "curation/filters.py"
        code.write_text("raise RuntimeError('the workspace code ran')\n")
        sh(project, "dvc", "exp", "run", "--run-all")
        sh(project, "dvc", "exp", "branch", "queued", "queued-branch")
        params = sh(project, "git", "show", "queued-branch:params.yaml")
        assert "min_sharpness: 60.5" in params
    finally:
        sh(project, "git", "checkout", "-q", ".")


def test_seeds_queue_and_compare(project, tmp_path):
    seeds = ("seed-11", "seed-12")
    for seed in seeds:
        override = f"train_base.seed={seed.removeprefix('seed-')}"
        sh(project, "dvc", "exp", "run", "--queue", "--name", seed, "-S", override, "train_base")
    sh(project, "dvc", "exp", "run", "--run-all")
    shown = sh(project, "dvc", "exp", "show", "--csv", "--rev", "HEAD")
    assert all(f"\n{seed}," in shown for seed in seeds)
    changed = sh(project, "dvc", "metrics", "diff", *seeds, "--json").splitlines()
    changes = json.loads(next(line for line in changed if line.startswith("{")))
    assert changes["metrics/train_base/metrics.json"]["valid.mad"]["diff"] != 0
    sh(project, "dvc", "plots", "diff", "--out", str(tmp_path / "plots"), *seeds)
    page = (tmp_path / "plots/index.html").read_text()
    assert all(page.count(f"static/{seed}_data_pictures_base_plots_images_hard-1_") for seed in seeds)
    assert "metrics/train_base/plots/metrics/valid/mad.tsv" in page


def test_the_same_bytes_from_scratch(project, tmp_path):
    """All tables, shards and checkpoints, made again elsewhere with another number of workers."""

    def digests(folder: Path) -> dict[str, str]:
        files = [*folder.glob("data/*.parquet"), *folder.glob("data/shards/*/*"), *folder.glob("data/models/*")]
        return {f.relative_to(folder).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(files)}

    again = tmp_path / "again"
    sh(project, "git", "clone", "-q", str(project), str(again))
    sh(again, "env", "CLEANPLATE_WORKERS=2", "dvc", "repro", "train_refine")
    expected = digests(project)
    for later in ("evaluation", "robustness"):
        expected.pop(f"data/{later}.parquet")
    assert digests(again) == expected
