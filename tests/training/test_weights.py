"""Weights on disk: there and back, base into refine, and files that are something else."""

import copy
import hashlib
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from training.network import RefineNetwork, build_base, build_refine, weights
from training.network.initial import initialise


@pytest.fixture(scope="module")
def refine() -> RefineNetwork:
    network = build_refine("mobilenetv2", 0.5, "thresholding", 4000, 0.2, 1)
    initialise(network, seed=3)
    return network


def test_the_same_weights_give_the_same_bytes_and_come_back(refine: RefineNetwork, tmp_path: Path) -> None:
    digests = []
    for index in range(3):
        path = tmp_path / f"{index}.safetensors"
        weights.save(refine, path, {"steps": 5, "config": {"b": [1, 2], "a": None}})
        digests.append(hashlib.sha256(path.read_bytes()).hexdigest())
    assert len(set(digests)) == 1
    assert sorted(tmp_path.iterdir()) == [tmp_path / f"{index}.safetensors" for index in range(3)]
    assert weights.load_metadata(path) == {"steps": 5, "config": {"a": None, "b": [1, 2]}}
    state = weights.load(path)
    assert state.keys() == refine.state_dict().keys()
    assert all(torch.equal(state[name], value) for name, value in refine.state_dict().items())


def test_memory_format_does_not_change_the_bytes(refine: RefineNetwork, tmp_path: Path) -> None:
    weights.save(refine, tmp_path / "a.safetensors")
    weights.save(refine.to(memory_format=torch.channels_last), tmp_path / "b.safetensors")
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_a_file_builds_its_own_network(refine: RefineNetwork, tmp_path: Path) -> None:
    path = tmp_path / "refine.safetensors"
    weights.save(refine, path)
    again = weights.load_refine(path)
    assert weights.describe(again) == weights.describe(refine)
    assert torch.equal(again.refiner.conv3.weight, refine.refiner.conv3.weight)
    assert weights.load_refine(path, backbone_scale=0.25).backbone_scale == 0.25
    base = weights.load_base(path)
    assert weights.describe(base) == {"kind": "base", "backbone": "mobilenetv2"}
    assert torch.equal(base.decoder.conv4.weight, refine.decoder.conv4.weight)


def test_base_weights_start_a_refine_network(tmp_path: Path) -> None:
    base, network = build_base("mobilenetv2"), build_refine("mobilenetv2")
    initialise(base, seed=9)
    before = network.refiner.conv1.weight.clone()
    weights.save(base, tmp_path / "base.safetensors")
    report = weights.load_into(network, tmp_path / "base.safetensors")
    assert len(report.matched) == 362
    assert report.missing
    assert all(name.startswith("refiner.") for name in report.missing)
    assert not report.mismatched
    assert not report.unexpected
    assert "17 missing" in str(report)
    assert torch.equal(network.decoder.conv1.weight, base.decoder.conv1.weight)
    assert torch.equal(network.refiner.conv1.weight, before)


@pytest.mark.parametrize("nested", [None, "state_dict", "model_state"])
def test_published_checkpoints_are_recognised(refine: RefineNetwork, tmp_path: Path, nested: str | None) -> None:
    state = {f"module.{name}": value for name, value in refine.state_dict().items()}
    torch.save({nested: state, "epoch": 3} if nested else state, tmp_path / "model.pth")
    network = weights.load_refine(tmp_path / "model.pth")
    assert network.refiner.kernel_size == 1
    assert torch.equal(network.aspp.project[0].weight, refine.aspp.project[0].weight)


@pytest.mark.filterwarnings("ignore")  # tracing is deprecated, and is what the published files were made with
@pytest.mark.parametrize("half", [False, True])
def test_torchscript_files_give_their_tensors(refine: RefineNetwork, tmp_path: Path, half: bool) -> None:
    network = copy.deepcopy(refine).eval()
    traced = torch.jit.trace(network, (torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64)), check_trace=False)
    torch.jit.save(traced.half() if half else traced, tmp_path / "model.pth")
    found, expected = weights.load(tmp_path / "model.pth"), network.state_dict()
    assert {name for name in expected if not name.endswith("num_batches_tracked")} <= set(found)
    for name in ("refiner.conv1.weight", "backbone.features.0.1.running_var"):
        assert torch.equal(found[name], expected[name].half() if half else expected[name])
    again = weights.load_refine(tmp_path / "model.pth")
    torch.testing.assert_close(again.aspp.project[0].weight, refine.aspp.project[0].weight, atol=1e-3, rtol=1e-3)


def test_weights_of_another_network_change_nothing() -> None:
    network, other = build_refine("mobilenetv2"), build_refine("mobilenetv2", refine_kernel_size=1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    initialise(other, seed=5)
    with pytest.raises(ValueError, match=r"4 of another shape .*check 'backbone', 'difference' and the kernel size"):
        weights.load_into(network, other.state_dict())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    report = weights.load_into(network, other.state_dict(), partial=True)
    assert [line.split()[0] for line in report.mismatched] == [f"refiner.conv{i}.weight" for i in (1, 2, 3, 4)]
    assert torch.equal(network.decoder.conv1.weight, other.decoder.conv1.weight)


def test_a_checkpoint_that_lacks_a_layer_is_refused() -> None:
    network = build_base("mobilenetv2")
    state = {name: value for name, value in network.state_dict().items() if name != "decoder.bn2.weight"}
    with pytest.raises(ValueError, match=r"1 missing \(decoder\.bn2\.weight\)"):
        weights.load_into(network, state)
    with pytest.raises(ValueError, match="nothing in"):
        weights.load_into(network, {"fc.weight": torch.zeros(3)}, partial=True)


class Surprise:
    def __reduce__(self) -> tuple:
        return (Path.touch, (Path("surprise"),))


@pytest.mark.parametrize("content", ["text", "empty", "program", "list", "no tensors", "calls", "torn"])
def test_a_wrong_file_says_so_and_runs_nothing(
    content: str, refine: RefineNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / ("weights.safetensors" if content == "torn" else "weights.pth")
    if content == "text":
        path.write_text("hello")
    elif content == "empty":
        path.touch()
    elif content == "program":
        torch.save({"weight": Surprise()}, path)
    elif content == "list":
        torch.save([torch.zeros(2)], path)
    elif content == "no tensors":
        torch.jit.trace(torch.nn.ReLU(), torch.zeros(1)).save(str(path))
    elif content == "calls":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("weights/constants.pkl", pickle.dumps(()))
            archive.writestr("weights/data.pkl", pickle.dumps(Surprise()))
    else:
        weights.save(refine, path)
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"weights: .*weights\.(pth|safetensors) "):
        weights.load(path)
    assert not (tmp_path / "surprise").exists()


def test_other_files_name_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="give the path"):
        weights.load(tmp_path / "none.pth")
    weights.save(build_base("mobilenetv2"), tmp_path / "base.safetensors")
    with pytest.raises(ValueError, match="give the file of train_refine"):
        weights.load_refine(tmp_path / "base.safetensors")
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "linear.pth")
    with pytest.raises(ValueError, match="no network known here"):
        weights.load_base(tmp_path / "linear.pth")
