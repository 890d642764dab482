"""SIGTERM and Ctrl-C as they come: to the whole process group, loaders included."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from training import checkpoint
from training.devices.interrupt import Interrupt, Preempted
from training.loop import Readers, train


@pytest.fixture
def finish(disc_reader, tmp_path, monkeypatch):
    """Trains in a named folder without loaders; gives the steps taken, the weights' bytes and the curves'."""
    monkeypatch.setenv("CLEANPLATE_LOADERS", "0")
    readers = Readers(disc_reader("base"), disc_reader("valid"))

    def run(params, name, at=None):
        steps = []

        def progress(step, note):
            steps.append(step)
            if step == at:
                os.kill(os.getpid(), signal.SIGTERM)

        folder = tmp_path / name
        path = train("base", params, readers, folder, folder / "curves", "discs", progress=progress)
        curves = {file.name: file.read_bytes() for file in (folder / "curves").rglob("*.*")}
        return steps, path.read_bytes(), curves

    return run


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_group_saves_and_a_run_with_other_loaders_goes_on(
    finish, disc_shards, make_params, tmp_path, root, sent
):
    # Checkpoints of its own accord come too late to explain the one that is there.
    params = make_params(steps=6, checkpoint_every=6, crop=[32, 32], validate_every=6)
    script = root / "tests/training/train_discs.py"
    child = subprocess.Popen(
        [sys.executable, script, disc_shards, tmp_path / "stopped", params.model_dump_json()],
        env={**os.environ, "CLEANPLATE_LOADERS": "2", "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert child.stdout is not None
    for line in child.stdout:
        if line.strip() == "2":
            os.killpg(child.pid, sent)
            break
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 143, errors
    assert "stopped on request after step" in errors
    saved = checkpoint.newest_step(tmp_path / "stopped" / "checkpoints")
    assert 3 <= saved < 6
    assert not (tmp_path / "stopped" / "base.safetensors").exists()
    resumed, weights, curves = finish(params, "stopped")
    whole = finish(params, "whole")
    assert resumed == list(range(saved + 1, 7))
    assert (weights, curves) == whole[1:]


@pytest.mark.parametrize("at", [1, 3])  # the stop after it falls on a validation, and on the last
def test_a_validation_that_a_stop_put_off_is_made_up_for(finish, make_params, at):
    params = make_params(steps=4, validate_every=2, checkpoint_every=4, ema=0.9)
    with pytest.raises(Preempted) as stopped:
        finish(params, "stopped", at=at)
    assert stopped.value.code == 143
    resumed, *made = finish(params, "stopped")
    assert resumed == list(range(at + 2, 5))
    assert made == list(finish(params, "whole")[1:])


def test_the_handler_goes_back_and_a_second_sigterm_reaches_it():
    came = []
    before = signal.signal(signal.SIGTERM, lambda signum, frame: came.append(signum))
    try:
        with Interrupt() as interrupt:
            os.kill(os.getpid(), signal.SIGTERM)
            assert (interrupt.asked, came) == (True, [])
            os.kill(os.getpid(), signal.SIGTERM)
            assert came == [signal.SIGTERM]
        with Interrupt() as interrupt:
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        assert (interrupt.asked, len(came)) == (False, 2)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_other_threads_train_without_a_handler():
    asked = []

    def enter():
        with Interrupt() as interrupt:
            asked.append(interrupt.asked)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert asked == [False]
