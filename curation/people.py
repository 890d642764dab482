"""Tiles, cascade, fusion: an image -> person boxes."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, model_validator

from curation.config import Section
from curation.detectors import Detections, Detector, arrange, suppress
from curation.identity import content_id, item_id
from curation.images import Rgb, decode_rgb
from curation.sources import Source
from curation.tables import PEOPLE, by_kind, part_length, write_table

CHUNK = 200
PART = "people.parquet"
TILE = 0.6
"""Side of a tile as a share of the image's: neighbours overlap by a fifth of the image, so that a person on the seam
is whole in at least one."""

Kind = Literal["builtin", "onnx", "fusion"]
Look = Literal["whole", "tiles2x2"]
Row = dict[str, Any]


class DetectParams(Section):
    """Parameters of the ``detect`` stage."""

    detector: Kind
    """``builtin``: what OpenCV carries (faces, bodies); ``onnx``: a detector file; ``fusion``: two of them, a YOLOX and
    a NanoDet, with one calibrated score."""
    weights: str | tuple[str, ...] | None
    """File of the detector, for ``fusion`` a list of two; also looked up in $CLEANPLATE_WEIGHTS. Null: ``builtin``."""
    looks: tuple[Look, ...] = Field(min_length=1)
    """What is looked at: the whole image, overlapping tiles."""
    floor: float = Field(gt=0, lt=1)
    """Lowest score that is stored, 0 to 1; ``curate`` can ask for any threshold from here up."""

    @model_validator(mode="after")
    def _fits(self) -> "DetectParams":
        if self.detector == "onnx" and len(self.files) != 1:
            raise ValueError("detector 'onnx' needs detect.weights: the path of one file, a YOLOX for example")
        if self.detector == "fusion" and len(self.files) != 2:
            raise ValueError("detector 'fusion' needs detect.weights: a list of two files, a YOLOX and a NanoDet")
        if self.detector == "fusion" and self.looks != ("whole",):
            raise ValueError("detector 'fusion' makes its own tiles; set detect.looks to [whole]")
        if self.detector == "builtin" and self.weights is not None:
            raise ValueError("detector 'builtin' takes no weights; set detect.weights to null, or detector to 'onnx'")
        if len(set(self.looks)) != len(self.looks):
            raise ValueError("looks: each may be named once")
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """The names of the detector's files."""
        if self.weights is None:
            return ()
        return (self.weights,) if isinstance(self.weights, str) else self.weights


class DetectorSpec(NamedTuple):
    """How a worker builds its detector."""

    kind: Kind
    weights: tuple[Path, ...]
    floor: float


@lru_cache(maxsize=2)
def build_detector(spec: DetectorSpec) -> Detector:
    """Build a detector, once a process. Raises ValueError or FileNotFoundError where its files do not fit."""
    if spec.kind == "builtin":
        from curation.detectors.builtin import BuiltinDetector

        return BuiltinDetector(spec.floor)
    if spec.kind == "fusion":
        from curation.detectors.fusion import FusedDetector

        return FusedDetector(spec.weights, spec.floor)
    from curation.detectors.onnx import OnnxDetector

    (weights,) = spec.weights
    return OnnxDetector(weights, spec.floor)


class Target(NamedTuple):
    """One image to look at, as the index knows it."""

    dataset: str
    locator: str
    image_id: str | None
    status: str


class DetectTask(NamedTuple):
    """One chunk of images, for a worker."""

    root: Path
    detector: DetectorSpec
    looks: tuple[Look, ...]
    targets: tuple[Target, ...]


def tasks(
    images: pa.Table, root: Path, detector: DetectorSpec, looks: tuple[Look, ...], chunk: int | None = None
) -> dict[str, DetectTask]:
    """Cut the rows of the index into chunks; a key names the detector too, for new weights may wear an old name."""
    name = item_id(build_detector(detector).name)[:8]
    chunk = chunk or part_length(images.num_rows, CHUNK)
    cut: dict[str, DetectTask] = {}
    for start in range(0, images.num_rows, chunk):
        columns = images.select(Target._fields).slice(start, chunk).to_pydict()
        part = tuple(map(Target, *columns.values()))
        cut[f"{start // chunk:06d}-{name}"] = DetectTask(root, detector, looks, part)
    return cut


