"""Starting ranks and looking after them, and the layers that reach over all of them."""

import importlib
import logging
import multiprocessing
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from training.devices.launch import launch
from training.devices.ranks import Machines, Ranks, check_alike, check_shares, find_machines
from training.network.norm import BatchNorm


@pytest.fixture
def work(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[1]))
    return importlib.import_module("rank_work")


@pytest.fixture(autouse=True)
def nobody_is_left():
    yield
    assert not multiprocessing.active_children()


def test_ranks_agree_and_their_batch_norm_is_the_stock_one_over_all_samples(work, tmp_path, caplog):
    steps = []
    with caplog.at_level(logging.INFO, logger="cleanplate"):
        launch(work.agree, tmp_path, 2, Machines(), lambda step, note: steps.append((step, note)))
    assert steps == [(7, "seven")]
    assert [r.getMessage() for r in caplog.records] == ["hello of rank 0"]  # the other says the same
    for layout in work.LAYOUTS:
        norm = torch.nn.BatchNorm2d(7)
        x, grad = work.maps(layout)
        x.requires_grad_()
        out = norm(x)
        out.backward(grad)
        ranks = [torch.load(tmp_path / f"{layout}-{number}.pt", weights_only=True) for number in range(2)]
        near = {"rtol": 0.02, "atol": 0.05} if x.dtype == torch.bfloat16 else {"rtol": 1e-4, "atol": 1e-4}
        torch.testing.assert_close(torch.cat([r["out"] for r in ranks]), out.detach(), **near)
        torch.testing.assert_close(torch.cat([r["x"] for r in ranks]), x.grad, **near)
        for name in ("weight", "bias"):
            torch.testing.assert_close(ranks[0][name] + ranks[1][name], getattr(norm, name).grad, **near)
        for name, value in norm.named_buffers():
            torch.testing.assert_close(ranks[0][name], value, **near)
            assert torch.equal(ranks[0][name], ranks[1][name])  # the same bits on both


def test_names_and_state_are_the_stock_layers():
    assert list(BatchNorm(3).state_dict()) == list(torch.nn.BatchNorm2d(3).state_dict())


@pytest.mark.parametrize(
    ("what", "kind", "words"),
    [
        ("diverge", "NoNumberError", "^the loss is nan at step 3\nin rank 1:"),
        ("run_out", "RankError", "rank 1 failed: CUDA out of memory"),
        (
            "die",
            "RankError",
            r"rank 1 \(process \d+\) was ended by SIGKILL .* after step 3, and the others were stopped",
        ),
    ],
)
def test_a_rank_that_fails_ends_the_others_with_its_message(work, tmp_path, what, kind, words):
    told = []
    with pytest.raises((ValueError, OSError), match=words) as raised:
        launch(getattr(work, what), tmp_path, 2, Machines(), lambda step, note: told.append(time.monotonic()))
    assert type(raised.value).__name__ == kind
    if told:
        assert time.monotonic() - told[0] < 30  # where gloo's own patience is half an hour


def test_no_rank_outlives_the_process_that_started_it(work, tmp_path, root):
    child = subprocess.Popen(
        [sys.executable, work.__file__, tmp_path],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "1\n"
    ranks = [p for p in psutil.Process(child.pid).children() if "spawn_main" in " ".join(p.cmdline())]
    assert len(ranks) == 2
    child.kill()
    child.communicate()
    assert not psutil.wait_procs(ranks, timeout=30)[1]


class Told(Ranks):
    """Ranks of two machines, the second of which was given something else."""

    def gather(self, value):
        return [(0, {"seed": 1, "batch": 8}), value]


def test_machines_with_other_settings_are_refused():
    ranks = Told(1, 2, 0, 1, 2)
    check_alike(ranks, {"seed": 1, "batch": 8}, "train_base")
    with pytest.raises(ValueError, match="train_base: machine 1 differs from machine 0: seed 2, not 1;"):
        check_alike(ranks, {"seed": 2, "batch": 8}, "train_base")


SLURM = {
    "SLURM_STEP_NUM_NODES": "3",
    "SLURM_STEP_NUM_TASKS": "3",
    "SLURM_PROCID": "2",
    "SLURM_STEP_NODELIST": "gpu[07-08,11]",
    "SLURM_JOB_ID": "1234567",
}
BY_HAND = {"WORLD_SIZE": "2", "RANK": "1", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "2900"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Machines()),
        ({"WORLD_SIZE": "1", "RANK": "0"}, Machines()),
        (BY_HAND, Machines(2, 1, "10.0.0.1", 2900)),
        (BY_HAND | {"TORCHELASTIC_USE_AGENT_STORE": "True"}, Machines(2, 1, "10.0.0.1", 2900, hosted=True)),
        (SLURM, Machines(3, 2, "gpu07", 19_567)),
        (SLURM | {"MASTER_ADDR": "head", "MASTER_PORT": "77"}, Machines(3, 2, "head", 77)),
        ({"SLURM_STEP_NUM_NODES": "1", "SLURM_STEP_NUM_TASKS": "1"}, Machines()),
    ],
)
def test_machines_are_found_in_the_environment(environment, expected):
    assert find_machines(environment) == expected


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"LOCAL_WORLD_SIZE": "4", "WORLD_SIZE": "4"}, "nproc-per-node 1"),
        (SLURM | {"SLURM_STEP_NUM_TASKS": "6"}, "ntasks-per-node 1"),
        ({k: v for k, v in BY_HAND.items() if k != "MASTER_PORT"}, "MASTER_PORT is ''"),
        ({k: v for k, v in BY_HAND.items() if k != "MASTER_ADDR"}, "address of machine 0"),
        (BY_HAND | {"RANK": "2"}, "rank from 0 to 1"),
    ],
)
def test_what_is_missing_in_the_environment_is_named(environment, words):
    with pytest.raises(ValueError, match=words):
        find_machines(environment)


def test_a_batch_that_cannot_be_shared_is_refused(make_params):
    check_shares(make_params(batch=6, devices=3), Machines(2), "train_base")
    for changes, words in (
        ({"batch": 8, "devices": 3}, r"train_base\.batch is 8, which 6 ranks .* set it to 12"),
        ({"batch": 6, "devices": 3, "accumulate": 2}, "accumulate 2.* set it to 12"),
        ({"devices": 0}, "devices is 0"),
        ({"batch": 6, "devices": 3, "compile": True}, "compile is true with 6 ranks"),
    ):
        with pytest.raises(ValueError, match=words):
            check_shares(make_params(**changes), Machines(2), "train_base")
