"""``cleanplate captured``: real pairs or a clip without true alpha -> figures a method, and a sheet of pictures."""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from compositing.calibration.captured import find_pairs
from compositing.codec import Image
from compositing.shards.reader import Sample
from curation.storage import writing
from pipelines.calibrate import person_boxes
from pipelines.matting import plates
from pipelines.matting.reading import Clip, Frame, read_picture, spread
from pipelines.progress import Progress
from training.evaluation import captured
from training.evaluation.captured import Box, Segmentation
from training.evaluation.methods import Method
from training.evaluation.strips import shown, strip, write_stacked

FIGURES = ("outside", "holes", "flicker")
Boxes = Callable[[str, Image], tuple[Box, ...]]
"""Tells where people are in a source, by its name or its pixels."""


class Shot(NamedTuple):
    """One source and its plate."""

    name: str
    src: Image
    """(H, W, 3) RGB uint8."""
    bgr: Image
    """The same."""
    plate: str
    """Where the plate is from, in words."""
    follows: bool
    """Whether it is the frame right after the shot before."""


class Looked(NamedTuple):
    """What came out for one shot."""

    shot: Shot
    boxes: tuple[Box, ...]
    people: Segmentation
    alphas: dict[str, NDArray[np.float32]]
    """By method, (H, W) 0 to 1."""


def pairs(src: Path, bgr: Path) -> Iterator[Shot]:
    """Read the captured pairs of two folders. Raises ValueError naming a source without a plate that fits."""
    for pair in find_pairs(src, bgr):
        if pair.bgr is None:
            raise ValueError(pair.reason)
        yield _shot(
            pair.src.name, read_picture(pair.src), read_picture(pair.bgr), f"{pair.bgr.name} ({pair.reason})", False
        )


def clip(src: Path, bgr: Path | None, start: int, count: int, boxes: Boxes) -> Iterator[Shot]:
    """Read ``count`` frames of a clip on a static camera, from frame ``start`` on.

    Without ``bgr``, a picture of the empty scene, the plate is recovered from the clip (``plates.recovered``). Raises
    ValueError where the clip cannot be decoded or ends before ``start``.
    """
    if bgr is None:
        (plate, words), _ = plates.recovered(spread(src, plates.FRAMES), lambda frame: boxes(src.name, frame))
    else:
        plate, words = read_picture(bgr), bgr.name
    seen = 0
    with Clip(src) as opened:
        for frame in islice(opened.read(), start, start + count):
            assert isinstance(frame, Frame)
            yield _shot(f"{src.name} {start + seen}", frame.image, plate, words, follows=seen > 0)
            seen += 1
    if not seen:
        raise ValueError(f"{src} has no frame {start}; lower --start")


def _shot(name: str, src: Image, bgr: Image, plate: str, follows: bool) -> Shot:
    if src.shape != bgr.shape:
        sizes = " and ".join(f"{image.shape[1]}x{image.shape[0]}" for image in (src, bgr))
        raise ValueError(f"{name} and its plate {plate} are {sizes}; give both one size")
    return Shot(name, src, bgr, plate, follows)


def detected(find: plates.Boxes) -> Boxes:
    """Boxes from the pixels alone, whatever the source's name."""
    return lambda name, image: find(image)


def listed(people: Path) -> Boxes:
    """Boxes from a table of ``cleanplate people --boxes``, by the source's name."""
    known = person_boxes(people)
    return lambda name, image: known.get(name, ())


def look(
    shots: Sequence[Shot], methods: Sequence[Method], boxes: Boxes, masks: Path | None
) -> tuple[list[Image], pd.DataFrame]:
    """Matte every shot with every method and measure it.

    ``masks``: a folder of masks of people, named as the sources; None: segmented. Returns strips of pictures of up to
    ``SHEET_ROWS`` shots, evenly spread, and a row a shot and method: name, plate, people (how many), trust (of the
    segmentation), method, and FIGURES, null where one says nothing.
    """
    pictured = set(np.linspace(0, len(shots) - 1, min(len(shots), SHEET_ROWS)).round().astype(int).tolist())
    before: Looked | None = None
    strips: list[Image] = []
    rows: list[dict[str, Any]] = []
    with Progress("captured", len(shots)) as progress:
        for number, shot in enumerate(shots):
            near = boxes(shot.name, shot.src)
            people = captured.segment(shot.src, near) if masks is None else _given(masks, shot, near)
            sample = [Sample(shot.src, shot.bgr, shot.src, np.zeros(shot.src.shape[:2], np.uint8), {})]
            now = Looked(shot, near, people, {m.name: m.predict(sample)[0].pha for m in methods})
            rows += _rows(now, before if shot.follows else None)
            if number in pictured:
                strips.append(_strip(now))
            before = now
            progress.advance()
    return strips, pd.DataFrame(rows)


