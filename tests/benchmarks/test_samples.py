"""What two training curves say, told apart from training them."""

from pathlib import Path

import pytest

from benchmarks import samples
from benchmarks.samples import ABLATIONS, OURS, PUBLISHED, Setting, outcome, parameters
from training.config import TrainParams

LEVELS = [(100, 80.0), (200, 50.0), (300, 41.0), (400, 40.0), (500, 40.5), (600, 40.2), (700, 39.9), (800, 39.8)]


def test_the_target_is_where_published_levels_off() -> None:
    found = outcome(LEVELS, [[(100, 60.0), (200, 39.0), (300, 30.0)]])
    assert found.levelled
    assert found.target == 39.8
    assert found.published_samples == 400  # within 2 % of its best, the first time
    assert found.ours_samples == 200
    assert found.ratio == 0.5
    assert found.ours_at_equal_samples == 30.0


def test_an_arm_that_still_gains_has_not_levelled_off() -> None:
    found = outcome([(100, 80.0), (200, 60.0), (300, 50.0), (400, 45.0)], [[(100, 45.0)]])
    assert not found.levelled
    assert found.last_quarter == pytest.approx(0.1)
    assert found.ratio == 0.25


def test_one_lucky_validation_does_not_count_and_missing_is_none() -> None:
    lucky = [(100, 39.0), (200, 70.0), (300, 39.0), (400, 38.0)]
    assert outcome(LEVELS, [lucky]).ours_samples == 300
    missed = outcome(LEVELS, [[(100, 60.0), (200, 41.0)]])
    assert missed.ratio is None
    assert missed.ours_samples is None
    assert outcome(LEVELS, [[(100, 60.0)], lucky]).ratio == 0.75
    # What ours is worth after more samples than published saw does not count.
    assert outcome(LEVELS, [[(100, 60.0), (900, 10.0)]]).ours_at_equal_samples == 60.0


def test_a_short_curve_is_refused() -> None:
    with pytest.raises(ValueError, match="3 validations; 4 or more"):
        outcome(LEVELS[:3], [LEVELS])


def test_the_arms_share_everything_but_the_recipe(tmp_path: Path) -> None:
    setting = Setting((96, 128), 8, 50, 1, tmp_path, "test", tmp_path)
    ours, published = (parameters(arm, 3, 400, setting).model_dump() for arm in (OURS, PUBLISHED))
    shared = {"backbone", "precision", "accelerator", "backbone_scale", "seed", "steps", "batch", "crop", "threads"}
    assert all(ours[name] == published[name] for name in shared)
    assert published["optimizer"] == "adam"
    assert published["schedule"] == "constant"
    assert published["start"] == "published"
    assert published["difference"] == "none"
    assert published["rates"]["backbone"] == 1e-4
    assert published["losses"] == {"pha": 1, "grad": 1, "fgr": 1, "err": 1, "lap": 0, "soft": 0}
    assert published["ema"] is None


def test_every_ablation_is_a_valid_one(tmp_path: Path) -> None:
    setting = Setting((96, 96), 8, 50, 1, tmp_path, "test", tmp_path)
    assert len({arm.name for arm in ABLATIONS}) == len(ABLATIONS)
    assert all(parameters(arm, 1, 100, setting) for arm in ABLATIONS)


def test_a_run_at_constant_rates_begins_a_shorter_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("data").mkdir()
    Path("data/shards.parquet").write_bytes(b"not read")
    setting = samples.Setting((96, 96), 8, 200, 1, Path("data"), "test", tmp_path / "work")
    trained = []

    def train(what: str, params: TrainParams, readers: object, folder: Path, curves: Path, data: str) -> None:
        trained.append(params.steps)
        (folder / samples.TABLE).parent.mkdir(parents=True)
        lines = [f"{step}\t{1000 / step}" for step in range(200, params.steps + 1, 200)]
        (folder / samples.TABLE).write_text("\n".join(["step\tmad", *lines]))
        (folder / "base.safetensors").touch()

    monkeypatch.setattr(samples, "train", train)
    monkeypatch.setattr(samples, "ShardReader", lambda *_: [])
    monkeypatch.setattr(samples, "composites", lambda *_: None)
    long = samples.curve(samples.PUBLISHED, 1, 1000, setting)
    assert samples.curve(samples.PUBLISHED, 1, 600, setting) == long[:3] == [(1600, 5.0), (3200, 2.5), (4800, 1.667)]
    assert trained == [1000]
    # Rates that follow the length make another run of each length, and another seed is another run.
    for arm, seed, steps in ((samples.OURS, 1, 600), (samples.OURS, 1, 400), (samples.PUBLISHED, 2, 600)):
        samples.curve(arm, seed, steps, setting)
    assert trained == [1000, 600, 400, 600]
