"""``cleanplate captured``: real pairs or a clip without true alpha -> figures a method, and a sheet of pictures."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from compositing.calibration.captured import find_pairs
from compositing.codec import Image
from compositing.shards.reader import Sample
from curation.detectors.observers import Observer
from curation.images import decode_rgb
from curation.storage import writing
from pipelines.progress import Progress
from training.evaluation import captured
from training.evaluation.captured import Box, Segmentation
from training.evaluation.methods import Method

VIDEOS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v")
MEDIAN_OF = 64
"""Frames of a clip that are looked at for its median, at most; at least half as many."""
EMPTY = 5
"""So many empty frames make a better plate than all that were looked at."""
FIGURES = ("outside", "holes", "flicker")
Boxes = Callable[[str, Image], tuple[Box, ...]]


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
        yield _shot(pair.src.name, _read(pair.src), _read(pair.bgr), f"{pair.bgr.name} ({pair.reason})", False)


def clip(src: Path, bgr: Path | None, start: int, count: int, boxes: Boxes) -> Iterator[Shot]:
    """Read ``count`` frames of a clip on a static camera, from frame ``start`` on.

    Without ``bgr``, a picture of the empty scene, the plate is the median of frames all over the clip in which nobody
    is found, or, where there are fewer than ``EMPTY``, of frames all over it: whoever then stands in one place for half
    of the clip is in the plate. Raises ValueError where the clip cannot be decoded or ends before ``start``.
    """
    plate, words = _median(src, boxes) if bgr is None else (_read(bgr), bgr.name)
    seen = 0
    for number, frame in enumerate(_frames(src)):
        if number >= start + count:
            break
        if number >= start:
            yield _shot(f"{src.name} {number}", frame, plate, words, follows=seen > 0)
            seen += 1
    if not seen:
        raise ValueError(f"{src} has no frame {start}; lower --start")


def _shot(name: str, src: Image, bgr: Image, plate: str, follows: bool) -> Shot:
    if src.shape != bgr.shape:
        sizes = " and ".join(f"{image.shape[1]}x{image.shape[0]}" for image in (src, bgr))
        raise ValueError(f"{name} and its plate {plate} are {sizes}; give both one size")
    return Shot(name, src, bgr, plate, follows)


def _read(path: Path) -> Image:
    try:
        return decode_rgb(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


def _frames(path: Path) -> Iterator[Image]:
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
    except (av.FFmpegError, IndexError) as error:
        raise ValueError(f"{path} cannot be decoded as a video: {error}") from error


def _median(path: Path, boxes: Boxes) -> tuple[Image, str]:
    kept: list[Image] = []
    stride = 1
    for number, frame in enumerate(_frames(path)):
        if number % stride == 0:
            kept.append(frame)
        if len(kept) > MEDIAN_OF:  # an even spread, whose length need not be known
            kept, stride = kept[::2], 2 * stride
    if not kept:
        raise ValueError(f"{path} holds no frames")
    empty = [frame for frame in kept if not boxes(path.name, frame)]
    used, words = (empty, "empty") if len(empty) >= EMPTY else (kept, "any")
    return np.asarray(
        np.sort(np.stack(used), axis=0)[len(used) // 2], np.uint8
    ), f"median of {len(used)} {words} frames"


def detected(observer: Observer, threshold: float) -> Boxes:
    """Boxes from a detector: every person that scores at least ``threshold``."""

    def look(name: str, image: Image) -> tuple[Box, ...]:
        found = observer.observe([image])[0].found
        likely = found.boxes[found.scores >= threshold]
        return tuple((float(x), float(y), float(w), float(h)) for x, y, w, h in likely)

    return look


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
    mask = _read(found[0])[:, :, 0] > 127
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
    sheet = np.vstack(strips)
    done, data = cv2.imencode(".jpg", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])
    if not done:
        raise ValueError(f"{folder / 'sheet.jpg'}: a sheet of {sheet.shape[1]}x{sheet.shape[0]} cannot be encoded")
    with writing(folder / "sheet.jpg") as temporary:
        temporary.write_bytes(data.tobytes())


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
    tiles: Mapping[str, Image] = {
        shot.name: shot.src,
        f"plate: {shot.plate}": shot.bgr,
        f"boxes; surely people, trust {looked.people.trust:.2f}": marked,
        **{m: np.repeat(np.rint(a * 255).astype(np.uint8)[:, :, None], 3, axis=2) for m, a in looked.alphas.items()},
    }
    return np.hstack([_tile(words, tile) for words, tile in tiles.items()])


def _tile(words: str, picture: Image) -> Image:
    height = max(1, round(picture.shape[0] * WIDTH / picture.shape[1]))
    small = cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA)
    small = cv2.copyMakeBorder(small, 18, 4, 0, 4, cv2.BORDER_CONSTANT, value=(255, 255, 255))
    cv2.putText(small, words, (2, 13), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (40, 40, 40), 1, cv2.LINE_AA)
    return np.asarray(small, np.uint8)
