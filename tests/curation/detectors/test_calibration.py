from pathlib import Path

import numpy as np
import pytest

from curation.detectors.calibration import (
    Calibration,
    Logistic,
    cross_validate,
    fit,
    read_calibration,
    shipped,
    write_calibration,
)


def drawn(count: int, noise: float) -> tuple[np.ndarray, np.ndarray]:
    """Scores of two detectors that see people through noise."""
    rng = np.random.default_rng(0)
    person = rng.random(count) < 0.5
    odds = np.where(person, 2.0, -2.0)[:, None] + rng.normal(0, noise, (count, 2))
    return 1 / (1 + np.exp(-odds)), person


def test_a_fit_finds_who_can_be_trusted() -> None:
    scores, person = drawn(400, 1.0)
    scores[:, 1] = np.random.default_rng(1).random(400)  # the second only guesses
    model = fit(scores[:, None], person)
    assert model.coefficients[0] > 5 * abs(model.coefficients[1])
    assert model((0.9, 0.5)) > 0.9 > 0.1 > model((0.1, 0.5))


def test_cross_validation_does_not_flatter() -> None:
    """Labels that hang on nothing: a fit would seem to know some of them, a prediction of the unseen cannot."""
    scores = np.random.default_rng(2).random((60, 20))
    person = np.random.default_rng(3).random(60) < 0.5
    model = fit(scores[:, None], person)
    seen = np.mean([(model(row) > 0.5) == label for row, label in zip(scores.tolist(), person, strict=True)])
    unseen = np.mean((cross_validate(scores[:, None], person)[:, 0] > 0.5) == person)
    assert seen > 0.75 and unseen < 0.65
    assert np.array_equal(cross_validate(scores[:, None], person), cross_validate(scores[:, None], person))


def test_labels_of_one_kind_teach_nothing() -> None:
    with pytest.raises(ValueError, match="label some of both"):
        fit(np.full((5, 1, 2), 0.5), np.ones(5, bool))


def test_a_calibration_is_a_file(tmp_path: Path) -> None:
    known = Calibration(
        detectors=("a@1", "b@2"), whole=Logistic(coefficients=(1.0,), intercept=0.5),
        tiled=Logistic(coefficients=(2.0,), intercept=-0.5), enough=0.9, threshold=0.3, images=10, with_people=5,
    )  # fmt: skip
    write_calibration(known, tmp_path / "own.json")
    assert read_calibration(tmp_path / "own.json") == known
    with pytest.raises(FileNotFoundError, match="cleanplate calibrate-people"):
        read_calibration(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text('{"detectors": []}')
    with pytest.raises(ValueError, match=r"bad.json is no calibration \(whole: Field required"):
        read_calibration(tmp_path / "bad.json")


def test_the_shipped_one_says_who_it_is_for() -> None:
    known = shipped()
    assert [name.split("@")[0] for name in known.detectors] == ["yolox_nano", "nanodet_m_416"]
    assert 0 < known.threshold < known.enough < 1
    assert known.whole((0.9, 0.9, 0.9)) > known.enough and known.tiled((0.02, 0.02, 0)) < 0.05
