"""Training on several devices: two CPU ranks over gloo give what one process gives."""

import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file

from training import checkpoint
from training.devices.launch import RankError
from training.loop import CHECKPOINTS, Readers, train
from training.samples.data import Order, Steps

CLOSE = 1e-5
# Adam divides each gradient by its own size. Where a gradient is 0 but for rounding, the direction of its step is
# rounding too, on two ranks as on two threads: at larger rates weights of either drift apart by that.
RATES = dict.fromkeys(("backbone", "aspp", "decoder", "refiner"), 1e-6)
RUN = {"steps": 4, "batch": 4, "crop": [48, 64], "ema": 0.5, "rates": RATES, "checkpoint_every": 2}


@pytest.fixture(scope="module")
def start(disc_reader, tmp_path_factory):
    """Trains in a named folder of the module's; gives the folder."""
    readers = Readers(disc_reader("base"), disc_reader("valid"))
    root = tmp_path_factory.mktemp("runs")

    def run(params, name, kind="base", **options):
        folder = root / name
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CLEANPLATE_LOADERS", "0")
            train(kind, params, readers, folder, folder / "curves", "discs", **options)
        return folder

    return run


@pytest.fixture(scope="module")
def one(start, make_params):
    """What one process trains."""
    return start(make_params(**RUN), "one")


@pytest.fixture(scope="module")
def two(start, make_params):
    """What two ranks train."""
    return start(make_params(**RUN, devices=2), "two")


def weights(folder, kind="base"):
    return load_file(folder / f"{kind}.safetensors")


def curves(folder):
    """Every value of a run's curves by (name, step)."""
    return {
        (file.stem, file.parent.name, line.split("\t")[0]): float(line.split("\t")[1])
        for file in sorted((folder / "curves").rglob("*.tsv"))
        for line in file.read_text().splitlines()[1:]
    }


def assert_close(found, expected, kind="base"):
    """Losses and weights to 1e-5; what hangs on gradients alone to a few times what a second thread changes."""
    ours, theirs = curves(found), curves(expected)
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        # Validation is alpha's error x 1000.
        assert ours[key] == pytest.approx(value, abs=1000 * CLOSE if "valid" in key else CLOSE), key
    ours, theirs = weights(found, kind), weights(expected, kind)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        if name.endswith("running_mean"):
            deviation = theirs[name.replace("mean", "var")].sqrt()
            assert ((ours[name] - value).abs() <= 0.02 * deviation + CLOSE).all(), name
        else:
            rtol = 0.02 if name.endswith("running_var") else 0
            torch.testing.assert_close(ours[name], value, rtol=rtol, atol=CLOSE, msg=f"{name}: {{}}".format)
    ours, theirs = (load_file(checkpoint.newest(folder / CHECKPOINTS)) for folder in (found, expected))
    assert ours.keys() == theirs.keys()
    moments = {name: value for name, value in theirs.items() if name.endswith("exp_avg") and value.norm() > 1e-6}
    assert len(moments) > 100
    for name, value in moments.items():
        assert (ours[name] - value).norm() < 0.1 * value.norm(), name


def test_two_ranks_train_what_one_process_trains(one, two):
    assert {name for name, room, _ in curves(one) if room == "train"} == {"pha", "grad", "fgr", "err", "total"}
    assert_close(two, one)


def test_a_killed_rank_is_named_and_the_run_goes_on(start, make_params, one, two):
    def kill(step, note):
        if step == 3:
            (rank,) = (child for child in multiprocessing.active_children() if child.name == "rank-1")
            rank.kill()

    params = make_params(**RUN, devices=2)
    with pytest.raises(RankError, match=r"rank 1 \(process \d+\) was ended by SIGKILL"):
        start(params, "killed", progress=kill)
    assert not multiprocessing.active_children()
    killed = two.parent / "killed"
    shutil.copytree(killed, killed.with_name("fewer"))
    steps = []
    # On as many ranks the result is the same, to the bit.
    start(params, "killed", progress=lambda step, note: steps.append(step))
    assert steps == [3, 4]
    assert (killed / "base.safetensors").read_bytes() == (two / "base.safetensors").read_bytes()
    assert curves(killed) == curves(two)
    # Alone it is the same but for rounding.
    fewer = start(make_params(**RUN), "fewer", progress=lambda step, note: steps.append(step))
    assert steps == [3, 4, 3, 4]
    assert_close(fewer, one)


@pytest.mark.parametrize("mode", ["sampling", "thresholding"])
def test_ranks_that_refine_unequal_numbers_of_patches(start, make_params, mode):
    # An untrained error map is near 0.1 everywhere: about half of the patches are above.
    changes = {"steps": 3, "crop": [64, 64], "validate_every": 3, "rates": RATES, "refine_mode": mode}
    folders = [start(make_params(**changes, devices=n), f"{mode}-{n}", "refine") for n in (1, 2)]
    assert_close(folders[1], folders[0], "refine")


def test_every_sample_once_an_epoch_over_all_ranks():
    for world in (1, 2, 3):
        seen = [
            draw
            for rank in range(world)
            for step in Steps(Order(1, 12), 6, (32, 64), 0, 4, rank, world)
            for draw in step
        ]
        for epoch in range(2):
            positions = [d.position for d in seen if d.step // 2 == epoch]
            assert sorted(positions) == list(range(12))


def begin(root, shards, folder, params, **environment):
    script = root / "tests/training/train_discs.py"
    return subprocess.Popen(
        [sys.executable, script, shards, folder, params.model_dump_json()],
        env={**os.environ, "CLEANPLATE_LOADERS": "0", "PYTHONPATH": str(root), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for(child, line):
    for found in child.stdout:
        if found.strip() == line:
            return
    raise AssertionError(child.stderr.read())


def test_sigterm_to_the_group_saves_once_and_one_process_goes_on(start, make_params, disc_shards, one, tmp_path, root):
    # Checkpoints of its own accord come too late to explain the one that is there.
    late = RUN | {"checkpoint_every": 4}
    child = begin(root, disc_shards, tmp_path, make_params(**late, devices=2), CLEANPLATE_LOADERS="1")
    wait_for(child, "1")
    os.killpg(child.pid, signal.SIGTERM)
    _, errors = child.communicate(timeout=120)
    assert child.returncode == 143, errors
    assert errors.count("stopped on request after step") == 1
    (saved,) = (tmp_path / CHECKPOINTS).iterdir()
    assert checkpoint.newest_step(tmp_path / CHECKPOINTS) in (2, 3)
    assert saved.stat().st_size > 1e6
    assert_close(start(make_params(**late), tmp_path), one)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_two_machines_give_each_the_same_bytes(make_params, disc_shards, two, tmp_path, root):
    where = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    folders = [tmp_path / str(number) for number in range(2)]
    machines = [
        begin(root, disc_shards, folder, make_params(**RUN), **where, RANK=str(number))
        for number, folder in enumerate(folders)
    ]
    said = [machine.communicate(timeout=300) for machine in machines]
    assert [machine.returncode for machine in machines] == [0, 0], said
    for folder in folders:
        assert curves(folder) == curves(two)
        ours, theirs = weights(folder), weights(two)
        assert all(torch.equal(ours[name], value) for name, value in theirs.items())
    # Checkpoints are the first machine's.
    assert (folders[0] / CHECKPOINTS).is_dir()
    assert not (folders[1] / CHECKPOINTS).exists()
