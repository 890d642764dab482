"""What the stage makes of its parts; the parts themselves are tested in tests/training/export."""

import json
import shutil
from pathlib import Path

import pytest

from pipelines import export as stage
from pipelines.params import load
from pipelines.presets import set_value
from pipelines.stage import Stage
from pipelines.work import work_folder
from training import export
from training.network import build_refine
from training.network.weights import save

CHECK = {"bytes": 1, "mad": 2.0, "mad_pytorch": 1.5, "real": {"pha_mean": 0.1, "pha_max": 0.2}}


def part(task: export.ExportTask, folder: Path) -> None:
    said = task.variant if task.source is None else f"{task.variant} of {task.source.read_text()}"
    (folder / export.FILES[task.variant]).write_text(said)
    (folder / "check.json").write_text(json.dumps({**CHECK, "openvino": {"pha_mean": 0.01, "pha_max": 0.02}}))


@pytest.fixture
def project(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLEANPLATE_WORKERS", "1")
    monkeypatch.setattr(export, "export_part", part)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copyfile(root / name, tmp_path / name)
    (tmp_path / "data/shards").mkdir(parents=True)
    (tmp_path / "data/shards.parquet").touch()
    (tmp_path / "data/models").mkdir()
    save(build_refine("mobilenetv2", 0.5), tmp_path / stage.REFINE)
    return tmp_path


def run() -> None:
    with work_folder("export") as work:
        stage.body(Stage("export", load(), work))


def read(project: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in (project / "data/export").iterdir() if file.name != "export.json"}


def test_all_variants_are_published_and_measured(project: Path, caplog: pytest.LogCaptureFixture):
    with caplog.at_level("INFO", "cleanplate.export"):
        run()
    assert "refine.int8.onnx: 0.0 MB, MAD 2.00 against 1.50" in caplog.text
    assert "refine.int8.onnx in OpenVINO: alpha off by 1.0e-02" in caplog.text
    assert read(project) == {
        "refine.onnx": "onnx",
        "refine.static.onnx": "static",
        "refine.fp16.onnx": "fp16 of onnx",
        "refine.int8.onnx": "int8 of onnx",
        "refine.torchscript.pt": "torchscript",
    }
    metrics = json.loads((project / "metrics/export.json").read_text())
    assert metrics == dict.fromkeys(export.FILES, CHECK)
    assert json.loads((project / "data/export/export.json").read_text())["checked"] == metrics


@pytest.mark.parametrize(
    ("variants", "published"),
    [(["int8"], {"refine.int8.onnx": "int8 of onnx"}), (["torchscript"], {"refine.torchscript.pt": "torchscript"})],
)
def test_only_what_was_asked_for_is_published(project: Path, variants: list[str], published: dict[str, str]):
    set_value("export.variants", variants, project / "params.yaml")
    run()
    assert read(project) == published
    assert list(json.loads((project / "metrics/export.json").read_text())) == variants
