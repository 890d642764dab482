import json
import os
import signal
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from training import checkpoint
from training.checkpoint import Checkpoint
from training.loop import Readers, train


def make(step=1, **made_with):
    tensors = {"network.weight": torch.full((2, 3), float(step))}
    return Checkpoint(step, tensors, {"history": [], "sums": {"pha": 0.1}, "count": 1}, {}, {"seed": 1, **made_with})


def test_round_trip(tmp_path):
    path = checkpoint.save(tmp_path, make(7, crop=[32, 64]))
    # JSON knows no tuples: a resumed run must not stumble over that.
    found = checkpoint.load(path, {"seed": 1, "crop": (32, 64)})
    assert found.step == 7
    assert found.record == {"history": [], "sums": {"pha": 0.1}, "count": 1}
    assert torch.equal(found.tensors["network.weight"], torch.full((2, 3), 7.0))


def test_same_state_same_bytes(tmp_path):
    one, two = (checkpoint.save(tmp_path / name, make()) for name in "ab")
    assert one.read_bytes() == two.read_bytes()


def test_the_last_three_stay(tmp_path):
    assert checkpoint.newest(tmp_path) is None
    assert checkpoint.newest_step(tmp_path) == 0
    for step in (5, 10, 100, 20):
        checkpoint.save(tmp_path, make(step))
    assert [p.name for p in sorted(tmp_path.iterdir())] == [f"step-{n:08d}.safetensors" for n in (10, 20, 100)]
    assert checkpoint.newest_step(tmp_path) == 100


def test_half_a_file_is_never_seen(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, make(1))

    def fail(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(checkpoint, "save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(tmp_path, make(2))
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000001.safetensors"]


def test_other_settings_are_named(tmp_path):
    path = checkpoint.save(tmp_path, make(1, data="aa", old=1))
    assert checkpoint.differences({"a": {"b": 1, "c": (1, 2)}}, {"a": {"b": 2, "c": [1, 2]}}) == ["a.b: 1 -> 2"]
    with pytest.raises(checkpoint.ChangedError, match=r'data: "aa" -> "bb"; new: \(none\) -> 2; old: 1 -> \(none\)'):
        checkpoint.load(path, {"seed": 1, "data": "bb", "new": 2})


def test_a_damaged_checkpoint_leaves_the_one_before(tmp_path, caplog):
    checkpoint.save(tmp_path, make(1))
    path = checkpoint.save(tmp_path, make(2))
    path.write_bytes(path.read_bytes()[:-4])
    found = checkpoint.load_newest(tmp_path, {"seed": 1})
    assert found is not None
    assert found.step == 1
    assert f"{path} is damaged" in caplog.text
    assert checkpoint.load_newest(tmp_path / "none", {"seed": 1}) is None


def flip(path, place):
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_one_bit_among_the_weights_leaves_the_checkpoint_before(tmp_path, caplog):
    checkpoint.save(tmp_path, make(1))
    path = checkpoint.save(tmp_path, make(2))
    flip(path, -3)
    assert checkpoint.read(path, tensors=False).step == 2
    with pytest.raises(checkpoint.DamagedError, match=r"step-00000002.*bits changed; remove it"):
        checkpoint.read(path)
    found = checkpoint.load_newest(tmp_path, {"seed": 1})
    assert found is not None
    assert found.step == 1
    assert f"{path} is damaged" in caplog.text


def test_one_bit_in_the_record_is_seen(tmp_path):
    path = checkpoint.save(tmp_path, make(2))
    flip(path, path.read_bytes().index(b"0.1") + 2)  # it reads 0.0 now
    with pytest.raises(checkpoint.DamagedError):
        checkpoint.read(path)


def test_a_checkpoint_of_an_earlier_release_has_no_digest_and_is_read(tmp_path):
    header = {"version": 1, "step": 4, "record": {}, "scaler": {}, "made_with": {"seed": 1}}
    path = tmp_path / "step-00000004.safetensors"
    save_file({"network.weight": torch.zeros(2)}, path, metadata={"checkpoint": json.dumps(header)})
    found = checkpoint.load_newest(tmp_path, {"seed": 1})
    assert found is not None
    assert (found.step, found.changes) == (4, ())


def test_every_kind_of_tensor_has_a_digest(tmp_path):
    tensors = {"a": torch.ones(2, 3).T, "b": torch.tensor(3), "c": torch.ones(2, dtype=torch.bfloat16)}
    tensors |= {"d": torch.tensor([True]), "e": torch.zeros(0)}
    path = checkpoint.save(tmp_path, make()._replace(tensors={k: v.contiguous() for k, v in tensors.items()}))
    assert checkpoint.read(path).tensors.keys() == tensors.keys()
    swapped = {**tensors, "a": torch.ones(3, 2), "b": torch.tensor(3.0)}
    assert checkpoint._digest(tensors, {}) != checkpoint._digest(swapped, {})


def test_adopted_by_a_run_with_other_settings(tmp_path):
    path = checkpoint.save(tmp_path / "old", make(3))
    new = {"seed": 2}
    for changed in ["seed: 1 -> 2"], ["code: training/losses.py"]:
        path = checkpoint.adopt(path, tmp_path / "new", new, changed, partial=True)
    found = checkpoint.load(path, new)
    assert (found.step, found.partial) == (3, True)
    assert found.record["sums"] == {"pha": 0.1}
    assert [c["changed"] for c in found.changes] == [["seed: 1 -> 2"], ["code: training/losses.py"]]
    assert {c["step"] for c in found.changes} == {3}


def test_what_fits_is_taken_where_that_was_asked_for(caplog):
    network, optimizer = build(1)
    step(network, optimizer, 0)
    tensors = checkpoint.gather(network, optimizer, None)
    other = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 3))
    before = other[2].weight.clone()
    other_optimizer = torch.optim.AdamW(other.parameters())
    with pytest.raises(ValueError, match=r"7 of 9 weights of the checkpoint fit, not 2\.bias, 2\.weight; set"):
        checkpoint.restore(tensors, other, other_optimizer, None)
    checkpoint.restore(tensors, other, other_optimizer, None, partial=True)
    assert "7 of 9 weights" in caplog.text
    assert torch.equal(other[0].weight, network[0].weight)
    assert torch.equal(other[2].weight, before)
    assert other[0].weight in other_optimizer.state
    assert other[2].weight not in other_optimizer.state
    with pytest.raises(ValueError, match="0 of 2 weights"):
        checkpoint.restore(tensors, nn.Linear(2, 2), other_optimizer, None, partial=True)


