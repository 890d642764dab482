"""The training stage with its shards in an object store, and none here."""

import shutil
from pathlib import Path

import pytest

from pipelines import train_base
from pipelines.params import load
from pipelines.presets import _set
from pipelines.stage import Stage
from pipelines.work import work_folder
from tests.compositing.composite_world import make_world
from tests.objects_world import S3

SMALL = {
    "train_base.steps": 2,
    "train_base.batch": 2,
    "train_base.crop": [32, 64],
    "train_base.threads": 1,
    "train_base.backbone": "mobilenetv2",
    "train_base.init": None,
    "train_base.validate_every": 2,
    "train_base.checkpoint_every": 2,
}

pytestmark = pytest.mark.slow


def test_the_stage_gives_the_same_weights(
    bare_project: Path, root: Path, disc_shards: Path, monkeypatch: pytest.MonkeyPatch, s3: S3
) -> None:
    text = (root / "params.yaml").read_text()
    for key, value in SMALL.items():
        text = _set(text, key, value)
    Path("params.yaml").write_text(text)
    monkeypatch.setenv("CLEANPLATE_LOADERS", "0")
    monkeypatch.setenv("CLEANPLATE_CACHE", str(bare_project / "cache"))
    plan = make_world(bare_project / "world").plan
    made = []
    for where in (None, s3.fill(f"{s3.bucket()}/shards", disc_shards / "shards")):
        shutil.rmtree("data", ignore_errors=True)
        Path("data").mkdir()
        shutil.copy(plan, "data/plan.parquet")
        shutil.copy(disc_shards / "shards.parquet", "data/shards.parquet")
        if where is None:
            shutil.copytree(disc_shards / "shards", "data/shards")
        else:
            monkeypatch.setenv("CLEANPLATE_SHARDS", where)
        with work_folder("train_base") as folder:
            train_base.body(Stage("train_base", load(), folder))
        made.append(Path("data/models/base.safetensors").read_bytes())
        shutil.rmtree(folder.folder)
    assert made[0] == made[1]
    assert list((bare_project / "cache").glob("*/*")), "what was read is kept"
