"""Ray on this machine: the bytes of local processes, through kills and hangs."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipelines import detect, index, render
from pipelines.engine import ENGINE, PartError, loop, run_parts
from pipelines.params import load
from pipelines.stage import Stage, require_extra
from pipelines.work import work_folder
from tests.pipelines.engine.stand_ins import fail_on_three, hang, murder, take_a_while, tasks, tries, values
from tests.pipelines.rendering import ready_to_render, rendered
from tests.pipelines.test_curation_stages import project

__all__ = ["project"]
pytestmark = pytest.mark.slow
BODIES = {"index": index.body, "detect": detect.body, "render": render.body}


@pytest.fixture(scope="module", autouse=True)
def _ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """As a stage starts it, once."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("needs the extra ray")
    from pipelines.engine.cluster import RayPool

    with RayPool(fail_on_three, tmp_path_factory.mktemp("none"), 2) as pool:
        assert pool.temporary is not None
        yield
    assert not Path(pool.temporary).exists()


def run(stage: str, work: Path, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLEANPLATE_WORK", str(work))
    monkeypatch.setenv(ENGINE, engine)
    with work_folder(stage) as folder:
        BODIES[stage](Stage(stage, load(), folder))


def test_ray_does_not_phone_home() -> None:
    from ray._common.usage import usage_lib

    assert not usage_lib.usage_stats_enabled()


def test_lost_workers_lose_and_double_nothing(tmp_path: Path) -> None:
    asked = tasks(tmp_path / "notes", 20)
    with murder(tmp_path / "notes", 1):
        folders = run_parts(asked, take_a_while, tmp_path / "parts", "squares", engine="ray")
    assert values(folders) == [n * n for n in range(20)]
    assert {file.name for folder in folders for file in folder.iterdir()} == {"value", "made"}
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == sorted(asked)
    assert sum(tries(tmp_path / "notes").values()) in (20, 21)  # an idle worker takes nothing with it


def test_without_its_token_nobody_joins() -> None:
    import ray

    code = (
        f"from ray._raylet import GcsClient; client = GcsClient(address='{ray.get_runtime_context().gcs_address}'); "
        "print('joined', client.internal_kv_keys(b'', namespace=b'fun', timeout=10))"
    )

    def ask(**asked: str) -> subprocess.CompletedProcess[str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
        return subprocess.run(
            [sys.executable, "-c", code], env=env | asked, capture_output=True, text=True, check=False
        )

    for stranger in (ask(RAY_AUTH_MODE="disabled"), ask(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="0" * 64)):
        assert "joined" not in stranger.stdout and "InvalidAuthToken" in stranger.stderr
    assert "joined" in ask(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=os.environ["RAY_AUTH_TOKEN"]).stdout


def test_a_part_that_hangs_is_tried_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "LATE_SECONDS", 0.5)
    monkeypatch.setattr(loop, "POLL_SECONDS", 0.1)
    asked = tasks(tmp_path / "notes", 4, p1=1)
    assert values(run_parts(asked, hang, tmp_path / "parts", "squares", engine="ray")) == [0, 1, 4, 9]
    assert tries(tmp_path / "notes") == {"p0": 1, "p1": 2, "p2": 1, "p3": 1}
    assert len(list((tmp_path / "parts").iterdir())) == 4


def test_a_part_that_fails_is_named(tmp_path: Path) -> None:
    with pytest.raises(PartError, match=r"part 'p3' failed: ValueError: three is odd") as caught:
        run_parts({f"p{n}": n for n in range(5)}, fail_on_three, tmp_path, "squares", engine="ray")
    assert "in fail_on_three" in str(caught.value.__cause__)


def test_the_stage_render_gives_the_bytes_of_local_processes(
    bare_project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready_to_render(bare_project)
    run("render", bare_project / "local", "local", monkeypatch)
    local = rendered()
    assert len(local) > 4
    run("render", bare_project / "ray", "ray", monkeypatch)
    assert rendered() == local
    shard = next(Path("data/shards").rglob("*.tar"))
    assert any(part.samefile(shard) for part in (bare_project / "ray").rglob("*.tar"))


def test_the_stage_detect_gives_the_bytes_of_local_processes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("index", project / "local", "local", monkeypatch)
    run("detect", project / "local", "local", monkeypatch)
    local = Path("data/people.parquet").read_bytes()
    run("detect", project / "ray", "ray", monkeypatch)
    assert Path("data/people.parquet").read_bytes() == local
    assert not list(project.glob("ray/detect-*/parts/.*"))


def test_a_missing_ray_prints_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"ray is not installed; run: pip install 'cleanplate\[ray\]'"):
        require_extra("ray")
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"
