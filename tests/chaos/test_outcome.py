import os

import pytest

from tests.chaos import __main__ as campaign
from tests.chaos.outcome import BROKEN, DIFFERENT, HANG, NAMED, SAME, SKIPPED, Result, table, totals
from tests.chaos.processes import HangError, Job
from tests.chaos.world import World


def test_the_table_counts_equal_outcomes_and_names_the_bad_ones():
    results = [Result("a", SAME), Result("a", SAME, times=2), Result("a", DIFFERENT, 7, "x|y")]
    assert table(results).splitlines()[2:] == ["| a | 3 | same bytes | 0 |", "| a | 1 | DIFFERENT BYTES: x/y | 7 |"]


def test_totals_count_kills_and_leave_out_what_was_skipped():
    results = [Result("SIGKILL: a", SAME, times=3), Result("b", NAMED), Result("c", SKIPPED), Result("d", HANG)]
    assert totals(results) == "5 faults, 3 of them kills; 1 named errors; 1 skipped; 1 bad; 0 bytes lost"


@pytest.mark.parametrize(("outcome", "lost", "bad"), [(SAME, 0, False), (SAME, 1, True), (BROKEN, 0, True)])
def test_any_loss_is_bad(outcome, lost, bad):
    assert Result("a", outcome, lost).bad is bad


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    for name, data in {"data/plan.parquet": b"rows", "data/export/x.onnx": b"net", "metrics/plan.json": b"{}"}.items():
        (made.pristine / name).parent.mkdir(parents=True, exist_ok=True)
        (made.pristine / name).write_bytes(data)
    made.reference = made.digests(made.pristine)
    return made


def test_a_flipped_a_missing_and_an_unknown_file_are_lost_bytes_and_an_export_is_not(world):
    data = world.pristine / "data"
    (data / "export/x.onnx").write_bytes(b"another")
    assert world.compared("f", world.pristine).outcome == SAME
    (data / "plan.parquet").write_bytes(b"rowS")
    (world.pristine / "metrics/plan.json").unlink()
    (data / ".left.tmp").write_bytes(b"abc")
    found = world.compared("f", world.pristine)
    assert (found.outcome, found.lost) == (DIFFERENT, 4 + 2 + 3)


def test_an_error_that_does_not_name_its_file_is_unclear(world, tmp_path):
    def refused(text: str, code: int):
        job = Job(["sh", "-c", f"echo '{text}'; exit {code}"], tmp_path, os.environ, tmp_path / "out.txt")
        return world.refused("f", world.pristine, job, ["plan.parquet"], lambda: None).outcome

    assert refused("plan.parquet is damaged", 1) == NAMED
    assert refused("something failed", 1).startswith("UNCLEAR")
    assert refused("plan.parquet", 0).startswith("UNCLEAR")
    assert refused("Traceback (most recent call last): plan.parquet", 1).startswith("UNCLEAR")


def test_a_command_that_does_not_end_is_killed_and_is_a_hang(tmp_path):
    job = Job(["sleep", "60"], tmp_path, os.environ, tmp_path / "out.txt")
    with pytest.raises(HangError, match="sleep 60"):
        job.wait(0.1)
    assert not job.running


def test_a_hang_and_a_broken_campaign_are_results_and_are_recorded(world, tmp_path):
    def hangs(world, rng):
        yield Result("a", SAME)
        raise HangError("it waits")

    record = tmp_path / "record"
    found = campaign.struck("kind", hangs, world, None, campaign.Clock(None), record)
    assert [each.outcome for each in found] == [SAME, HANG]
    assert campaign._earlier(record) == found
