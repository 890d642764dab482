import dataclasses
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from compositing.codec import encode_jpeg, encode_png
from compositing.shards.reader import Sample, ShardReader
from curation.identity import item_id, rng
from curation.tables import read_table, write_table
from tests.shards_world import write_shards
from training.evaluation import gallery, learned, methods, summary, tuning
from training.evaluation import rows as part_rows
from training.evaluation.baseline import FEATURES, Tuned
from training.evaluation.choosing import Project
from training.evaluation.tables import EVALUATION, MEASURES, METHODS
from training.network import build_base, build_refine
from training.network.weights import save
from training.testsets.testset import FrozenTest
from training.watch import errormap

SIDE = 96
SETS = {"refine": 4, "valid": 6, "test": 9}
STRENGTHS = ("hard", "exact", "mild")  # not in the order of the output


def draw(set_name: str, ordinal: int) -> dict[str, bytes]:
    """A soft disc over noise; recipe as the plan writes it, as far as evaluation reads it."""
    generator = rng(3, set_name, ordinal)
    scene = cv2.resize(generator.random((12, 12, 3)).astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    pha = np.zeros((SIDE, SIDE), np.float32)
    cv2.circle(pha, (int(generator.integers(30, 66)), 48), int(generator.integers(15, 26)), 1.0, -1)
    pha = cv2.GaussianBlur(pha, (0, 0), 1.5)[..., None]
    fgr = np.broadcast_to(np.float32([0.9, 0.15, 0.2]), scene.shape)
    src = fgr * pha + scene * (1 - pha)
    noise = generator.normal(0, 0.01, (2, SIDE, SIDE, 3))
    layers = [
        np.rint(np.clip(i, 0, 1) * 255).astype(np.uint8) for i in (src + noise[0], scene + noise[1], fgr, pha[..., 0])
    ]
    recipe = {"composite_id": item_id(set_name, ordinal), "set": set_name, "ordinal": ordinal}
    recipe |= {
        "strength": STRENGTHS[ordinal % 3],
        "case": None,
        "scene": "attic",
        "indoor": None,
        "clip": "test/0001",
        "frame": ordinal,
    }
    return {
        "src.jpg": encode_jpeg(layers[0], 95),
        "bgr.jpg": encode_jpeg(layers[1], 95),
        "fgr.jpg": encode_jpeg(layers[2], 95, "444"),
        "pha.png": encode_png(layers[3]),
        "json": json.dumps(recipe).encode(),
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of the three sets and two networks as initialised."""
    folder = write_shards(
        tmp_path_factory.mktemp("evaluate"), {s: [draw(s, i) for i in range(n)] for s, n in SETS.items()}
    )
    save(build_base("mobilenetv2"), folder / "base.safetensors", {})
    save(build_refine("mobilenetv2", 0.5, "sampling", 512), folder / "refine.safetensors", {})
    return folder


@pytest.fixture(scope="module")
def inputs(folder):
    return folder / "shards", folder / "shards.parquet"


def make(function, task, folder: Path) -> Path:
    folder.mkdir(parents=True)
    function(task, folder)
    return folder


@pytest.fixture(scope="module")
def classical(folder, inputs):
    mean = make(tuning.mean_part, tuning.MeanTask(*inputs), folder / "mean")
    tasks = tuning.tune_tasks(*inputs, mean)
    assert list(tasks) == ["tune-exact", "tune-mild", "tune-hard"]
    return tuning.read_classical(mean, [make(tuning.tune_part, task, folder / key) for key, task in tasks.items()])


def tasks_of(folder: Path, inputs, classical, batch: int) -> dict[str, part_rows.EvaluateTask]:
    project = Project(folder / "base.safetensors", folder / "refine.safetensors", "cpu", classical, 4)
    return part_rows.tasks(FrozenTest(*inputs), batch, METHODS, project, ("classical", "refine"))


@pytest.fixture(scope="module")
def measured(folder, inputs, classical):
    tasks = tasks_of(folder, inputs, classical, 4)
    assert [list(task.positions) for task in tasks.values()] == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]
    return [make(part_rows.evaluate_part, task, folder / key) for key, task in tasks.items()]


@pytest.fixture(scope="module")
def rows(measured):
    return part_rows.collect(measured).rows


@pytest.fixture(scope="module")
def values(rows, classical):
    return summary.summary(rows, classical)


def sample_of(pha: np.ndarray) -> Sample:
    colour = np.full((*pha.shape, 3), 100, np.uint8)
    return Sample(colour, colour, colour, pha, {"strength": "mild"})


def test_every_sample_and_method_has_a_row_that_fits_the_table(rows, tmp_path):
    write_table(EVALUATION, rows, tmp_path / "evaluation.parquet")
    table = read_table(EVALUATION, tmp_path / "evaluation.parquet").to_pandas()
    assert len(table) == SETS["test"] * len(METHODS)
    assert set(table["method"]) == set(METHODS)
    assert table["mad"].notna().all()
    assert ((table["coverage"] > 0) & (table["coverage"] < 1)).all()


def test_metrics_have_the_keys_that_others_read(values):
    assert list(values["test"]) == ["exact", "mild", "hard"]
    for by_method in values["test"].values():
        assert tuple(by_method) == METHODS
        for figures in by_method.values():
            assert set(figures) <= set(MEASURES)
            assert {"mad", "mse", "grad", "conn", "mad_zero", "mad_soft", "mad_one"} <= set(figures)
    assert values["samples"] == {"exact": 3, "mild": 3, "hard": 3}
    json.dumps(values, allow_nan=False)


def test_metrics_are_means_of_the_rows(values, rows):
    hard = [row for row in rows if row["strength"] == "hard" and row["method"] == "classical"]
    assert values["test"]["hard"]["classical"]["mad"] == pytest.approx(np.mean([r["mad"] for r in hard]), abs=1e-4)
    refine, coarse = (values["test"]["hard"][m]["grad"] for m in ("refine", "refine_coarse"))
    assert values["ratios"]["hard"]["refine_grad_to_coarse"] == pytest.approx(refine / coarse, abs=1e-3)


def test_hard_cases_are_told_apart_and_leave_the_other_figures_alone(values, rows, classical):
    assert values["cases"] == {}
    names = {0: "empty", 1: "change"}
    hard = [row | {"strength": "cases", "case": names[row["ordinal"]]} for row in rows if row["ordinal"] in names]
    tuned = {**classical.tuned, "cases": classical.tuned["hard"]}
    found = summary.summary([*rows, *hard], replace(classical, tuned=tuned))
    assert {strength: found["test"][strength] for strength in values["test"]} == values["test"]
    assert found["samples"] == {"exact": 3, "mild": 3, "hard": 3, "cases": 2}
    (empty,) = (row["mad"] for row in hard if row["case"] == "empty" and row["method"] == "refine")
    assert found["cases"]["empty"]["refine"]["mad"] == pytest.approx(empty, abs=1e-4)
    assert set(found["cases"]["change"]) == set(METHODS)
    assert any(line.startswith("empty: ") for line in summary.lines(found))


def test_an_empty_picture_has_figures_for_its_background_alone():
    sample = sample_of(np.zeros((20, 30), np.uint8))
    ghost = np.zeros((20, 30), np.float32)
    ghost[5:15, 5:15] = 0.5
    found = part_rows.measure(methods.Prediction(ghost, np.zeros((3, 20, 30), np.float32)), sample)
    assert found["mad"] == found["mad_zero"] == pytest.approx(1000 * 0.5 / 6)
    assert found["conn"] == pytest.approx(0.05) and found["grad"] > 0
    assert found["mad_soft"] is found["mad_one"] is found["fgr_mad"] is None


def test_classical_beats_all_zero_on_test(rows):
    found = [row for row in rows if row["method"] == "classical"]
    assert np.mean([row["mad"] for row in found]) < 0.3 * 1000 * np.mean([row["coverage"] for row in found])


def test_parts_are_the_same_bytes_again_whatever_the_threads(folder, inputs, classical, measured, tmp_path):
    (task,) = tasks_of(folder, inputs, classical, 9).values()
    torch.set_num_threads(2)
    again = make(part_rows.evaluate_part, dataclasses.replace(task, positions=range(4)), tmp_path / "again")
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
    for file in measured[0].iterdir():
        assert (again / file.name).read_bytes() == file.read_bytes(), file.name


def test_measures_by_hand():
    pha = np.zeros((8, 8), np.uint8)
    pha[:2], pha[2:4] = 255, 51
    guess = pha.astype(np.float32) / 255
    guess[:2] -= 0.1
    guess[4:] += 0.3
    grey = np.full((3, 8, 8), 100 / 255 + 0.2, np.float32)
    found = part_rows.measure(methods.Prediction(guess, grey), sample_of(pha))
    assert found["mad"] == pytest.approx(1000 * (0.25 * 0.1 + 0.5 * 0.3), rel=1e-4)
    assert found["mse"] == pytest.approx(1000 * (0.25 * 0.01 + 0.5 * 0.09), rel=1e-4)
    assert found["mad_one"] == pytest.approx(100, rel=1e-4)
    assert found["mad_soft"] == pytest.approx(0, abs=1e-3)
    assert found["mad_zero"] == pytest.approx(300, rel=1e-4)
    assert found["fgr_mad"] == pytest.approx(200, rel=1e-4)


def test_a_region_that_is_not_there_has_no_figure():
    nothing = np.zeros((8, 8), np.float32)
    found = part_rows.measure(
        methods.Prediction(nothing, np.zeros((3, 8, 8), np.float32)), sample_of(nothing.astype(np.uint8))
    )
    assert found["mad"] == 0
    assert found["mad_soft"] is found["mad_one"] is found["fgr_mad"] is None


def test_coarse_alphas_are_what_the_networks_gave_enlarged(folder, inputs):
    sample = ShardReader(*inputs, "test").read(0)
    base, refine = build_base("mobilenetv2").eval(), build_refine("mobilenetv2", 0.5, "sampling", 512).eval()
    found = learned.Networks(base, refine).predict([sample])
    src, bgr = (torch.from_numpy(i).permute(2, 0, 1)[None].float() / 255 for i in (sample.src, sample.bgr))

    def resized(x, side):
        return torch.nn.functional.interpolate(x, size=(side, side), mode="bilinear")

    with torch.no_grad():
        alone = base(resized(src, SIDE // 2), resized(bgr, SIDE // 2)).pha
        fine = refine(src, bgr)
    for method, expected in (
        ("base", resized(alone, SIDE)),
        ("refine", fine.pha),
        ("refine_coarse", resized(fine.pha_sm, SIDE)),
    ):
        np.testing.assert_allclose(found[method][0].pha, expected[0, 0].numpy(), atol=1e-5)
        assert found[method][0].fgr.shape == (3, SIDE, SIDE)


def test_sizes_that_are_no_multiple_of_four_come_back_whole():
    rows = rng(1, "odd").integers(0, 256, (2, 49, 66, 3)).astype(np.uint8)
    sample = Sample(rows[0], rows[1], rows[0], rows[0, ..., 0], {})
    networks = learned.Networks(build_base("mobilenetv2"), build_refine("mobilenetv2", 0.5))
    for predictions in networks.predict([sample]).values():
        assert predictions[0].pha.shape == (49, 66)
        assert predictions[0].fgr.shape == (3, 49, 66)


def test_gallery_shows_worst_and_median_of_each_strength(rows, measured, inputs, tmp_path):
    chosen = gallery.choose(rows, ["exact", "mild", "hard"], 6)
    assert [(item["strength"], item["which"]) for item in chosen] == [
        (strength, which) for strength in ("exact", "mild", "hard") for which in ("worst", "median")
    ]
    hard = {r["composite_id"]: r["mad"] for r in rows if r["strength"] == "hard" and r["method"] == "refine"}
    assert chosen[4]["composite_id"] == max(hard, key=hard.get)
    alphas = {file.name: file for part in measured for file in part.glob("*.png")}
    files = gallery.write_gallery(*inputs, chosen, alphas, tmp_path)
    index = json.loads((tmp_path / "gallery.json").read_text())
    assert len(index) == 6
    for item in index:
        assert set(item["mad"]) == set(METHODS)
        assert len(item["files"]) == 6
        for name in item["files"].values():
            assert cv2.imread(str(files[name])).shape[:2] == (SIDE, SIDE)


@pytest.mark.parametrize("count", [0, 1, 4, 100])
def test_gallery_holds_as_many_as_asked_and_none_twice(rows, count):
    chosen = gallery.choose(rows, ["exact", "mild", "hard"], count)
    assert len(chosen) == min(count, SETS["test"])
    assert len({item["composite_id"] for item in chosen}) == len(chosen)


def test_error_map_is_white_where_right_and_tells_missing_from_too_much():
    truth = np.uint8([[0, 128, 255]])
    assert (errormap.error_map(truth, truth) == 255).all()
    missing, much = errormap.error_map(np.uint8([[0, 255]]), np.uint8([[255, 0]]))[0]
    assert tuple(missing) == errormap.MISSING
    assert tuple(much) == errormap.TOO_MUCH


def test_plot_rows_are_one_a_bar(values):
    bars = summary.plot_rows(values)
    assert len(bars) == 12
    assert len({bar["bar"] for bar in bars}) == 12
    assert bars[0]["mad"] == values["test"]["exact"]["classical"]["mad"]


def test_an_ideal_baseline_says_so_in_words(rows):
    tuned = {s: Tuned("ramp", FEATURES[0], 4, 9, {"ramp": 0.0}) for s in ("exact", "mild", "hard")}
    ideal = [{**row, "mad": 0.0} if row["method"] == "classical" else row for row in rows]
    values = summary.summary(ideal, tuning.Classical(np.zeros((2, 2), np.float32), tuned))
    assert values["ratios"]["mild"]["refine_mad_to_classical"] is None
    assert sum("refine over classical None" in line for line in summary.lines(values)) == 3
