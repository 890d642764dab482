"""Rows over a test set of the user's: flicker, what cannot be read, methods by file."""

import numpy as np
import pytest

from compositing.shards.reader import Sample
from training.evaluation import rows, summary, tuning
from training.evaluation.baseline import FEATURES, Tuned
from training.evaluation.choosing import Project, build_methods
from training.evaluation.metrics import dtssd
from training.testsets.testset import Unusable


class Clip:
    """Seven frames of a bar that moves, before a grey wall; the fourth cannot be read."""

    name = "bars"
    unusable = (Unusable("notes.txt", "no picture"),)

    def __len__(self) -> int:
        return 7

    def follows(self, position: int) -> bool:
        return position > 0

    def read(self, position: int) -> Sample:
        if position == 3:
            raise ValueError("frame 3 is damaged")
        pha = np.zeros((32, 32), np.uint8)
        pha[:, 4 * position : 4 * position + 8] = 255
        bgr = np.full((32, 32, 3), 90, np.uint8)
        # The first row shows nothing of the bar, so that no method is perfect.
        src = np.where(pha[..., None] > 0, np.uint8(220), bgr)
        src[0] = 90
        recipe = {"composite_id": f"bars/{position}", "ordinal": position, "strength": "captured", "clip": "bars"}
        return Sample(src, bgr, src, pha, {**recipe, "frame": position, "fgr_known": False})


@pytest.fixture
def project(tmp_path) -> Project:
    tuned = {"mild": Tuned("threshold", FEATURES[0], 60, 61, {})}
    classical = tuning.Classical(np.zeros((2, 2), np.float32), tuned)
    return Project(tmp_path / "base.safetensors", tmp_path / "refine.safetensors", "cpu", classical)


def measured(project: Project, batch: int, folder) -> rows.Found:
    parts = []
    for key, task in rows.tasks(Clip(), batch, ["classical", "guided"], project).items():
        parts.append(folder / f"{batch}-{key}")
        parts[-1].mkdir(parents=True)
        rows.evaluate_part(task, parts[-1])
    return rows.collect(parts)


def test_flicker_is_against_the_frame_before_whatever_the_tasks(project, tmp_path):
    found = {batch: measured(project, batch, tmp_path) for batch in (2, 3, 7)}
    assert found[2] == found[3] == found[7]
    flicker = {row["frame"]: row["dtssd"] for row in found[2].rows if row["method"] == "classical"}
    # The first frame follows nothing, the fifth a frame that could not be read.
    assert {frame: value is None for frame, value in flicker.items()} == {
        0: True,
        1: False,
        2: False,
        4: True,
        5: False,
        6: False,
    }
    (method,) = build_methods(["classical"], project)
    one, two = (Clip().read(position) for position in (1, 2))
    pha = [method.predict([sample])[0].pha for sample in (one, two)]
    truth = [sample.pha / 255 for sample in (one, two)]
    assert flicker[2] == pytest.approx(dtssd(pha[1], pha[0], truth[1], truth[0])) and flicker[2] > 0


def test_what_cannot_be_read_is_told_once_and_counted(project, tmp_path):
    found = measured(project, 2, tmp_path)
    assert found.unusable == [Unusable("sample 3", "frame 3 is damaged")]
    assert {row["frame"] for row in found.rows} == {0, 1, 2, 4, 5, 6}
    values = summary.set_summary("bars", found.rows, True, [*Clip.unusable, *found.unusable])
    assert (values["samples"], values["clips"], values["real"]) == (6, 1, True)
    assert values["unusable"][1] == {"name": "sample 3", "reason": "frame 3 is damaged"}
    assert values["intervals"]["guided"]["mad"] is None
    assert "strengths" not in values and "fgr_mad" not in values["methods"]["classical"]
    with pytest.raises(ValueError, match="test set 'bars': no sample could be measured: sample 3: frame 3 is damaged"):
        summary.set_summary("bars", [], True, found.unusable)


def test_a_set_of_several_strengths_is_summed_up_by_each(project, tmp_path):
    found = measured(project, 7, tmp_path).rows
    both = [
        {**row, "strength": strength, "mad": row["mad"] * k}
        for strength, k in (("exact", 1), ("hard", 3))
        for row in found
    ]
    values = summary.set_summary("bars", both, True, [])
    exact, hard = (values["strengths"][s]["methods"]["guided"]["mad"] for s in ("exact", "hard"))
    assert hard == pytest.approx(3 * exact, abs=1e-3)
    assert values["methods"]["guided"]["mad"] == pytest.approx(2 * exact, abs=1e-3)


def test_the_headline_is_real_mattes_and_never_the_sample():
    real, made = {"real": True}, {"real": False}
    assert summary.headline(True, {})["set"] is None and "no headline" in summary.headline(True, {})["words"]
    assert summary.headline(True, {"made": made})["set"] is None
    assert summary.headline(True, {"made": made, "photomatte": real})["set"] == "photomatte"
    assert summary.headline(False, {"made": made})["set"] == "test"
    said = summary.lines({"test": {}, "cases": {}, "clips": {}, "worst": [], "headline": summary.headline(True, {})})
    assert said == ["no intervals: 0 clips, below 10", f"headline: {summary.headline(True, {})['words']}"]


def test_methods_that_are_not_known_are_named(project, tmp_path):
    with pytest.raises(ValueError, match="method 'keyer' is not known; expected classical"):
        build_methods(["keyer"], project)
    odd = Project(project.base, project.refine, "cpu", None, files={"x": tmp_path / "x.txt"})
    with pytest.raises(ValueError, match=r"neither an \.onnx file nor weights"):
        build_methods(["x"], odd)
    with pytest.raises(ValueError, match="the baseline was not tuned"):
        build_methods(["guided"], odd)


def test_the_tuned_baseline_survives_being_written(project, tmp_path):
    with pytest.raises(FileNotFoundError, match="dvc repro evaluate"):
        tuning.load_classical(tmp_path)
    assert set(tuning.write_classical(project.classical, tmp_path)) == {"mean.npy", "classical.json"}
    again = tuning.load_classical(tmp_path)
    assert again.tuned == project.classical.tuned
    assert np.array_equal(again.mean, project.classical.mean)
