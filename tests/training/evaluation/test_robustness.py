import json
from dataclasses import replace

import numpy as np
import pytest
from ruamel.yaml import YAML

from curation.tables import read_table, write_table
from pipelines.presets import preset_text
from tests.training.evaluation.exact_world import make_sample, write_test_set
from training.config import RobustnessParams
from training.evaluation import changes, probes, robustness, tuning
from training.evaluation.baseline import FEATURES, Tuned
from training.evaluation.choosing import Project
from training.evaluation.tables import ROBUSTNESS

VALUES = {
    "accelerator": "cpu", "seed": 1, "methods": ["classical"], "samples": 2, "pictured": 1,
    "shift": [16, 0, 4], "exposure": [0, 1], "white_balance": [0.3], "gamma": [1], "noise": [0.05], "jpeg": [20],
    "shadow": [],
}  # fmt: skip


@pytest.fixture(scope="module")
def params():
    return RobustnessParams.model_validate_json(json.dumps(VALUES))


@pytest.fixture(scope="module")
def tasks(tmp_path_factory, params):
    folder = tmp_path_factory.mktemp("robustness")
    tuned = {"mild": Tuned("ramp", FEATURES[0], 16, 48, {"ramp": 0.0})}
    classical = tuning.Classical(np.zeros((4, 4), np.float32), tuned)
    project = Project(folder / "none", folder / "none", "cpu", classical)
    return robustness.tasks(*write_test_set(folder, 11), params.methods, project, params)


@pytest.fixture(scope="module")
def measured(tasks, tmp_path_factory):
    folders = []
    for key, task in tasks.items():
        folders.append(tmp_path_factory.mktemp("parts") / key)
        folders[-1].mkdir()
        robustness.robustness_part(task, folders[-1])
    return folders


@pytest.fixture(scope="module")
def values(measured):
    return robustness.summary(robustness.collect(measured))


def test_published_ranges_are_those_of_the_preset():
    train = YAML(typ="safe", pure=True).load(preset_text("published"))["plan"]["train"]
    keys = {"shift": "shift", "exposure": "gain", "white_balance": "white_balance", "noise": "noise"}
    for sweep, key in {**keys, "shadow": "shadow_strength"}.items():
        assert list(robustness.SWEEPS[sweep].published) == train[key], sweep


def test_samples_are_the_exact_ones_evenly_spread_and_the_wrong_plate_is_another_place(tasks):
    # Of ordinals 0 to 10 the even ones are exact and the last shows nobody: positions 0 and 4, photographs 0 and 2.
    assert list(tasks) == ["sample-000000", "sample-000008"]
    assert [(task.position, task.other, task.pictured) for task in tasks.values()] == [(0, 2, True), (4, 0, False)]


def test_curves_have_what_others_read(values, params):
    assert list(values["curves"]) == ["shift", "exposure", "white_balance", "gamma", "noise", "jpeg"]
    assert values["samples"] == 2
    shift = values["curves"]["shift"]
    assert shift["unit"].startswith("pixels") and tuple(shift["published"]) == (0, 5)
    assert [point["value"] for point in shift["points"]] == [0, 4, 16]
    assert all(set(point) == {"value", "difference", "classical"} for point in shift["points"])
    assert set(values["probes"]) == set(probes.MEASURES)
    assert values["probes"]["swapped"].keys() == {"samples", "measure", "difference", "classical"}
    assert values["probes"]["swapped"]["samples"] == 2
    json.dumps(values, allow_nan=False)
    means = [point["classical"] for point in shift["points"]]
    assert values["mean"]["shift"]["classical"] == pytest.approx(np.mean(means), abs=1e-3)


def test_what_changes_nothing_is_one_measurement(values):
    neutral = [values["curves"][name]["points"][0] for name in ("shift", "exposure", "gamma")]
    assert all({**point, "value": 0} == {**neutral[0], "value": 0} for point in neutral)


def test_a_plain_difference_suffers_where_the_aligned_one_does_not(values):
    first, _, last = values["curves"]["shift"]["points"]
    dark = values["curves"]["exposure"]["points"][1]
    assert dark["difference"] > 5 * first["difference"]
    assert dark["classical"] < 0.3 * dark["difference"]
    assert last["difference"] > first["difference"]


def test_rows_fit_the_table_and_are_the_same_bytes_again(measured, tasks, tmp_path):
    write_table(ROBUSTNESS, robustness.collect(measured), tmp_path / "robustness.parquet")
    table = read_table(ROBUSTNESS, tmp_path / "robustness.parquet").to_pandas()
    points = sum(len(VALUES[name]) for name in robustness.SWEEPS)
    assert len(table) == 2 * 2 * (points + len(probes.MEASURES))
    (tmp_path / "again").mkdir()
    robustness.robustness_part(next(iter(tasks.values())), tmp_path / "again")
    for file in measured[0].iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes(), file.name


def test_only_pictured_samples_leave_pictures(measured):
    assert {file.name for file in measured[0].glob("*.png")} == {f"{name}.png" for name in probes.MEASURES}
    assert not list(measured[1].glob("*.png"))


def test_another_seed_moves_the_camera_elsewhere(tasks, tmp_path):
    task = next(iter(tasks.values()))
    other = replace(task, params=task.params.model_copy(update={"seed": 2}), pictured=False)
    robustness.robustness_part(other, tmp_path)
    one, two = (
        {(r["name"], r["value"]): r["mad"] for r in rows if r["method"] == "difference"}
        for rows in (robustness.collect([tmp_path]), robustness.collect([_part(task, tmp_path / "same")]))
    )
    assert one["shift", 16.0] != two["shift", 16.0]
    assert one["exposure", 1.0] == two["exposure", 1.0]


def _part(task, folder):
    folder.mkdir()
    robustness.robustness_part(task, folder)
    return folder


def test_an_unknown_sweep_names_those_there_are():
    with pytest.raises(ValueError, match=r"sweep 'fog' .* shift, exposure"):
        robustness.changed(make_sample(), "fog", 1.0, changes.draw_chance(1, 0), 0)


def test_plot_files_hold_a_row_a_point(values):
    files = robustness.plot_rows(values)
    assert files["shift.json"] == values["curves"]["shift"]["points"]
    assert len(robustness.lines(values)) == len(values["curves"]) + len(values["probes"])
