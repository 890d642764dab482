import hashlib
import json
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from curation.identity import rng
from curation.tables import read_table
from pipelines.cli import app
from pipelines.commands.evaluate import _methods
from pipelines.methods import name_methods
from pipelines.params import load
from pipelines.presets import preset_text, use
from pipelines.testing import asked_sets
from training.evaluation.baseline import FEATURES, Tuned
from training.evaluation.tables import EVALUATION
from training.evaluation.tuning import Classical, write_classical


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that has params.yaml, a tuned baseline and nothing else; beside it a test set of two scenes."""
    here = tmp_path / "project"
    (here / "data" / "evaluation").mkdir(parents=True)
    (here / "params.yaml").write_text(preset_text("sample"))
    tuned = Tuned("ramp", FEATURES[0], 20, 60, {})
    write_classical(Classical(np.zeros((2, 2), np.float32), {"mild": tuned}), here / "data" / "evaluation")
    monkeypatch.chdir(here)
    monkeypatch.delenv("CLEANPLATE_PATHS", raising=False)
    for name in ("one", "two"):
        scene = rng(1, name).integers(40, 200, (48, 64, 3)).astype(np.uint8)
        pha = np.zeros((48, 64), np.uint8)
        cv2.circle(pha, (30, 24), 12, 255, -1)
        src = np.where(pha[..., None] > 0, np.uint8([250, 10, 250]), scene)
        for layer, image in (("src", src), ("bgr", scene), ("pha", pha)):
            (tmp_path / "set" / layer).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / "set" / layer / f"{name}.png"), image)
    (tmp_path / "set" / "src" / "extra.txt").write_text("x")
    return here


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def test_any_folder_is_measured_printed_and_written(project):
    words = run(
        "evaluate", "../set", "--method", "classical", "--method", "guided", "--json", "f.json", "--table", "f.parquet"
    )
    assert "2 samples of 2 clips: no intervals" in words
    values = json.loads(Path("f.json").read_text())
    assert list(values["methods"]) == ["classical", "guided"]
    assert values["real"] is True and values["methods"]["classical"]["mad"] < 40
    table = read_table(EVALUATION, Path("f.parquet")).to_pandas()
    assert len(table) == 4 and set(table["set"]) == {"set"}
    assert values["methods"]["guided"]["mad"] == pytest.approx(
        table[table["method"] == "guided"]["mad"].mean(), abs=1e-3
    )


def test_mattes_alone_ask_for_backgrounds(project, tmp_path):
    cv2.imwrite(str(tmp_path / "cut.png"), np.zeros((8, 8, 4), np.uint8))
    (tmp_path / "rgba").mkdir()
    (tmp_path / "cut.png").rename(tmp_path / "rgba" / "cut.png")
    with pytest.raises(ValueError, match="--backgrounds DIR"):
        run("evaluate", "../rgba", "--method", "classical")
    with pytest.raises(ValueError, match="layout rgba needs --backgrounds"):
        run("use", "testset", "mine", "../rgba")
    with pytest.raises(ValueError, match="--layout: 'tiff'; expected auto"):
        run("evaluate", "../rgba", "--layout", "tiff", "--method", "classical")


def test_a_test_set_is_registered_scanned_and_kept(project, tmp_path):
    run("use", "testset", "office", "../set", "--made")
    (asked,) = asked_sets(load())
    assert (asked.name, asked.layout, asked.root, asked.real) == ("office", "folder", tmp_path / "set", False)
    (tmp_path / "set" / "src" / "extra.txt").write_text("more")
    with pytest.raises(ValueError, match=r"test set 'office'.*changed since it was scanned; run 'cleanplate scan'"):
        asked_sets(load())
    assert "test set 'office': digest" in run("scan")
    assert len(asked_sets(load())) == 1
    # Going to another preset keeps it.
    use("published")
    assert list(load().evaluate.sets) == ["office"]
    Path("paths.yaml").unlink()
    with pytest.raises(FileNotFoundError, match="cleanplate use testset office"):
        asked_sets(load())


def test_files_are_called_by_their_names(project):
    for name in ("models/rvm.onnx", "models/refine.onnx", "old/rvm.onnx"):
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).touch()
    names, files = name_methods(["guided", "models/rvm.onnx", "models/refine.onnx", "old/rvm.onnx"])
    assert names == ("guided", "rvm", "refine.onnx", "rvm.onnx")
    assert files["rvm.onnx"] == Path("old/rvm.onnx").resolve()
    with pytest.raises(ValueError, match="named twice"):
        name_methods(["guided", "guided"])
    with pytest.raises(ValueError, match="for the command alone"):
        name_methods(["rev:HEAD"])
    with pytest.raises(FileNotFoundError, match=r"weights 'none\.onnx' not found"):
        name_methods(["none.onnx"])


def test_the_model_of_a_revision_comes_from_the_cache(project):
    # What 'dvc init' and 'dvc add' would write, at a fraction of their time.
    text, digest = b"as it was", hashlib.md5(b"as it was", usedforsecurity=False).hexdigest()
    cached = Path(".dvc/cache/files/md5") / digest[:2] / digest[2:]
    cached.parent.mkdir(parents=True)
    cached.write_bytes(text)
    Path(".dvc/config").write_text("[core]\n    analytics = false\n")
    Path("data/models").mkdir()
    recorded = f"outs:\n- md5: {digest}\n  size: {len(text)}\n  hash: md5\n  path: refine.safetensors\n"
    Path("data/models/refine.safetensors.dvc").write_text(recorded)
    Path(".gitignore").write_text("/.dvc/cache\n/.dvc/tmp\n")
    for words in ("init -q", "add .", "-c user.name=x -c user.email=x@y commit -qm one"):
        subprocess.run(["git", *words.split()], check=True, capture_output=True)
    scratch = Path("scratch")
    scratch.mkdir()
    names, files = _methods(["guided", "rev:HEAD"], scratch)
    assert names == ["guided", "rev:HEAD"]
    assert files["rev:HEAD"].read_bytes() == b"as it was" and files["rev:HEAD"].suffix == ".safetensors"
    with pytest.raises(ValueError, match=r"method 'rev:none': .* of 'none' is not at hand"):
        _methods(["rev:none"], scratch)
