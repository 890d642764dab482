"""``cleanplate calibrate-people``: fits fusion to labelled photographs, says what it is worth on others like them."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from curation.audit import Looked, Point, at, curve
from curation.detectors.build import MemberSpec, build_detector
from curation.detectors.calibration import LEAST, Array, Calibration, cross_validate, fit
from curation.detectors.fusion import measure
from curation.images import Rgb, decode_rgb
from curation.people import SIDE
from curation.sources import Source
from pipelines.engine import run_parts

ENOUGH = 0.97
"""Probability from which tiles are not looked at."""
PLACES_SIDE = 512
"""Short side of Places365's large images, pixels."""
CHUNK = 5
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
    # Other views of a photograph teach, but hang together with it: only the photographs themselves are counted.
    own = Looked(locators, guessed[:, 0], person, np.ones(len(person), bool), [])
    points = curve(own, 1e-6)
    allowed = [point for point in points if point.false_alarms.share <= most_false]
    best = max(point.recall.share for point in allowed)
    same = [point.threshold for point in allowed if point.recall.share == best]
    # All thresholds from the next lower score to the highest of these do alike: the middle hangs on no single image.
    below = own.scores[own.scores < min(same)].max(initial=LEAST)
    threshold = round(float(np.sqrt(below * max(same))), 3)
    calibration = Calibration(
        detectors=names,
        whole=fit(whole, person),
        tiled=fit(tiled, person),
        enough=ENOUGH,
        threshold=threshold,
        images=len(person),
        with_people=int(person.sum()),
    )
    settled = float(np.mean([calibration.whole(views[0]) >= ENOUGH for views in whole.tolist()]))
    return Fitted(calibration, at(own, threshold), points, settled)


def views(image: Rgb) -> list[Rgb]:
    """A photograph (H, W, 3) as it is, mirrored, and as small as Places365's: what must be judged alike."""
    scale = PLACES_SIDE / min(image.shape[:2])
    small = image if scale >= 1 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return [image, np.ascontiguousarray(image[:, ::-1]), np.asarray(small, np.uint8)]


def _cascade(whole: Array, tiled: Array) -> Array:
    return np.where(whole >= ENOUGH, whole, tiled)


def _figures(folder: Path, locators: list[str], weights: tuple[Path, Path]) -> tuple[Array, Array, tuple[str, str]]:
    chunks = [tuple(locators[start : start + CHUNK]) for start in range(0, len(locators), CHUNK)]
    tasks = {f"{place:05d}": _Task(folder, weights, chunk) for place, chunk in enumerate(chunks)}
    with tempfile.TemporaryDirectory() as name:
        parts = run_parts(tasks, measure_part, Path(name), "photographs")
        read = [json.loads((part / PART).read_text(encoding="utf-8")) for part in parts]
    rows = np.array([row for part in read for row in part["rows"]], np.float64)
    return rows[..., 0, :], rows[..., 1, :], tuple(read[0]["names"])


def measure_part(task: _Task, folder: Path) -> None:
    """Measure some photographs into ``folder/figures.json``."""
    first, second = (
        build_detector(MemberSpec("onnx", None, (file,), ("whole",)), LEAST, "cpu") for file in task.weights
    )
    source = Source(task.root)
    rows = []
    for name in task.locators:
        image = decode_rgb(source.read(name), least_side=SIDE)
        rows.append([measure(view, first, second) for view in views(image)])
    (folder / PART).write_text(json.dumps({"names": [first.name, second.name], "rows": rows}), encoding="utf-8")
