"""What the stages' tests share."""

from pathlib import Path

import pytest

from tests.training.conftest import disc_shards, make_params

__all__ = ["disc_shards", "make_params"]


@pytest.fixture
def bare_project(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, one worker, with the project's dvc.yaml and roots that are both ``photos``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLEANPLATE_WORKERS", "1")
    for name in ("CLEANPLATE_WORK", "CLEANPLATE_PATHS"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "dvc.yaml").write_bytes((root / "dvc.yaml").read_bytes())
    (tmp_path / "paths.yaml").write_text("places365: photos\nvideomatte: photos\n")
    return tmp_path
