from pathlib import Path
from typing import Any

import pytest

from training import export
from training.config import ExportParams
from training.export.making import describe
from training.network import RefineNetwork
from training.network.weights import save

SIDE = 128


def params(**changes: Any) -> ExportParams:
    values: dict[str, Any] = {
        "variants": ("torchscript",), "width": SIDE, "height": SIDE, "samples": 2, "calibration": 2,
        "tolerance": {"float32": 1e-4, "fp16": 0.01, "int8": 0.1},
    }  # fmt: skip
    return ExportParams(**{**values, **changes})


@pytest.fixture(scope="module")
def weights(network: RefineNetwork, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "refine.safetensors"
    save(network, path, {"space": "linear"})
    return path


def task(weights: Path, shards: Path, chosen: ExportParams) -> export.ExportTask:
    return export.ExportTask("torchscript", weights, shards / "shards", shards / "shards.parquet", chosen)


def test_a_part_says_what_it_measured(weights: Path, shards: Path, network: RefineNetwork, tmp_path: Path):
    export.export_part(task(weights, shards, params()), tmp_path)
    found = export.read_check(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["check.json", "refine.torchscript.pt"]
    assert found["bytes"] == (tmp_path / "refine.torchscript.pt").stat().st_size
    assert (found["bound"], found["inputs"], found["mad_loss"]) == (1e-4, 2, 0)
    pairs = export.real_pairs(shards / "shards", shards / "shards.parquet", SIDE, SIDE, 2)
    mads = [1000 * (network(p.src, p.bgr).pha - p.pha).abs().mean().item() for p in pairs if p.pha is not None]
    assert found["mad"] == found["mad_pytorch"] == pytest.approx(sum(mads) / 2, abs=0.01)
    assert max(found["random"]["pha_mean"], found["real"]["pha_mean"]) < 1e-5


def test_a_part_beyond_its_bound_is_not_made(weights: Path, shards: Path, tmp_path: Path, monkeypatch: Any):
    wrong = lambda path: lambda src, bgr: export.torchscript_runner(path)(bgr, src)  # noqa: E731
    monkeypatch.setattr("training.export.making.torchscript_runner", wrong)
    with pytest.raises(
        export.ExportError, match=r"refine\.torchscript\.pt differs.*tolerance\.float32 = 0\.0001; report"
    ):
        export.export_part(task(weights, shards, params()), tmp_path)
    assert not (tmp_path / "check.json").exists()


def test_the_card_lists_what_was_chosen(weights: Path):
    card = export.card(weights, params(variants=("torchscript", "int8")), {"int8": {"mad": 1.0}})
    assert card["files"] == {
        "refine.torchscript.pt": {"height": SIDE, "width": SIDE},
        "refine.int8.onnx": {"opset": 20, "sides": "multiples of 4 from 128 to 8192"},
    }
    assert card["backbone"] == "mobilenetv2" and card["space"] == "linear" and card["checked"]["int8"] == {"mad": 1.0}
    assert "variant" not in card and describe(weights, "fp16")["variant"] == "fp16"


def test_no_variants_and_unknown_ones_are_refused():
    for wrong in ((), ("int4",)):
        with pytest.raises(ValueError, match="variants"):
            params(variants=wrong)
