"""The net itself: what it must catch, it catches."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from tests.hostile.contained import contained


def test_what_runs_and_what_is_written_outside_is_told(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()

    def both() -> str:
        (inside / "fine").write_text("x")
        (tmp_path / "outside").write_text("x")
        os.system("true")
        return "done"

    found = contained(both, folder=inside)
    assert found.value == "done" and not found.harmless
    assert [path.rpartition("/")[2] for path in found.wrote] == ["outside"] and found.ran[0].startswith("os.system")


def test_memory_and_time_end(tmp_path: Path) -> None:
    greedy = contained(lambda: np.ones(10**9).sum(), folder=tmp_path, megabytes=200)
    assert "MemoryError" in greedy.bases and not greedy.refused()
    with pytest.raises(AssertionError, match="still runs"):
        contained(time.sleep, 60, folder=tmp_path, seconds=0.3)
    with pytest.raises(AssertionError, match="exit code 7"):
        contained(os._exit, 7, folder=tmp_path)


def test_an_error_that_no_command_would_print_is_no_refusal(tmp_path: Path) -> None:
    assert not contained(lambda: {}["a"], folder=tmp_path).refused()
    assert contained(int, "x", folder=tmp_path).refused("invalid literal")
