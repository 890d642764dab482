"""Writes the miniature of Places365: real and drawn backgrounds, and what curation must catch."""

import json
import logging
import shutil
from dataclasses import dataclass
from pathlib import Path

import cv2
import imagehash
import numpy as np
from PIL import Image

from pipelines.engine import PartError, run_parts
from pipelines.params import SampleParams
from pipelines.sample import catalogue, landscapes, photographs, rooms, spoiled, streets
from pipelines.sample.catalogue import Slot
from pipelines.sample.photographs import Pixels
from pipelines.work import link

log = logging.getLogger("cleanplate.sample")

APART = 8
"""Perceptual hashes of usable backgrounds differ in more bits than this; a drawing that does not is drawn anew."""
ATTEMPTS = 8


@dataclass(frozen=True)
class DrawTask:
    """One drawing or one crop."""

    slot: Slot
    seed: int
    attempt: int


def make_background(task: DrawTask, folder: Path) -> None:
    """Draw or cut one background into ``folder``: the JPEG, and what tells whether it can stand: facts.json."""
    slot = task.slot
    name = f"{slot.group}.{task.attempt}"
    match slot.hand:
        case "photograph":
            image = photographs.cut(photographs.PHOTOGRAPHS[slot.group], slot.number)
        case "room":
            image = rooms.draw(slot.scene, task.seed, name, slot.size)
        case "land":
            image = landscapes.draw(slot.scene, task.seed, name, slot.size)
        case "town":
            image = streets.draw(slot.scene, task.seed, name, slot.size)
    (folder / f"{slot.stem}.jpg").write_bytes(spoiled.jpeg(image))
    facts = {"phash": str(imagehash.phash(Image.fromarray(image))), "sound": _sound(image)}
    (folder / "facts.json").write_text(json.dumps(facts, sort_keys=True), encoding="utf-8")


def _sound(image: Pixels) -> bool:
    """Whether exposure and detail are those of a usable photograph, with a margin."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    scale = 256 / min(grey.shape)
    small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    sharp = float(cv2.Laplacian(small, cv2.CV_64F).var())
    clipped = float(np.mean(np.all((image < 4) | (image > 251), axis=2)))
    return bool(sharp > 60 and 0.12 < grey.mean() / 255 < 0.86 and grey.std() / 255 > 0.08 and clipped < 0.25)


def write_places365(root: Path, params: SampleParams, workers: int) -> dict[str, int]:
    """Write ``root/data_large/<letter>/<scene>/NAME.jpg``, the official lists and a README.

    Finished parts lie in ``parts`` beside ``root``, so that a killed run goes on. Returns the number of files of
    each kind: ``usable``, and the kinds of :class:`pipelines.sample.spoiled.Spoiled`.

    Raises PartError where a scene cannot be drawn apart from all others.
    """
    parts = root.parent / "parts"
    usable = _usable(parts, params, workers)
    shutil.rmtree(root, ignore_errors=True)
    files = []
    for slot, part in usable:
        target = root / slot.folder / f"{slot.stem}.jpg"
        link(part / f"{slot.stem}.jpg", target)
        files.append(target)
    counts = {"usable": len(files)}
    bad = spoiled.make(params.seed, files)
    for item in bad:
        target = root / item.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(item.data)
        counts[item.kind] = counts.get(item.kind, 0) + 1
    (root / "categories_places365.txt").write_text(catalogue.categories(), encoding="utf-8")
    (root / "IO_places365.txt").write_text(catalogue.indoor_list(), encoding="utf-8")
    (root / "README.md").write_text(_readme([slot for slot, _ in usable], bad), encoding="utf-8")
    return counts


def _usable(parts: Path, params: SampleParams, workers: int) -> list[tuple[Slot, Path]]:
    """Make all usable backgrounds; those too like an earlier one, or unsound, are drawn again."""
    waiting = catalogue.slots(params.backgrounds)
    order = {slot: place for place, slot in enumerate(waiting)}
    chosen: dict[Slot, Path] = {}
    hashes: list[imagehash.ImageHash] = []
    for attempt in range(ATTEMPTS):
        tasks = {f"{slot.stem}-{attempt}": DrawTask(slot, params.seed, attempt) for slot in waiting}
        done = run_parts(tasks, make_background, parts, "backgrounds", workers)
        left = []
        for slot, part in zip(waiting, done, strict=True):
            facts = json.loads((part / "facts.json").read_text(encoding="utf-8"))
            phash = imagehash.hex_to_hash(facts["phash"])
            apart = all(phash - other > APART for other in hashes)
            if slot.hand == "photograph" or (facts["sound"] and apart):
                chosen[slot] = part
                hashes.append(phash)
            else:
                left.append(slot)
        if not left:
            return sorted(chosen.items(), key=lambda item: order[item[0]])
        log.info("%d of %d drawings are drawn anew: too like another, or badly exposed", len(left), len(waiting))
        waiting = left
    names = ", ".join(slot.stem for slot in waiting)
    raise PartError(
        f"backgrounds: no drawing apart from the others in {ATTEMPTS} attempts for {names}; change sample.seed"
    )


def _readme(slots: list[Slot], bad: list[spoiled.Spoiled]) -> str:
    lines = [
        "# A miniature of Places365",
        "",
        "Made by `python -m pipelines.sample` in the official layout. File names are `<group>_<nn>.jpg`: crops of one",
        "photograph share its group, each drawing (`room`, `land`, `town`) is a group of its own.",
        "",
        "## Photographs",
        "",
        "| group | scene | licence | origin |",
        "|---|---|---|---|",
    ]
    used = {slot.group for slot in slots}
    shown = {name: p for name, p in photographs.PHOTOGRAPHS.items() if name in used} | photographs.PEOPLE
    lines += [f"| {name} | {p.scene} | {p.licence} | {p.origin} |" for name, p in shown.items()]
    lines += [
        "",
        "## Drawings",
        "",
        "All others are drawn by the project (MIT). Laid into them:",
        "",
        "| what | licence | origin |",
        "|---|---|---|",
    ]
    lines += [f"| texture: {name} | {p.licence} | {p.origin} |" for name, p in photographs.TEXTURES.items()]
    lines += [
        f"| picture on a wall: {name} | {p.licence} | {p.origin} |" for name, p in photographs.PHOTOGRAPHS.items()
    ]
    lines += [
        "| relief of mountains | public domain | U.S. Geological Survey, Jacksboro fault, shipped by matplotlib |",
        "",
        "## What curation must catch",
        "",
        "| file | kind |",
        "|---|---|",
    ]
    lines += [f"| {item.path} | {item.kind} |" for item in bad]
    return "\n".join(lines) + "\n"
