import threading
import time

import pytest

from pipelines.matting.overlap import AHEAD, Ahead, Behind


def alive(name):
    return [thread for thread in threading.enumerate() if thread.name == name]


def test_items_come_in_order_before_they_are_asked_for():
    made, enough = [], threading.Event()

    def items():
        for number in range(3 * AHEAD):
            made.append(number)
            if len(made) > AHEAD:
                enough.set()
            yield number

    with Ahead(items()) as ahead:
        assert enough.wait(10)
        time.sleep(0.02)
        assert len(made) == AHEAD + 1  # bounded: they are whole frames
        assert list(ahead) == list(range(3 * AHEAD))
        assert list(ahead) == []
    assert not alive("read ahead")


def test_what_is_raised_comes_after_the_items_before_it():
    def items():
        yield from range(3)
        raise ValueError("broken")

    found = []
    with pytest.raises(ValueError, match="broken"), Ahead(items()) as ahead:
        for item in ahead:
            found.append(item)
    assert found == [0, 1, 2]
    assert not alive("read ahead")


def test_leaving_early_ends_the_thread():
    made = []

    def endless():
        while True:
            made.append(len(made))
            yield made[-1]

    with pytest.raises(KeyError), Ahead(endless()) as ahead:
        assert next(iter(ahead)) == 0
        raise KeyError("something else")
    assert not alive("read ahead")
    assert len(made) <= 2 * AHEAD + 3


def test_steps_are_done_in_order_by_another_thread():
    done, who = [], set()

    def step(number):
        time.sleep(0.001)
        done.append(number)
        who.add(threading.current_thread().name)

    with Behind() as behind:
        for number in range(5 * AHEAD):
            behind.do(lambda number=number: step(number))
            assert number - len(done) <= AHEAD + 1
    assert done == list(range(5 * AHEAD))
    assert who == {"write behind"}


def test_a_failed_step_is_raised_and_nobody_waits_for_ever():
    done = []

    def fail():
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"), Behind() as behind:
        behind.do(lambda: done.append(1))
        behind.do(fail)
        for number in range(100 * AHEAD):
            behind.do(lambda number=number: done.append(number))
    assert len(done) <= 2
    assert not alive("write behind")
    with pytest.raises(OSError, match="disk full"), Behind() as behind:
        behind.do(fail)  # the last step: raised on leaving
    with pytest.raises(KeyError), Behind() as behind:
        behind.do(lambda: done.append("kept"))
        raise KeyError("something else")
    assert done[-1] == "kept"
