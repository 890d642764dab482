import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines import depot, detect, index, render, stage
from pipelines.depot import DamagedError, Depot, fetch_shares, run_share
from pipelines.engine import PartError, run_parts
from pipelines.work import Share, work_root, work_url
from tests.objects_world import S3
from tests.pipelines.rendering import ready_to_render, rendered
from tests.pipelines.test_curation_stages import project

__all__ = ["project"]
BODIES = {"index": index.body, "detect": detect.body, "render": render.body}


def write(number: int, folder: Path) -> None:
    (folder / "value").write_text(str(number))
    (folder / "more").write_text("x" * number)


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[dict[str, int]], Depot]:
    """Puts parts as a share does, into a folder in place of a store."""
    monkeypatch.setenv("CLEANPLATE_WORKERS", "1")

    def run(tasks: dict[str, int]) -> Depot:
        url = str(tmp_path / "store")
        run_share(tasks, write, tmp_path / "here/render-1/parts", "parts", url, "local")
        return Depot(url, "render-1")

    return run


def test_a_part_counts_when_its_manifest_is_put(put, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = put({"a": 1})
    monkeypatch.setattr(type(store.store), "put", lambda *words: (_ for _ in ()).throw(OSError("the net is gone")))
    with pytest.raises(PartError, match="part 'b' failed: OSError: the net is gone"):
        put({"a": 1, "b": 2})
    assert store.store.exists("parts/b/value") and store.made() == {"a"}
    assert not (tmp_path / "here/render-1/parts/b").exists()  # what is here is there
    monkeypatch.undo()
    monkeypatch.setenv("CLEANPLATE_WORKERS", "1")
    assert put({"a": 1, "b": 2}).made() == {"a", "b"}


def test_what_was_put_is_not_made_again_and_what_was_made_before_is_put(put, tmp_path: Path, monkeypatch) -> None:
    run_parts({"c": 3}, write, tmp_path / "here/render-1/parts", "parts", 1)
    put({"a": 1})
    shutil.rmtree(tmp_path / "here/render-1/parts/a")  # put by another machine
    monkeypatch.setattr(depot, "make_and_put", None)  # it would be called
    store = put({"a": 1, "c": 3})
    assert store.made() == {"a", "c"}


def test_fetched_parts_are_checked_and_stay_in_their_folder(put, tmp_path: Path) -> None:
    store = put({"a": 1, "b": 2})
    fetch_shares(str(tmp_path / "store"), tmp_path / "there/render-1", "mark")
    assert (tmp_path / "there/render-1/parts/b/more").read_text() == "xx"
    store.store.put("parts/b/more", b"xy")
    with pytest.raises(DamagedError, match=r"parts/b/more is not what was put there; remove .*made/b\.json"):
        store.fetch("b", tmp_path / "there/render-1/parts/a")
    for name in ("../evil", "/evil", "a/../../evil", "..", ""):
        store.store.put("made/c.json", json.dumps({name: {"size": 1, "hash": "0"}}).encode())
        with pytest.raises(DamagedError, match="no file of a part"):
            store.fetch("c", tmp_path)
    for name in ("made/deep/evil.json", "made/..evil.json", "made/.json"):
        store.store.put(name, b"{}")
    assert store.made() == {"a", "b", "c"}


def test_shares_agree(tmp_path: Path) -> None:
    store = Depot(str(tmp_path), "detect-1")
    assert store.agreed("stamp") is None
    for _ in range(2):
        store.agree("stamp", "one")
    with pytest.raises(ValueError, match="the same environment"):
        store.agree("stamp", "two")
    assert store.agreed("stamp") == "one"


def test_a_url_for_the_work_folder_leaves_all_else_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for asked, folder, url in [
        ("", Path(".work"), None),
        (str(tmp_path), tmp_path, None),
        (f"file://{tmp_path}", tmp_path, None),
        ("s3://bucket/work", Path(".work"), "s3://bucket/work"),
    ]:
        monkeypatch.setenv("CLEANPLATE_WORK", asked)
        assert (work_root(), work_url()) == (folder, url)


def run(name: str, share: Share | None = None) -> None:
    """Run a stage as its program does."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(stage.signal, "signal", lambda *words: None)
        stage.run(name, BODIES[name], share)
    assert ended.value.code == 0, Path(f"logs/{name}.log").read_text()


def shares_of(name: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run both shares as on two machines, and publish on a third."""
    monkeypatch.setenv("CLEANPLATE_WORK", url)
    for number in (2, 1):
        shutil.rmtree(".work", ignore_errors=True)
        run(name, Share(number, 2))
    shutil.rmtree(".work")
    run(name)


def test_shares_of_render_meet_in_an_object_store(bare_project: Path, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    ready_to_render(bare_project)
    run("render")
    local = rendered()
    shutil.rmtree("data/shards")
    asked: list[str] = []
    real = render.render_shard
    monkeypatch.setattr(render, "render_shard", lambda task, folder: (asked.append(task.name), real(task, folder)))
    shares_of("render", s3.bucket() + "/work", monkeypatch)
    assert rendered() == local
    assert sorted(asked) == sorted(name.removeprefix("data/shards/") for name in local if name.endswith("tar"))


def test_shares_of_detect_meet_in_an_object_store(project: Path, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    run("index")
    run("detect")
    local = Path("data/people.parquet").read_bytes()
    Path("data/people.parquet").unlink()
    shares_of("detect", s3.bucket(), monkeypatch)
    assert Path("data/people.parquet").read_bytes() == local
    (folder,) = Path(".work").glob("detect-*")
    assert len(list(folder.glob("parts/*"))) == 9 + 1  # the empty file is told again
