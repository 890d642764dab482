"""What the stages' tests share."""

import os
import sys
from collections.abc import Iterator, Mapping
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


@pytest.fixture(scope="session")
def _fiftyone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Mapping[str, str]]:
    """FiftyOne in this process: it takes its database once for good. The folder, and the environment it wants."""
    from pipelines.browse import mongod, session

    if mongod.find() is None:
        message = f"no mongod runs here; {mongod.FALLBACK}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)
    if "fiftyone" in sys.modules:
        pytest.fail("somebody imported fiftyone before its database was set")
    folder = tmp_path_factory.mktemp("fiftyone")
    outside = dict(os.environ)
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("FIFTYONE_"):
                patch.delenv(name)
        patch.chdir(folder)
        session.fiftyone_module()
        session.install_plugin()
        wants = {name: value for name, value in os.environ.items() if outside.get(name) != value}
        os.environ.clear()
        os.environ.update(outside)
    return folder, wants


@pytest.fixture(scope="module")
def fiftyone_folder(_fiftyone: tuple[Path, Mapping[str, str]]) -> Iterator[Path]:
    """The working directory, with a FiftyOne whose database lies there; other modules' processes know nothing of it."""
    folder, wants = _fiftyone
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith("FIFTYONE_"):
                patch.delenv(name)
        for name, value in wants.items():
            patch.setenv(name, value)
        patch.chdir(folder)
        yield folder
