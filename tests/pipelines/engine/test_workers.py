import sys
import types

import psutil
import pytest

from pipelines.engine import PartError, loop, run_parts
from tests.pipelines.engine.stand_ins import die, die_after, hang, murder, take_a_while, tasks, tries, values


def spawned() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


def test_a_killed_worker_takes_nothing_with_it_but_one_try(tmp_path):
    asked = tasks(tmp_path / "notes", 6, p2=1, p3=1)
    folders = run_parts(asked, die, tmp_path / "parts", "squares", 2)
    assert values(folders) == [0, 1, 4, 9, 16, 25]
    assert tries(tmp_path / "notes") == {"p0": 1, "p1": 1, "p2": 2, "p3": 2, "p4": 1, "p5": 1}
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == sorted(asked)


def test_a_part_that_was_finished_before_the_kill_is_not_made_again(tmp_path):
    asked = tasks(tmp_path / "notes", 3, p1=1)
    assert values(run_parts(asked, die_after, tmp_path / "parts", "squares", 2)) == [0, 1, 4]
    assert set(tries(tmp_path / "notes").values()) == {1}


def test_a_part_that_kills_its_workers_is_named_once_all_others_are_made(tmp_path):
    asked = tasks(tmp_path / "notes", 6, p1=100)
    with pytest.raises(PartError, match=r"part 'p1' took its process with it 3 times.*SIGKILL: out of memory\?"):
        run_parts(asked, die, tmp_path / "parts", "squares", 2)
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == ["p0", "p2", "p3", "p4", "p5"]
    assert tries(tmp_path / "notes")["p1"] == 3
    last = (tmp_path / "notes" / "1.2").stat().st_mtime_ns
    assert all(part.stat().st_mtime_ns <= last for part in (tmp_path / "parts").glob("*/made"))
    assert spawned() == []


def test_workers_killed_at_random_lose_and_double_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "TRIES", 100)
    asked = tasks(tmp_path / "notes", 40)
    with murder(tmp_path / "notes", 5):
        folders = run_parts(asked, take_a_while, tmp_path / "parts", "squares", 2)
    assert values(folders) == [n * n for n in range(40)]
    assert {file.name for folder in folders for file in folder.iterdir()} == {"value", "made"}
    assert len(list((tmp_path / "parts").iterdir())) == 40


def test_a_part_that_hangs_is_tried_elsewhere(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(loop, "LATE_SECONDS", 0.5)
    monkeypatch.setattr(loop, "POLL_SECONDS", 0.1)
    asked = tasks(tmp_path / "notes", 5, p1=1, p4=1)  # as many as there are workers: none is idle in the end
    assert values(run_parts(asked, hang, tmp_path / "parts", "squares", 2)) == [0, 1, 4, 9, 16]
    assert tries(tmp_path / "notes") == {"p0": 1, "p1": 2, "p2": 1, "p3": 1, "p4": 2}
    assert "part 'p4' has run for" in caplog.text and "a second try begins" in caplog.text
    assert len(list((tmp_path / "parts").iterdir())) == 5
    hung = [int((tmp_path / "notes" / f"{n}.0").read_text()) for n in (1, 4)]
    assert not any(psutil.pid_exists(pid) for pid in hung)


def test_workers_that_cannot_start_are_an_error_and_no_endless_loop(tmp_path, monkeypatch, capfd):
    nowhere = types.ModuleType("a_module_of_this_process")
    exec("def make(number, folder): pass", nowhere.__dict__)
    monkeypatch.setitem(sys.modules, nowhere.__name__, nowhere)
    with pytest.raises(PartError, match=r"die as they start \(exit code 1\).*CLEANPLATE_WORKERS=1"):
        run_parts({"p0": 0, "p1": 1}, nowhere.make, tmp_path, "squares", 2)
    assert "a_module_of_this_process" in capfd.readouterr().err


def test_an_interrupt_ends_the_workers_at_once(tmp_path, monkeypatch):
    asked = tasks(tmp_path / "notes", 2, p0=1, p1=1)
    looked = []

    def interrupted(self, now):
        looked.append(now)
        if len(list((tmp_path / "notes").iterdir())) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop.Tries, "_look_at_running", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_parts(asked, hang, tmp_path / "parts", "squares", 2)
    assert spawned() == [] and list((tmp_path / "parts").iterdir()) == []
