import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from compositing.shards.writer import gather, render_shard, shard_tasks
from compositing.tables import SHARDS
from curation.tables import write_chunks
from pipelines import verify as module
from pipelines.cli import app
from pipelines.engine import run_parts
from pipelines.params import load
from pipelines.presets import set_value, use
from pipelines.work import file_md5
from tests.compositing.composite_world import make_world


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose shards are hard links into a DVC cache, as ``dvc repro`` leaves them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLEANPLATE_WORKERS", "1")
    use("sample")
    set_value("render.samples_per_shard", 4)
    (tmp_path / "data/sample").mkdir(parents=True)
    world = make_world(tmp_path / "data")
    (tmp_path / "data/places").rename(tmp_path / "data/sample/places365")
    (tmp_path / "data/sample/videomatte").mkdir()
    roots = world.roots._replace(backgrounds={"places365": Path("data/sample/places365")})
    tasks = shard_tasks(module.PLAN, module.FRAMES, roots, load().render)
    made = gather(tasks, run_parts(tasks, render_shard, tmp_path / "parts", "rendering", 1))
    cache = tmp_path / ".dvc/cache"
    for name, file in made.files.items():
        digest = file_md5(file)
        entry = cache / "files/md5" / digest[:2] / digest[2:]
        entry.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, entry)
        entry.chmod(0o444)
        (tmp_path / "data/shards" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data/shards" / name).hardlink_to(entry)
    write_chunks(SHARDS, made.table(), tmp_path / "data/shards.parquet")
    monkeypatch.setattr(module, "_cache_folder", lambda: cache)
    return tmp_path


def run(*arguments: str):
    return CliRunner().invoke(app, ["verify", *arguments], catch_exceptions=False)


def entry_of(project: Path, whole: bytes) -> Path:
    return next(file for file in (project / ".dvc/cache").rglob("*") if file.is_file() and file.read_bytes() == whole)


def damage(file: Path) -> bytes:
    """Flip a bit through the link, as a failing disk would: the cache's copy is the same file."""
    whole = file.read_bytes()
    file.chmod(0o644)
    with file.open("r+b") as handle:
        handle.seek(len(whole) // 2)
        handle.write(bytes([whole[len(whole) // 2] ^ 16]))
    file.chmod(0o444)
    return whole


def test_damage_is_repaired_in_the_shard_and_in_the_cache(project):
    done = run()
    assert done.exit_code == 0 and "0 shards damaged" in done.output
    file, other = project / "data/shards/base/000001.tar", project / "data/shards/base/000000.tar"
    entry = entry_of(project, file.read_bytes())
    untouched = other.stat().st_ino
    whole = damage(file)
    assert entry.read_bytes() != whole, "the flipped bit is in the cache as well"
    lost = project / "data/shards/test/000000.tar"
    gone = lost.read_bytes()
    lost.unlink()
    done = run()
    assert done.exit_code == 1 and "2 shards damaged" in done.output and "--repair" in done.output
    assert "base/000001.tar" in done.output and "test/000000.tar: the shard is missing" in done.output
    done = run("--repair")
    assert done.exit_code == 0, done.output
    assert "DVC's damaged copy with it" in done.output and "DVC's copy was whole" in done.output
    assert file.read_bytes() == entry.read_bytes() == whole and lost.read_bytes() == gone
    assert file.stat().st_ino == entry.stat().st_ino and not entry.stat().st_mode & 0o222
    assert other.stat().st_ino == untouched, "only damaged shards are touched"
    assert run().exit_code == 0
    assert not list((project / "data").glob(".shards*")), "nothing is left behind"


def test_repair_refuses_other_bytes(project):
    file = project / "data/shards/base/000001.tar"
    damage(file)
    before = file.read_bytes()
    set_value("render.fgr_quality", 100)
    with pytest.raises(module.RepairError, match=r"other bytes.*dvc repro render"):
        run("--repair")
    assert file.read_bytes() == before
    set_value("render.fgr_quality", 95)
    shutil.rmtree(project / "data/sample/places365/train")
    with pytest.raises(module.RepairError, match=r"(?s)is missing.*dvc fetch"):
        run("--repair")


def test_a_file_too_many_is_named_and_left_alone(project):
    stranger = project / "data/shards/base/notes.txt"
    stranger.write_text("mine")
    done = run("--repair")
    assert done.exit_code == 1 and "base/notes.txt" in done.output and "1 files too many" in done.output
    assert stranger.read_text() == "mine"
    with pytest.raises(FileNotFoundError, match="dvc pull"):
        run("data/none")
