import shutil

import cv2
import pytest
from typer.testing import CliRunner

from compositing.plan.words import describe
from compositing.shards.writer import gather, render_shard, shard_tasks
from compositing.tables import PLAN, SHARDS
from curation.tables import read_table, write_chunks
from pipelines.cli import app
from pipelines.engine import run_parts
from pipelines.presets import use
from tests.compositing.composite_world import make_world


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A project with plan, raw data and the shards of ``test``."""
    folder = tmp_path_factory.mktemp("show")
    (folder / "data/sample/videomatte").mkdir(parents=True)
    world = make_world(folder / "data")
    tasks = {k: t for k, t in shard_tasks(*world).items() if t.set_name == "test"}
    shards = gather(tasks, run_parts(tasks, render_shard, folder / "parts", "rendering", 1))
    for name, file in shards.files.items():
        (folder / "data/shards" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / "data/shards" / name)
    write_chunks(SHARDS, shards.table(), folder / "data/shards.parquet")
    (folder / "data/places").rename(folder / "data/sample/places365")
    use("sample", folder / "params.yaml")
    return folder


@pytest.fixture
def project(made, monkeypatch):
    monkeypatch.chdir(made)
    return made


def run(*arguments: str):
    return CliRunner().invoke(app, ["show", *arguments], catch_exceptions=False)


def rows(project):
    return read_table(PLAN, project / "data/plan.parquet").to_pylist()


def test_an_id_its_beginning_and_its_place_draw_the_same_picture(project, tmp_path):
    row = next(row for row in rows(project) if row["set"] == "test" and row["ordinal"] == 5)
    ways = ([row["composite_id"]], [row["composite_id"][:10].upper()], ["--set", "test", "--ordinal", "5"])
    for number, way in enumerate(ways):
        done = run(*way, "--out", str(tmp_path / f"{number}.png"))
        assert done.exit_code == 0 and row["composite_id"] in done.output and "rendered from the plan" in done.output
    one, two, three = ((tmp_path / f"{number}.png").read_bytes() for number in range(3))
    assert one == two == three
    image = cv2.imread(str(tmp_path / "0.png"))
    assert image.shape[1] >= 900 and image.std() > 10


def test_without_raw_data_the_shards_are_shown(project, tmp_path, monkeypatch):
    row = next(row for row in rows(project) if row["set"] == "test")
    run(row["composite_id"], "--out", str(tmp_path / "raw.png"))
    away = project / "data/sample/away"
    (project / "data/sample/places365").rename(away)
    try:
        done = run(row["composite_id"], "--out", str(tmp_path / "shards.png"))
        assert "read from the shards" in done.output
        base = next(row for row in rows(project) if row["set"] == "base")
        with pytest.raises(
            FileNotFoundError, match=r"can neither be rendered .* nor read from the shards .*no set 'base'"
        ):
            run(base["composite_id"])
    finally:
        away.rename(project / "data/sample/places365")
    one, two = (cv2.imread(str(tmp_path / f"{name}.png"))[:300] for name in ("raw", "shards"))
    assert (one == two).all(), "the layers are the same bit for bit"


def test_what_is_not_there_is_said(project):
    with pytest.raises(ValueError, match="no composite 'zzzz'"):
        run("zzzz")
    with pytest.raises(ValueError, match="too short"):
        run("a")
    with pytest.raises(ValueError, match=r"no composite test 99; it holds .*test 0 to 8"):
        run("--set", "test", "--ordinal", "99")
    with pytest.raises(ValueError, match="--set and --ordinal"):
        run("--set", "test")


def test_words_tell_what_happens_and_leave_out_what_does_not(project):
    by_strength = {row["strength"]: dict(describe(row)) for row in rows(project) if row["set"] == "test"}
    assert "plate moved" not in by_strength["exact"] and "plate exposed" not in by_strength["exact"]
    assert "px" in by_strength["hard"]["plate moved"] and "stops" in by_strength["hard"]["plate exposed"]


def test_words_name_an_object(project):
    row = next(row for row in rows(project) if not row["empty"])
    assert "object" not in dict(describe(row))["subject"]
    assert dict(describe(row | {"object": True}))["subject"].startswith("an object, no person; ")
