import pytest
from typer.testing import CliRunner

from compositing.shards.reader import ShardReader
from compositing.tables import PLAN
from curation.tables import read_table, write_table
from pipelines.cli import app
from pipelines.params import load
from pipelines.paths import extra_roots
from pipelines.presets import set_value, use, write_roots
from pipelines.samples import data_fingerprint, open_training, plan_space
from tests.compositing.composite_world import make_world, plan_params
from tests.training.samples.test_extra import write_folders


def test_the_space_is_the_plans_own(tmp_path):
    world = make_world(tmp_path, plan_params(look__space="display"))
    assert plan_space(world.plan) == "display"
    rows = read_table(PLAN, world.plan).to_pylist()
    rows[3]["space"] = "linear"
    write_table(PLAN, rows, world.plan)
    with pytest.raises(ValueError, match=r"display and linear.*plan.look.space"):
        plan_space(world.plan)


@pytest.fixture
def office(tmp_path, monkeypatch, disc_shards):
    """A project of its own with shards and a source that is registered by the command."""
    (tmp_path / "data").mkdir()
    for name in ("shards", "shards.parquet"):
        (tmp_path / "data" / name).symlink_to(disc_shards / name)
    write_folders(tmp_path / "raw", ["a", "b", "c"], fgr=False)
    use("sample", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["use", "extra", "office", "raw"])
    assert done.exit_code == 0, done.output
    assert "3 samples, 0 with a foreground" in done.output
    return tmp_path


def asked(make_params, **changes):
    return make_params(extra=[{"name": "office", "share": 0.25, "weight": 0.5} | changes])


def test_a_registered_source_is_mixed_in(office, make_params):
    params, train = load(), asked(make_params)
    mixture = open_training(params, train, "base")
    assert len(mixture) == 13
    assert mixture.weights(12) == (0.5, 0.0)
    assert (office / "paths.yaml").read_text().count(str(office / "raw")) == 1
    assert isinstance(open_training(params, make_params(), "base"), ShardReader)


def test_a_source_that_changed_is_refused_until_it_is_scanned(office, make_params):
    before = data_fingerprint(load(), asked(make_params))
    assert data_fingerprint(load(), make_params()) != before
    write_folders(office / "raw", ["a", "b", "c", "d"], fgr=False)
    with pytest.raises(ValueError, match=r"train_base.extra: 'office' .* changed since it was scanned; run 'cleanpl"):
        open_training(load(), asked(make_params), "base")
    assert CliRunner().invoke(app, ["scan"]).exit_code == 0
    assert len(open_training(load(), asked(make_params), "base")) == 14
    assert data_fingerprint(load(), asked(make_params)) != before


def test_an_unknown_source_names_the_command(office, make_params):
    with pytest.raises(
        FileNotFoundError, match=r"'home' has no folder in .*'cleanplate use extra home FOLDER'.*office"
    ):
        open_training(load(), asked(make_params, name="home"), "base")
    set_value("extra", {})
    with pytest.raises(ValueError, match=r"'office' .* was never scanned"):
        open_training(load(), asked(make_params), "base")


def test_a_sample_smaller_than_the_crop_is_named_before_training(office, make_params):
    train = asked(make_params).model_copy(update={"crop": (32, 68)})
    with pytest.raises(ValueError, match="3 of 3 samples cannot be used: a: 64x64"):
        open_training(load(), train, "base")


def test_sources_survive_another_preset_and_other_roots(office):
    digest = load().extra["office"].digest
    use("full")
    write_roots(office, office)
    assert load().extra["office"].digest == digest
    assert extra_roots()["office"] == office / "raw"
    assert use("full") == []


def test_extra_in_paths_must_be_a_mapping(office):
    (office / "paths.yaml").write_text("extra: raw\n")
    with pytest.raises(ValueError, match=r"'extra' is 'raw'; expected a line 'NAME: FOLDER'"):
        extra_roots()