def test_an_average_switched_on_in_mid_run_starts_from_the_weights():
    network, optimizer = build(1)
    average, _ = build(2)
    checkpoint.restore(checkpoint.gather(network, optimizer, None), network, optimizer, average, partial=True)
    assert torch.equal(average[0].weight, network[0].weight)


def test_data_and_first_weights_count_by_their_content(tmp_path, make_params):
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("1")
    two.write_text("2")
    params = make_params()
    assert not set(params.model_dump()) & {"kind", "data_id", "space", "init_id"}

    def change(*given):
        before = checkpoint.settings("base", params, "aa", "linear", one)
        return [line.split(":")[0] for line in checkpoint.differences(before, checkpoint.settings(*given))]

    assert change("base", params, "aa", "linear", one) == []
    assert change("base", params, "bb", "linear", one) == ["data_id"]
    assert change("base", params, "aa", "linear", two) == ["init_id"]
    assert change("base", params, "aa", "display", None) == ["init_id", "space"]
    assert change("refine", params.model_copy(update={"data": "plan"}), "aa", "linear", one) == ["data", "kind"]


def test_other_files_are_refused(tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "weights.safetensors")
    with pytest.raises(ValueError, match="is no training checkpoint"):
        checkpoint.load(tmp_path / "weights.safetensors", {})


def build(seed):
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 3))
    network = network.to(memory_format=torch.channels_last)
    return network, torch.optim.AdamW(network.parameters(), lr=0.1, fused=True)


def step(network, optimizer, number):
    images = torch.rand((2, 3, 8, 8), generator=torch.Generator().manual_seed(number))
    network(images).square().mean().backward()
    optimizer.step()
    optimizer.zero_grad()


def test_restored_run_takes_the_same_step(tmp_path):
    network, optimizer = build(1)
    for number in range(3):
        step(network, optimizer, number)
    path = checkpoint.save(tmp_path, make(3)._replace(tensors=checkpoint.gather(network, optimizer, None)))
    other, other_optimizer = build(2)
    checkpoint.restore(checkpoint.load(path, {"seed": 1}).tensors, other, other_optimizer, None)
    step(network, optimizer, 3)
    step(other, other_optimizer, 3)
    for one, two in zip(network.state_dict().values(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two)
    # The fused update ignores strides, so moments must lie in memory as the weights do.
    weight = other[0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert other_optimizer.state[weight]["exp_avg"].stride() == weight.stride()


def test_a_parameter_without_gradient_has_no_state():
    network, optimizer = build(1)
    network[2].requires_grad_(False)
    step(network, optimizer, 0)
    tensors = checkpoint.gather(network, optimizer, None)
    assert "optimizer.0.weight.exp_avg" in tensors
    assert not any(name.startswith("optimizer.2.") for name in tensors)
    checkpoint.restore(tensors, network, optimizer, None)


def test_sigkill_and_resume_give_the_same_bytes(disc_shards, disc_reader, make_params, tmp_path, root, monkeypatch):
    params = make_params(steps=6, checkpoint_every=2, crop=[32, 32], validate_every=6)
    script = root / "tests/training/train_discs.py"
    command = [sys.executable, script, disc_shards, tmp_path / "killed", params.model_dump_json()]
    environment = {**os.environ, "CLEANPLATE_LOADERS": "1", "PYTHONPATH": str(root)}
    killed = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert killed.stdout is not None
    for line in killed.stdout:
        if line.strip() == "3":
            os.kill(killed.pid, signal.SIGKILL)
            break
    assert killed.wait() == -signal.SIGKILL
    assert 2 <= checkpoint.newest_step(tmp_path / "killed" / "checkpoints") < 6

    monkeypatch.setenv("CLEANPLATE_LOADERS", "0")
    readers = Readers(disc_reader("base"), disc_reader("valid"))

    def finish(name):
        steps = []
        folder = tmp_path / name
        path = train("base", params, readers, folder, folder / "curves", "discs", progress=lambda s, _: steps.append(s))
        return steps, path.read_bytes()

    resumed, one = finish("killed")
    whole, two = finish("whole")
    assert whole == [1, 2, 3, 4, 5, 6]
    assert resumed in ([3, 4, 5, 6], [5, 6])
    assert one == two
