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


def test_the_last_two_stay(tmp_path):
    assert checkpoint.newest(tmp_path) is None
    assert checkpoint.newest_step(tmp_path) == 0
    for step in (5, 10, 100, 20):
        checkpoint.save(tmp_path, make(step))
    assert [p.name for p in sorted(tmp_path.iterdir())] == ["step-00000020.safetensors", "step-00000100.safetensors"]
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
    with pytest.raises(ValueError, match="data was 'aa', now 'bb'; new was None, now 2; old was 1, now None"):
        checkpoint.load(path, {"seed": 1, "data": "bb", "new": 2})


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
