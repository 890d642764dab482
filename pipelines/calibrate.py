"""``cleanplate calibrate``: fits fusion to labelled photographs and says what it is worth on others like them."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curation.audit import Looked, Point, at, curve
from curation.detectors.build import MemberSpec, build_detector
from curation.detectors.calibration import LEAST, Calibration, cross_validate, fit
from curation.detectors.fusion import measure
from curation.images import decode_rgb
from curation.people import SIDE
from curation.sources import Source
from pipelines.engine import run_parts

ENOUGH = 0.97
"""Probability from which tiles are not looked at."""
CHUNK = 10
PART = "figures.json"


class Fitted(NamedTuple):
    """A calibration, and what it did on photographs it had not seen."""

    calibration: Calibration
    chosen: Point
    """At its threshold, cross-validated."""
    points: list[Point]
    """All thresholds, cross-validated."""
    settled: float
    """Share of the photographs that the whole image alone settles."""


class _Task(NamedTuple):
    root: Path
    weights: tuple[Path, Path]
    locators: tuple[str, ...]


def calibrate(folder: Path, labels: Mapping[str, bool], weights: tuple[Path, Path], most_false: float) -> Fitted:
    """Fit fusion's two regressions to labelled photographs.

    Args:
        folder: where they are.
        labels: locator -> whether somebody is there.
        weights: ONNX files of the first and the second detector.
        most_false: share of photographs without people that may be rejected; the threshold is as low as that allows.

    Raises:
        ValueError: all labels are alike, or a photograph cannot be read.
        FileNotFoundError: one is missing.
    """
    locators = sorted(labels)
    person = np.array([labels[locator] for locator in locators])
    whole, tiled, names = _figures(folder, locators, weights)
    guessed = _cascade(cross_validate(whole, person), cross_validate(tiled, person))
    points = curve(Looked(locators, guessed, person, []), 1e-6)
    allowed = [point for point in points if point.false_alarms.share <= most_false]
    best = max(point.recall.share for point in allowed)
    # Between the last threshold that finds as many and the next lower score: the middle hangs on no single image.
    same = [point.threshold for point in allowed if point.recall.share == best]
    below = guessed[guessed < min(same)].max(initial=0)
    threshold = round(float(np.sqrt(min(same) * below)) if below else min(same), 3)
    calibration = Calibration(
        detectors=names,
        whole=fit(whole, person),
        tiled=fit(tiled, person),
        enough=ENOUGH,
        threshold=threshold,
        images=len(person),
        with_people=int(person.sum()),
    )
    settled = float(np.mean([calibration.whole(row) >= ENOUGH for row in whole.tolist()]))
    looked = Looked(locators, guessed, person, [])
    return Fitted(calibration, at(looked, threshold), points, settled)


def _cascade(whole: npt.NDArray[np.float64], tiled: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(whole >= ENOUGH, whole, tiled)


def _figures(
    folder: Path, locators: list[str], weights: tuple[Path, Path]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], tuple[str, str]]:
    chunks = [tuple(locators[start : start + CHUNK]) for start in range(0, len(locators), CHUNK)]
    tasks = {f"{place:05d}": _Task(folder, weights, chunk) for place, chunk in enumerate(chunks)}
    with tempfile.TemporaryDirectory() as name:
        parts = run_parts(tasks, measure_part, Path(name), "photographs")
        read = [json.loads((part / PART).read_text(encoding="utf-8")) for part in parts]
    rows = np.array([row for part in read for row in part["rows"]], np.float64)
    return rows[:, 0], rows[:, 1], tuple(read[0]["names"])


def measure_part(task: _Task, folder: Path) -> None:
    """Measure some photographs into ``folder/figures.json``."""
    first, second = (
        build_detector(MemberSpec("onnx", None, (file,), ("whole",)), LEAST, "cpu") for file in task.weights
    )
    source = Source(task.root)
    rows = [measure(decode_rgb(source.read(name), least_side=SIDE), first, second) for name in task.locators]
    (folder / PART).write_text(json.dumps({"names": [first.name, second.name], "rows": rows}), encoding="utf-8")
