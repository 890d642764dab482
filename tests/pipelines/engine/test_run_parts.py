import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.engine import PartError, asked_engine, run_parts, worker_count
from tests.pipelines.engine import stand_ins


@pytest.mark.parametrize("workers", [1, 2])
def test_makes_each_part_once_in_order(tmp_path, workers):
    tasks = {f"p{n}": n for n in range(5)}
    folders = run_parts(tasks, stand_ins.write_square, tmp_path, "squares", workers)
    assert stand_ins.values(folders) == [0, 1, 4, 9, 16]
    made = [(f / "made").read_text() for f in folders]
    again = run_parts(tasks, stand_ins.write_square, tmp_path, "squares", workers)
    assert [(f / "made").read_text() for f in again] == made


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_part_is_named_and_the_others_stay(tmp_path, workers):
    with pytest.raises(PartError, match=r"part 'p3' failed: ValueError: three is odd") as caught:
        run_parts({f"p{n}": n for n in range(4)}, stand_ins.fail_on_three, tmp_path, "squares", workers)
    assert caught.value.__cause__ is not None
    assert workers == 1 or "in fail_on_three" in str(caught.value.__cause__)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p0", "p1", "p2"]


def test_an_error_that_no_other_process_could_read_is_told(tmp_path):
    with pytest.raises(PartError, match=r"failed: OddError: one and two"):
        run_parts({"p0": 0, "p1": 1}, stand_ins.fail_oddly, tmp_path, "squares", 2)


def test_killed_in_a_part_leaves_nothing_half_made(tmp_path):
    script = tmp_path / "slow.py"
    script.write_text(
        "import os, sys, time\nfrom pathlib import Path\n"
        "def slow(n, folder):\n"
        "    (folder / 'a').write_text('half')\n"
        "    if n == 1 and len(sys.argv) == 2: time.sleep(60)\n"
        "    (folder / 'b').write_text('whole')\n"
        "if __name__ == '__main__':\n"
        "    from pipelines.engine import run_parts\n"
        "    run_parts({'p0': 0, 'p1': 1}, slow, Path(sys.argv[1]), 'slow', 1)\n"
    )
    root = Path(__file__).resolve().parents[3]
    parts = tmp_path / "parts"
    environment = {**os.environ, "PYTHONPATH": str(root)}
    process = subprocess.Popen([sys.executable, script, parts], env=environment, cwd=tmp_path)
    deadline = time.monotonic() + 30
    while not list(parts.glob(".p1.*.tmp/a")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (parts / "p0" / "b").read_text() == "whole"
    assert not (parts / "p1").exists()
    someone_elses = parts / ".p7.0123abcd.tmp"
    someone_elses.mkdir()
    subprocess.run([sys.executable, script, parts, "on"], env=environment, cwd=tmp_path, check=True)
    assert {path.name for path in parts.iterdir()} == {"p0", "p1", someone_elses.name}


def test_worker_count_names_a_bad_value(monkeypatch):
    monkeypatch.setenv("CLEANPLATE_WORKERS", "many")
    with pytest.raises(ValueError, match="CLEANPLATE_WORKERS is 'many'"):
        worker_count()
    monkeypatch.setenv("CLEANPLATE_WORKERS", "3")
    assert worker_count() == 3


def test_the_engine_is_local_or_named_wrongly(monkeypatch):
    monkeypatch.delenv("CLEANPLATE_ENGINE", raising=False)
    assert asked_engine() == "local"
    monkeypatch.setenv("CLEANPLATE_ENGINE", "ray")
    assert asked_engine() == "ray"
    monkeypatch.setenv("CLEANPLATE_ENGINE", "spark")
    with pytest.raises(ValueError, match="CLEANPLATE_ENGINE is 'spark'; expected 'local'"):
        asked_engine()