def detect_part(task: DetectTask, folder: Path) -> None:
    """Look at one chunk and write ``folder/people.parquet``. Pure: the same files give the same bytes."""
    detector, source = build_detector(task.detector), Source(task.root)
    rows: list[Row] = []
    for target in task.targets:
        rows.extend(look_at(target, source, detector, task.looks, task.detector.floor))
    write_table(PEOPLE, rows, folder / PART)


def look_at(target: Target, source: Source, detector: Detector, looks: Sequence[Look], floor: float) -> list[Row]:
    """Return the PEOPLE rows of one image: one a person, or one with a null box where nobody is, or with a reason."""
    row: Row = dict.fromkeys(PEOPLE.columns)
    row |= {"dataset": target.dataset, "locator": target.locator, "image_id": target.image_id}
    row |= {"detector": detector.name, "look": "+".join(looks), "rank": 0, "floor": floor}
    if target.status != "ok":
        return [row | {"status": f"not looked at: {target.status}"}]
    try:
        data = source.read(target.locator)
        if content_id(data) != target.image_id:
            return [row | {"status": "changed since it was indexed; run 'cleanplate scan'"}]
        found = find_people(decode_rgb(data), detector, looks)
    except (OSError, ValueError, cv2.error) as error:
        words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return [row | {"status": f"not looked at: {words}"}]
    row["status"] = "ok"
    if not len(found.scores):
        return [row]
    return [
        row | {"rank": rank, "score": float(score), "x": float(x), "y": float(y), "w": float(w), "h": float(h)}
        for rank, (score, (x, y, w, h)) in enumerate(zip(found.scores, found.boxes, strict=True))
    ]


def find_people(image: Rgb, detector: Detector, looks: Sequence[Look]) -> Detections:
    """Look at an image (H, W, 3) uint8 in each way asked for, and merge what was found."""
    views = [view for look in looks for view in windows(look)]
    height, width = image.shape[:2]
    cuts = []
    for x, y, w, h in views:
        top, left = round(y * height), round(x * width)
        cuts.append(image[top : max(top + 1, round((y + h) * height)), left : max(left + 1, round((x + w) * width))])
    boxes, scores = [], []
    for (x, y, w, h), found in zip(views, detector.detect(cuts), strict=True):
        boxes.append(found.boxes * [w, h, w, h] + [x, y, 0, 0])
        scores.append(found.scores)
    merged = arrange(np.concatenate(boxes), np.concatenate(scores))
    return merged if len(views) == 1 else suppress(merged, iou=0.5, inside=0.8)


def windows(look: Look) -> tuple[tuple[float, float, float, float], ...]:
    """The windows of one look: x, y, width, height as shares of the image."""
    if look == "whole":
        return ((0.0, 0.0, 1.0, 1.0),)
    far = 1 - TILE
    return tuple((x, y, TILE, TILE) for y in (0.0, far) for x in (0.0, far))


def summary(people: pa.Table) -> dict[str, Any]:
    """Count a PEOPLE table: images, those with and without a detection at the floor, those not looked at, and why.

    Raises ValueError where no image could be looked at.
    """
    first = people.filter(pc.equal(people["rank"], 0))
    statuses = by_kind(first["status"].to_pylist())
    if not statuses.get("ok"):
        counts = ", ".join(f"{kind} {count}" for kind, count in statuses.items()) or "the index is empty"
        raise ValueError(f"no image could be looked at: {counts}; see the column status in data/images.parquet")
    found = pc.sum(pc.is_valid(first["score"])).as_py()
    return {
        "detector": sorted(set(first["detector"].to_pylist())),
        "images": first.num_rows,
        "with_person": found,
        "nobody": statuses["ok"] - found,
        "detections": people.num_rows - people["score"].null_count,
        "status": statuses,
    }
