import cv2
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from compositing.shards.writer import gather, render_shard, shard_tasks
from compositing.tables import MEASURES, SHARDS
from curation.tables import read_table, write_chunks
from pipelines.cli import app
from pipelines.engine import run_parts
from pipelines.page.inputs.captured import chapter, figures, table
from pipelines.params import load
from pipelines.presets import use
from tests.compositing.composite_world import make_world, photograph, plan_params


def capture(folder, pairs: int = 3) -> None:
    """Pairs of one camera, brighter in the plate by 0.2 stops, and one source that is too dark."""
    rng = np.random.default_rng(1)
    for name in ("src", "bgr"):
        (folder / name).mkdir()
    for number in range(pairs):
        plate = cv2.GaussianBlur(photograph(number), (0, 0), 1) * 0.7
        src = np.asarray(plate * 2 ** (-0.2 / 2.2))
        src[90:, 100:160] = (20, 30, 90)
        for kind, image in (("src", src), ("bgr", plate)):
            noisy = np.clip(np.rint(image + rng.normal(0, 2, image.shape)), 0, 255).astype(np.uint8)
            cv2.imwrite(str(folder / kind / f"{number}.png"), noisy)
    for kind in ("src", "bgr"):
        cv2.imwrite(str(folder / kind / "night.png"), np.zeros((240, 320, 3), np.uint8))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLEANPLATE_WORKERS", "1")
    use("sample")
    return tmp_path


def run(*arguments: str):
    return CliRunner().invoke(app, ["calibrate", *arguments], catch_exceptions=False)


def test_pairs_become_ranges_only_when_asked(here):
    capture(here)
    before = (here / "params.yaml").read_text()
    done = run("--src", "src", "--bgr", "bgr")
    assert "3 of 4 pairs measured" in done.output and "night.png: the source is too dark" in done.output
    assert (here / "params.yaml").read_text() == before and "add --write" in done.output
    rows = {row["pair"]: row for row in read_table(MEASURES, here / "calibration/real.parquet").to_pylist()}
    assert rows["0.png"]["gain"] == pytest.approx(0.2, abs=0.06) and rows["night.png"]["gain"] is None
    run("--src", "src", "--bgr", "bgr", "--write")
    low, high = load().plan.train.gain
    assert low == -high and 0.2 < high < 0.7, "widened for three pairs"
    assert load().plan.train.quality == (70, 98), "PNG files say nothing of JPEG"
    assert load().plan.train.perspective_probability == 0 and load().plan.train.shading_probability == 0
    assert load().plan.train.perspective == (0.2, 2.0), "nothing seen leaves the range"
    assert (here / "calibration/plot.png").stat().st_size > 10_000


def test_nothing_measured_is_an_error_with_the_reasons(here):
    capture(here, pairs=0)
    with pytest.raises(ValueError, match=r"no pair of src against bgr could be measured: .*too dark"):
        run("--src", "src", "--bgr", "bgr")
    with pytest.raises(ValueError, match="--src and --bgr"):
        run("--src", "src")


def test_rendered_pairs_are_measured_likewise(here):
    capture(here)
    world = make_world(here, plan_params(base__count=3, base__width=320, base__height=240))
    tasks = {k: t for k, t in shard_tasks(world.plan, world.frames, world.roots, world.render).items() if "base" in k}
    made = gather(tasks, run_parts(tasks, render_shard, here / "parts", "rendering", 1))
    for name, file in made.files.items():
        (here / "data/shards" / name).parent.mkdir(parents=True, exist_ok=True)
        file.rename(here / "data/shards" / name)
    write_chunks(SHARDS, made.table(), here / "data/shards.parquet")
    done = run("--src", "src", "--bgr", "bgr", "--against", "data/shards", "--count", "2")
    assert "synthetic: 2 of 2 pairs measured" in done.output and "quantiles" in done.output
    synthetic = read_table(MEASURES, here / "calibration/synthetic.parquet").to_pandas()
    low, high = load().plan.train.quality
    assert synthetic["src_quality"].between(low, high).all(), "read from the very files"
    both = read_table(MEASURES, here / "calibration/real.parquet").to_pandas()
    both = pd.concat([both, synthetic])
    told = {name: words["synthetic"] for name, _, words in table(both)}
    few = {name for name, words in told.items() if words == "-"}
    assert few <= {"exposure follows the person", "colour follows the person"}, "two composites do not tell that"
    assert len(figures(both)) == 16
    found = chapter(here / "calibration/real.parquet", here / "data/shards", here / "data/shards.parquet")
    assert found and found["counts"]["real"] == 3 and found["counts"]["synthetic"] == 3


def test_the_report_compares_only_where_pairs_were_captured(here):
    assert chapter(here / "none.parquet", here / "shards", here / "shards.parquet") is None
