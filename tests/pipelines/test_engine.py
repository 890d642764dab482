import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.engine import PartError, run_parts, worker_count


def write_square(number: int, folder: Path) -> None:
    (folder / "value").write_text(str(number * number))
    (folder / "made").write_text(str(time.monotonic_ns()))


def fail_on_three(number: int, folder: Path) -> None:
    if number == 3:
        raise ValueError("three is odd")
    write_square(number, folder)


@pytest.fixture
def importable(monkeypatch):
    # Spawned workers import the function by its module's name.
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    import test_engine as module

    return module


@pytest.mark.parametrize("workers", [1, 2])
def test_makes_each_part_once_in_order(tmp_path, importable, workers):
    tasks = {f"p{n}": n for n in range(5)}
    folders = run_parts(tasks, importable.write_square, tmp_path, "squares", workers)
    assert [int((f / "value").read_text()) for f in folders] == [0, 1, 4, 9, 16]
    made = [(f / "made").read_text() for f in folders]
    again = run_parts(tasks, importable.write_square, tmp_path, "squares", workers)
    assert [(f / "made").read_text() for f in again] == made


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failing_part_is_named_and_the_others_stay(tmp_path, importable, workers):
    with pytest.raises(PartError, match=r"part 'p3' failed: ValueError: three is odd"):
        run_parts({f"p{n}": n for n in range(4)}, importable.fail_on_three, tmp_path, "squares", workers)
    assert (tmp_path / "p0" / "value").read_text() == "0"
    assert not (tmp_path / "p3").exists()


def test_killed_in_a_part_leaves_nothing_half_made(tmp_path):
    script = tmp_path / "slow.py"
    script.write_text(
        "import os, sys, time\nfrom pathlib import Path\n"
        "def slow(n, folder):\n"
        "    (folder / 'a').write_text('half')\n"
        "    if n == 1: time.sleep(60)\n"
        "    (folder / 'b').write_text('whole')\n"
        "if __name__ == '__main__':\n"
        "    from pipelines.engine import run_parts\n"
        "    run_parts({'p0': 0, 'p1': 1}, slow, Path(sys.argv[1]), 'slow', 1)\n"
    )
    root = Path(__file__).resolve().parents[2]
    parts = tmp_path / "parts"
    process = subprocess.Popen(
        [sys.executable, script, parts], env={**os.environ, "PYTHONPATH": str(root)}, cwd=tmp_path
    )
    deadline = time.monotonic() + 30
    while not (parts / ".p1.tmp" / "a").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (parts / "p0" / "b").read_text() == "whole"
    assert not (parts / "p1").exists()


def test_worker_count_names_a_bad_value(monkeypatch):
    monkeypatch.setenv("CLEANPLATE_WORKERS", "many")
    with pytest.raises(ValueError, match="CLEANPLATE_WORKERS is 'many'"):
        worker_count()
    monkeypatch.setenv("CLEANPLATE_WORKERS", "3")
    assert worker_count() == 3
