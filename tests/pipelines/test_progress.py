import io
import logging
import re

import pytest
from rich.console import Console

from pipelines import progress
from pipelines.progress import Progress

NOTE = (
    "loss 0.1234 (pha 0.0512, grad 0.0213, fgr 0.0412, pha_sm 0.0513, grad_sm 0.0214, fgr_sm 0.0413, err 0.0031); "
    "6.2 samples/s, 3% of the time waiting for data"
)


@pytest.fixture
def clock(monkeypatch):
    """A time that goes on when it is told to."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize(
    ("seconds", "words"), [(30, "about 90 s left"), (300, "about 15 min left"), (30000, "about 25 h 00 min left")]
)
def test_a_log_says_now_and_then_how_long_it_takes(clock, capsys, seconds, words):
    with Progress("training base", total=40) as bar:
        bar.advance(5, "too early")
        clock[0] = seconds
        bar.advance(5, NOTE)
    assert capsys.readouterr().out == f"training base: 10 of 40, {words} {NOTE}\n"


def test_steps_of_an_earlier_run_make_nothing_look_faster(clock, capsys):
    with Progress("training base", total=40, done=20) as bar:
        clock[0] = 30.0
        bar.advance(10)
    assert "going on at 20 of 40" in (out := capsys.readouterr().out)
    assert "30 of 40, about 30 s left" in out


def test_eighty_columns_hold_the_bar_and_the_note(monkeypatch):
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    with Progress("training refine", total=30000) as bar:
        bar.advance(1200, NOTE)
        console = Console(width=80, record=True, force_terminal=False, file=io.StringIO())
        for part in bar._bar.get_renderables():
            console.print(part)
    lines = console.export_text().splitlines()
    assert re.fullmatch(r"training refine \S*━\S* *1200/30000 \d:\d\d:\d\d left \S+", lines[0].rstrip())
    assert " ".join(" ".join(line.split()) for line in lines[1:]) == NOTE
    assert max(map(len, lines)) <= 80


def test_log_lines_pass_above_the_bar(monkeypatch, capsys):
    for stream in (progress.sys.stderr, progress.sys.stdout):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    screen = logging.StreamHandler(stdout := progress.sys.stdout)
    log = logging.getLogger("cleanplate")
    monkeypatch.setattr(log, "handlers", [screen])
    monkeypatch.setenv("TERM", "xterm")
    with Progress("training base", total=4) as bar:
        bar.advance(1)
        log.warning("valid MAD")
    assert screen.stream is stdout
    out, err = capsys.readouterr()
    assert out == ""
    # Whole on a line of its own, with the bar drawn again below.
    assert re.search(r"(^|\n|\x1b\[2K)valid MAD\n", err)
