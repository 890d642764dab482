"""When which part is tried, with a pool and a clock that do as they are told."""

from pathlib import Path

import pytest

from pipelines.engine import PartError, loop
from pipelines.engine.loop import Ended, Tries, Try
from pipelines.progress import Progress


class Pool:
    """Each part takes its task's seconds, the first try of a part in ``slow`` so many more; two run at a time."""

    def __init__(self, root: Path, slow: dict[str, float], size: int = 2) -> None:
        self.root, self.slow, self.size = root, slow, size
        self.now = 0.0
        self.ends: dict[Try, float] = {}
        self.begun: list[tuple[str, float]] = []
        self.stopped: list[str] = []
        self.most = 0

    def free(self) -> int:
        return self.size - len(self.ends)

    def start(self, tried: Try, task: float) -> None:
        tried.temporary.mkdir()
        first = tried.key not in [key for key, _ in self.begun]
        self.ends[tried] = self.now + task + self.slow.get(tried.key, 0) * first
        self.begun.append((tried.key, self.now))
        self.most = max(self.most, len(self.ends))

    def wait(self, seconds: float) -> list[Ended]:
        self.now += seconds
        done = [tried for tried, end in self.ends.items() if end <= self.now]
        for tried in done:
            del self.ends[tried]
            tried.temporary.rename(tried.target)
        return [Ended(tried, 10.0) for tried in done]

    def stop(self, tried: Try) -> None:
        del self.ends[tried]
        self.stopped.append(tried.key)


@pytest.fixture
def run(tmp_path, monkeypatch):
    def run_all(tasks: dict[str, float], pool: Pool) -> None:
        monkeypatch.setattr(loop.time, "monotonic", lambda: pool.now)
        targets = {key: tmp_path / key for key in tasks}
        with Progress("parts", len(tasks)) as progress:
            Tries(pool, tasks, targets, list(tasks), "parts", progress).run()
        assert progress.done == len(tasks)
        assert {path.name for path in tmp_path.iterdir()} == set(tasks)

    return run_all


def test_the_queue_is_never_longer_than_the_pool_is_free(tmp_path, run):
    pool = Pool(tmp_path, {})
    run({f"p{n}": 10.0 for n in range(9)}, pool)
    assert pool.most == 2 and [key for key, _ in pool.begun] == [f"p{n}" for n in range(9)]


def test_a_second_try_waits_for_the_queue_and_a_minute(tmp_path, run):
    pool = Pool(tmp_path, {"p0": 1000.0})
    run({f"p{n}": 10.0 for n in range(4)}, pool)
    (second,) = [at for key, at in pool.begun[1:] if key == "p0"]
    assert 60 <= second <= 63  # no sooner, though four medians were over and a process idle
    assert pool.stopped == ["p0"]


def test_a_second_try_waits_for_four_medians(tmp_path, run, monkeypatch):
    monkeypatch.setattr(loop, "LATE_SECONDS", 1.0)
    pool = Pool(tmp_path, {"p3": 29.0, "p2": 1000.0})
    run({f"p{n}": 10.0 for n in range(4)}, pool)
    seconds = dict(pool.begun[4:])
    assert seconds.keys() == {"p2"}  # p3 took less than four times as long as the others
    assert 50 <= seconds["p2"] <= 53


def test_a_slow_part_is_left_alone_while_others_wait(tmp_path, run):
    pool = Pool(tmp_path, {"p0": 200.0})
    run({f"p{n}": 10.0 for n in range(30)}, pool)
    assert len(pool.begun) == 30 and pool.stopped == []


def test_where_all_that_runs_is_late_each_is_tried_again(tmp_path, run):
    pool = Pool(tmp_path, {"p4": 1000.0, "p5": 1000.0})
    run({f"p{n}": 10.0 for n in range(6)}, pool)
    assert [key for key, _ in pool.begun[6:]] == ["p4", "p5"] and pool.now < 110


def test_a_few_parts_say_nothing_about_what_is_usual(tmp_path, run):
    pool = Pool(tmp_path, {"p0": 1000.0})
    run({f"p{n}": 10.0 for n in range(3)}, pool)
    assert [key for key, _ in pool.begun] == ["p0", "p1", "p2"] and pool.now > 1000


def test_the_second_try_may_be_the_slower_one(tmp_path, run):
    pool = Pool(tmp_path, {"p0": 55.0})
    run({f"p{n}": 10.0 for n in range(4)}, pool)
    assert [key for key, _ in pool.begun].count("p0") == 2 and pool.now < 70


def test_what_left_no_part_is_an_error(tmp_path, run):
    pool = Pool(tmp_path, {})
    pool.wait = lambda seconds: [Ended(tried, 1.0) for tried in list(pool.ends) if pool.ends.pop(tried)]
    with pytest.raises(PartError, match="part 'p0' failed: it left no part behind"):
        run({"p0": 1.0}, pool)
