import pytest
import torch
from filelock import FileLock

from pipelines import unfinished
from pipelines.unfinished import FOLLOWED, UnfinishedError, take_over
from pipelines.work import work_folder
from training import checkpoint
from training.checkpoint import Checkpoint

STAGE = "train_base"
SETTINGS = {"kind": "base", "data": "aa", "steps": 100, "rates": {"decoder": 0.1}}


@pytest.fixture
def world(bare_project, monkeypatch):
    """A project without runs; ``world(KEY, step)`` leaves a run there, by default an unfinished one."""
    monkeypatch.delenv("CLEANPLATE_RESUME", raising=False)
    (bare_project / "training").mkdir()
    (bare_project / "training/losses.py").write_text("one")

    def leave(key, step, settings=SETTINGS):
        with work_folder(STAGE, key) as work:
            take_over(STAGE, work.folder, "checkpoints", settings)
            tensors = {"network.weight": torch.full((2,), float(step))}
            checkpoint.save(work.folder / "checkpoints", Checkpoint(step, tensors, {"count": 0}, {}, dict(settings)))
        return work.folder

    return leave


def start(key, settings=SETTINGS):
    """What a run finds when it starts: its newest checkpoint, or None."""
    with work_folder(STAGE, key) as work:
        take_over(STAGE, work.folder, "checkpoints", settings)
        return checkpoint.load_newest(work.folder / "checkpoints", settings)


OTHER = {**SETTINGS, "data": "bb", "rates": {"decoder": 0.2}, "steps": 200}


def test_changed_settings_are_named_and_stop(world):
    folder = world("old", 30)
    for _ in range(2):  # a refusal decides nothing
        with pytest.raises(UnfinishedError) as error:
            start("new", OTHER)
    text = str(error.value)
    assert f"a run is unfinished in {folder} (step 30 of 100" in text
    assert 'data: "aa" -> "bb"\n  rates.decoder: 0.1 -> 0.2\n  steps: 100 -> 200\n' in text
    assert "CLEANPLATE_RESUME=anyway" in text
    assert "CLEANPLATE_RESUME=fresh" in text
    assert start("old").step == 30  # the old values put back


def test_anyway_goes_on_from_its_weights_and_the_checkpoint_says_so(world, monkeypatch):
    world("old", 30)
    monkeypatch.setenv("CLEANPLATE_RESUME", "anyway")
    found = start("new", OTHER)
    assert found is not None
    assert (found.step, found.partial) == (30, True)
    assert torch.equal(found.tensors["network.weight"], torch.full((2,), 30.0))
    lines = ['data: "aa" -> "bb"', "rates.decoder: 0.1 -> 0.2", "steps: 100 -> 200"]
    assert found.changes == ({"step": 30, "changed": lines},)
    monkeypatch.delenv("CLEANPLATE_RESUME")
    assert start("new", OTHER).step == 30
    with pytest.raises(UnfinishedError, match=f"unfinished in .*{STAGE}-new"):  # the old one was followed
        start("third")


def test_anyway_cannot_go_back_in_time(world, monkeypatch):
    world("old", 30)
    monkeypatch.setenv("CLEANPLATE_RESUME", "anyway")
    with pytest.raises(ValueError, match=r"has taken 30 steps, and train_base\.steps is 20"):
        start("new", {**SETTINGS, "steps": 20})


def test_fresh_starts_over_once_and_asks_no_more(world, monkeypatch):
    world("old", 30)
    monkeypatch.setenv("CLEANPLATE_RESUME", "fresh")
    assert start("new", OTHER) is None
    assert start("old").step == 30  # what a run has of its own stays, or a kill would cost it
    monkeypatch.delenv("CLEANPLATE_RESUME")
    with pytest.raises(UnfinishedError):  # it went on, so it counts again
        start("third", OTHER)


def test_changed_code_alone_goes_on_and_is_named(world, bare_project, caplog):
    world("old", 30)
    (bare_project / "training/losses.py").write_text("two")
    found = start("new")
    assert found is not None
    assert (found.step, found.partial) == (30, False)
    assert found.changes == ({"step": 30, "changed": ["code: training/losses.py"]},)
    assert "Changed since: code: training/losses.py" in caplog.text


def test_changed_code_starts_over_where_that_was_asked_for(world, monkeypatch):
    world("old", 30)
    monkeypatch.setenv("CLEANPLATE_RESUME", "fresh")
    assert start("new") is None


def test_of_several_the_one_with_the_same_settings_goes_on(world, monkeypatch):
    world("same", 30)
    monkeypatch.setenv("CLEANPLATE_RESUME", "fresh")
    world("other", 40, OTHER)
    (unfinished.work_root() / f"{STAGE}-same" / FOLLOWED).unlink()
    monkeypatch.delenv("CLEANPLATE_RESUME")
    assert start("new").step == 30


def test_finished_published_and_foreign_runs_do_not_nag(world):
    world("finished", 100)
    published = world("published", 30)
    (published / "published.json").write_text("{}")
    (unfinished.work_root() / f"{STAGE}-empty").mkdir()
    broken = unfinished.work_root() / f"{STAGE}-broken" / "checkpoints"
    broken.mkdir(parents=True)
    (broken / "step-00000001.safetensors").write_bytes(b"half")
    refine = unfinished.work_root() / "train_refine-x"
    published.rename(refine)
    (refine / "published.json").unlink()
    assert start("new", OTHER) is None


def test_a_run_at_work_is_left_alone(world):
    folder = world("old", 30)
    with FileLock(folder / "lock"):
        assert start("new", OTHER) is None
    with pytest.raises(UnfinishedError):
        start("newer", OTHER)


def test_a_misspelt_variable_is_named(world, monkeypatch):
    monkeypatch.setenv("CLEANPLATE_RESUME", "yes")
    with pytest.raises(ValueError, match="CLEANPLATE_RESUME is 'yes'; expected 'anyway'"):
        start("new")
