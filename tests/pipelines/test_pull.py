"""A teammate who has no raw data pulls the shards from a DVC remote and trains from them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.presets import set_value, use
from tests.compositing.composite_world import make_world

ROOT = Path(__file__).resolve().parents[2]
STAGE = """
stages:
  render:
    cmd: python -m pipelines.render
    deps: [data/plan.parquet, data/frames, data/frames.parquet, data/sample]
    params: [render, data.preset]
    outs: [data/shards, data/shards.parquet]
    metrics: [{metrics/render.json: {cache: false}}]
"""
READ = """
from pathlib import Path
from compositing.shards.reader import ShardReader
from training.samples.data import Order, Steps, batches
reader = ShardReader(Path("data/shards"), Path("data/shards.parquet"), "base")
steps = Steps(Order(1, len(reader)), batch=4, crop=(48, 64), first=0, last=2)
for batch in batches(reader, 1, steps, loaders=0):
    print(tuple(batch.src.shape), int(batch.pha.max()))
"""

pytestmark = pytest.mark.slow


def run(folder: Path, *command: str) -> str:
    values = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "CLEANPLATE_", "GIT_"))}
    values |= {"PYTHONPATH": str(ROOT), "PATH": f"{Path(sys.executable).parent}{os.pathsep}{values['PATH']}"}
    for role in ("AUTHOR", "COMMITTER"):
        values |= {f"GIT_{role}_NAME": "test", f"GIT_{role}_EMAIL": "test@example.org"}
    done = subprocess.run(command, cwd=folder, env=values, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout


def test_a_teammate_without_raw_data_pulls_and_trains(tmp_path):
    mine, remote, theirs = tmp_path / "mine", tmp_path / "remote", tmp_path / "theirs"
    (mine / "data/sample/videomatte").mkdir(parents=True)
    (mine / ".dvc").mkdir()
    shutil.copyfile(ROOT / ".dvc/config", mine / ".dvc/config")
    (mine / ".gitignore").write_text("/data/\n/.work/\n/logs/\n/.dvc/cache\n/.dvc/tmp\n")
    make_world(mine / "data")
    (mine / "data/places").rename(mine / "data/sample/places365")
    use("sample", mine / "params.yaml")
    set_value("render.samples_per_shard", 4, mine / "params.yaml")
    (mine / "dvc.yaml").write_text(STAGE)
    run(mine, "git", "init", "-q")
    run(mine, "dvc", "remote", "add", "-d", "shared", str(remote))
    run(mine, "dvc", "repro")
    run(mine, "dvc", "push")
    run(mine, "git", "add", "-A")
    run(mine, "git", "commit", "-qm", "rendered")

    run(tmp_path, "git", "clone", "-q", str(mine), str(theirs))
    run(theirs, "dvc", "pull")
    assert sorted(p.name for p in (theirs / "data").iterdir()) == ["shards", "shards.parquet"], "no raw data came along"
    for file in (mine / "data/shards").rglob("*.tar"):
        assert (theirs / "data/shards" / file.relative_to(mine / "data/shards")).read_bytes() == file.read_bytes()
    lines = run(theirs, sys.executable, "-c", READ).splitlines()
    assert len(lines) == 2 and all(line.startswith("(4, 48, ") and line.endswith(", 3) 255") for line in lines)

    # The whole round: a bit that flips in a hard-linked shard is found, and mended without leaving DVC a bad copy.
    assert "0 shards damaged" in run(theirs, sys.executable, "-m", "pipelines.cli", "verify")
    shard = mine / "data/shards/base/000001.tar"
    whole = shard.read_bytes()
    shard.chmod(0o644)
    with shard.open("r+b") as handle:
        handle.seek(700)
        handle.write(bytes([whole[700] ^ 1]))
    shard.chmod(0o444)
    run(mine, sys.executable, "-m", "pipelines.cli", "verify", "--repair")
    assert shard.read_bytes() == whole
    shutil.rmtree(mine / "data/shards")
    run(mine, "dvc", "checkout")
    assert shard.read_bytes() == whole, "DVC's cache was mended too"