def _rows(now: Looked, before: Looked | None) -> Iterator[dict[str, Any]]:
    shot = now.shot
    unchanged = None if before is None else captured.still(before.shot.src, shot.src)
    for method, alpha in now.alphas.items():
        yield {
            "name": shot.name,
            "plate": shot.plate,
            "people": len(now.boxes),
            "trust": round(now.people.trust, 3),
            "method": method,
            "outside": captured.outside_error(alpha, now.boxes),
            "holes": captured.hole_error(alpha, now.people),
            "flicker": None
            if before is None or unchanged is None
            else captured.flicker(before.alphas[method], alpha, unchanged),
        }


def _given(masks: Path, shot: Shot, boxes: Sequence[Box]) -> Segmentation:
    stem = Path(shot.name).stem
    found = sorted(file for file in masks.glob(f"{stem}.*") if file.suffix.lower() in (".png", ".jpg", ".jpeg"))
    if not found:
        return Segmentation(np.zeros(shot.src.shape[:2], bool), 0.0)
    mask = read_picture(found[0])[:, :, 0] > 127
    if mask.shape != shot.src.shape[:2]:
        raise ValueError(f"{found[0]} is {mask.shape[1]}x{mask.shape[0]}, {shot.name} is not; give both one size")
    return Segmentation(captured.eroded(mask, boxes), 1.0)


def summed(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """Sum up by method: method, then for each of FIGURES a figure and of how many shots it is.

    The mean, but for holes the median: one segmentation that took a wall for clothes would outweigh all others.
    """
    table = []
    for method in dict.fromkeys(rows["method"]):
        part = rows[rows["method"] == method]
        line: dict[str, Any] = {"method": method}
        for name in FIGURES:
            values = part[name].dropna().astype("float64")
            middle = values.median() if name == "holes" else values.mean()
            line[name] = round(float(middle), 2) if len(values) else None
            line[f"{name}_shots"] = len(values)
        table.append(line)
    return table


def write(folder: Path, strips: Sequence[Image], rows: pd.DataFrame) -> None:
    """Write ``captured.json`` (sums and rows) and ``sheet.jpg`` (the strips under each other) into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    records = rows.astype(object).where(rows.notna(), None).to_dict("records")
    values = {"methods": summed(rows), "shots": records}
    with writing(folder / "captured.json") as temporary:
        temporary.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    write_stacked(strips, folder / "sheet.jpg")


SHEET_ROWS = 12
WIDTH = 300
"""Width of a picture on the sheet, pixels."""
_BOX, _INSIDE = (253, 174, 97), (102, 189, 99)


def _strip(looked: Looked) -> Image:
    shot = looked.shot
    height, width = shot.src.shape[:2]
    marked = shot.src.copy()
    marked[looked.people.inside] = marked[looked.people.inside] // 2 + np.array(_INSIDE, np.uint8) // 2
    for box in looked.boxes:
        x, y, w, h = captured.grown(box, captured.GROWN)
        corners = (int(x * width), int(y * height)), (int((x + w) * width) - 1, int((y + h) * height) - 1)
        cv2.rectangle(marked, *corners, _BOX, max(2, width // 300))
    pictures = {
        shot.name: shot.src,
        f"plate: {shot.plate}": shot.bgr,
        f"boxes; surely people, trust {looked.people.trust:.2f}": marked,
    }
    return strip(pictures | {method: shown(alpha) for method, alpha in looked.alphas.items()}, WIDTH)
