import pytest
import torch

from training.watch import clock as clocks
from training.watch.clock import Clock
from training.watch.pace import WINDOW, Pace


def test_rate_and_waiting_are_those_of_the_last_steps():
    pace = Pace(8)
    pace.step({"data": 100.0, "forward": 1.0})
    for _ in range(WINDOW):
        pace.step({"data": 0.5, "forward": 1.0, "backward": 0.5})
    assert pace.figures == {"samples_per_second": pytest.approx(4), "waiting": pytest.approx(0.25)}


def test_the_note_names_every_term():
    pace = Pace(8)
    pace.step({"data": 0.1, "forward": 0.9})
    note = pace.note({"pha": 0.1, "grad": 0.02, "total": 0.12})
    assert note == "loss 0.1200 (pha 0.1000, grad 0.0200); 8.0 samples/s, 10% of the time waiting for data"


def test_a_high_rate_is_a_whole_number():
    pace = Pace(4096)
    pace.step({"data": 0.0, "forward": 1.0})
    assert "; 4096 samples/s, 0% of" in pace.note({"total": 1.0})


def test_a_lap_holds_all_parts_of_a_step(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(clocks.time, "perf_counter", lambda: now[0])
    clock = Clock(torch.device("cpu"))
    for _ in range(2):
        for phase, seconds in (("data", 1.0), ("forward", 2.0), ("forward", 3.0)):
            with clock(phase, 0.5):
                now[0] += seconds
        assert clock.lap() == {"data": 1.0, "forward": 5.0}
