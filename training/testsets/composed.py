"""Test sets of mattes alone: composited here over photographs, with a captured background at each strength.

The mattes go the way of the project's own: ``mattes`` stores them, ``plan`` draws a composite for each matte and
strength, with the seed and the ranges of the frozen test set, and rendering makes it when it is read. So the set is as
hard as the frozen test set, but for the mattes. Consecutive frames of a clip stand before one photograph, in one light;
noise alone is drawn anew.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from compositing.codec import Image
from compositing.inputs import InputRoots
from compositing.mattes.clip import TABLE, ClipTask, store_clip
from compositing.mattes.videomatte import MattesParams
from compositing.photographs import decode_photograph
from compositing.plan.cases import CaseParams
from compositing.plan.config import PlanParams, SetParams
from compositing.plan.pairing import plan_chunks
from compositing.plan.placement import MAX_ENLARGE
from compositing.shards.live import PlanReader
from compositing.shards.reader import Sample
from compositing.tables import FRAMES, PLAN
from curation.identity import content_id, item_id
from curation.sources import locator_of
from curation.storage.local import LocalStore
from curation.tables import VERDICTS, read_table, to_arrow, write_table
from training.testsets.mattes import find_mattes, problems
from training.testsets.testset import Unusable

FRAME_TABLE, PLAN_TABLE, NOTE = "frames.parquet", "plan.parquet", "composed.json"
DATASET = "backgrounds"
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
WORDS = "of the user's own test set"
"""Licence and source in tables that leave nothing behind but figures."""
Row = dict[str, Any]


@dataclass(frozen=True)
class ComposeTask:
    """All that a set is made from. Goes to a worker process as it is."""

    name: str
    layout: str
    """rgba, fg-alpha or videomatte."""
    root: Path
    backgrounds: Path
    """Photographs without people, nested or not."""
    plan: PlanParams
    mattes: MattesParams
    frames: int
    """Consecutive frames of each clip."""


def compose_part(task: ComposeTask, folder: Path) -> None:
    """Store the mattes and plan the composites, into an empty folder.

    Raises ValueError naming the set where it has no usable matte or background.
    """
    scratch = folder / "layers"
    scratch.mkdir()
    found = find_mattes(task.layout, task.root, scratch, task.frames)
    unusable = [*found.unusable, *problems(found.clips)]
    # Truth is left as it is; only VideoMatte240K's compression leaves specks.
    levels = {} if task.layout == "videomatte" else {"black": 0.0, "white": 1.0}
    mattes = task.mattes.model_copy(update=levels)
    frames: list[Row] = []
    for number, clip in enumerate(clip for clip in found.clips if clip.paired):
        part = scratch / f"clip-{number:06d}"
        part.mkdir()
        store_clip(ClipTask(str(found.root), clip, "test", True, mattes, WORDS, WORDS), part)
        for tar in part.glob("*.tar"):
            tar.rename(folder / tar.name)
        rows = read_table(FRAMES, part / TABLE).to_pylist()
        unusable += [Unusable(f"{row['clip']} frame {row['frame']}", row["status"]) for row in rows if _bad(row)]
        frames += [row for row in rows if not _bad(row)][: task.frames]
    if not frames:
        reasons = "; ".join(f"{each.name}: {each.reason}" for each in unusable[:3]) or "there are none"
        raise ValueError(f"test set '{task.name}': no matte of {task.root} can be used: {reasons}")
    write_table(FRAMES, frames, folder / FRAME_TABLE)
    write_table(PLAN, _plan(task, frames, unusable), folder / PLAN_TABLE)
    # The layers of RGBA pictures are all in the store; of other sets a JPEG may be read where it lies.
    note = {"unusable": [list(each) for each in unusable], "root": str(task.root)}
    shutil.rmtree(scratch)
    (folder / NOTE).write_text(json.dumps(note), encoding="utf-8")


def _bad(row: Row) -> bool:
    return bool(row["status"] != "ok" or row["box_w"] is None)


def _plan(task: ComposeTask, frames: Sequence[Row], unusable: list[Unusable]) -> list[Row]:
    """The plan's rows of the set; mattes that are too small for the composites join the unusable."""
    clips: dict[str, list[Row]] = {}
    for row in frames:
        clips.setdefault(row["clip"], []).append(row)
    verdicts = to_arrow(VERDICTS, _backgrounds(task, len(clips), unusable))
    small = task.plan.test
    words = f"its edges cut off by the frame cannot be hidden in {small.width}x{small.height}"
    while True:
        first = [rows[0] for rows in clips.values()]
        size = SetParams(count=len(first), width=small.width, height=small.height, scale=small.scale, together=1)
        none = CaseParams(valid=0, test=0, exposure=task.plan.cases.exposure)
        params = task.plan.model_copy(update={"test": size, "cases": none, "clip_cap": None})
        try:
            planned = pa.concat_tables(plan_chunks(verdicts, to_arrow(FRAMES, first), params, ["test"])).to_pylist()
        except ValueError as error:
            raise ValueError(f"test set '{task.name}': {error}") from error
        seen = {row["clip"] for row in planned}
        left = [clip for clip in clips if clip not in seen]
        if not left:
            return [each for row in planned for each in _frames_of(row, clips[row["clip"]], task.frames)]
        for clip in left:
            del clips[clip]
            unusable.append(
                Unusable(clip, f"{words} without being enlarged over {MAX_ENLARGE}x; lower plan.test's size")
            )


def _frames_of(row: Row, frames: Sequence[Row], count: int) -> list[Row]:
    """A planned composite for each frame of its clip, everything but the frame and the noise alike."""
    found = []
    for place, frame in enumerate(frames):
        key = item_id(row["composite_id"], place)
        more = {"composite_id": key, "noise_key": int(key[:16], 16)} if place else {}
        # The first frame's box stays: where the matte lands hangs on it.
        moved = {"frame_id": frame["frame_id"], "frame": frame["frame"], "ordinal": row["ordinal"] * count + place}
        found.append({**row, **moved, **more})
    return found


def _backgrounds(task: ComposeTask, count: int, unusable: list[Unusable]) -> list[Row]:
    """Rows of as many photographs as there are clips, whichever their hashed names put first."""
    paths = [entry.path for entry in LocalStore(task.backgrounds).list() if entry.path.lower().endswith(PICTURES)]
    if not paths:
        raise ValueError(f"--backgrounds: '{task.backgrounds}' holds no pictures ({', '.join(PICTURES)})")
    rows: list[Row] = []
    for path in sorted(paths, key=lambda path: item_id("background", locator_of(path))):
        if len(rows) == count:
            break
        try:
            data = (task.backgrounds / path).read_bytes()
            image = decode_photograph(data)
        except (OSError, ValueError) as error:
            unusable.append(Unusable(f"background {path}", str(error)))
            continue
        if _too_small(image, task.plan.test):
            unusable.append(Unusable(f"background {path}", f"{image.shape[1]}x{image.shape[0]} pixels: too small"))
            continue
        values = {"dataset": DATASET, "locator": locator_of(path), "image_id": content_id(data), "kept": True}
        values |= {"reason": "ok", "rule": "ok", "split": "test", "refine_ok": True, "licence": WORDS, "source": WORDS}
        size = {"height": image.shape[0], "width": image.shape[1]}
        rows.append({**dict.fromkeys(VERDICTS.columns), **values, **size})
    return rows


def _too_small(image: Image, size: SetParams) -> bool:
    return bool(image.shape[0] < size.height or image.shape[1] < size.width)


class ComposedSet:
    """The composites that :func:`compose_part` planned. Picklable; rendered when read."""

    def __init__(self, name: str, folder: Path, backgrounds: Path, frames: int) -> None:
        """``folder``: as :func:`compose_part` filled it; ``frames``: as it was told."""
        note = json.loads((folder / NOTE).read_text(encoding="utf-8"))
        self.name = name
        self.unusable = tuple(Unusable(*each) for each in note["unusable"])
        roots = InputRoots({DATASET: backgrounds}, folder, Path(note["root"]))
        self._reader = PlanReader(folder / PLAN_TABLE, folder / FRAME_TABLE, roots, "test")
        self._ordinals, self._frames = self._reader.ordinals.tolist(), frames

    def __len__(self) -> int:
        return len(self._reader)

    def follows(self, position: int) -> bool:
        """Whether the sample is the next frame of the clip, at the same strength."""
        ordinal = self._ordinals[position]
        return ordinal % self._frames > 0 and position > 0 and self._ordinals[position - 1] == ordinal - 1

    def read(self, position: int) -> Sample:
        """Render a sample. Raises ValueError naming the file that is not what was planned with."""
        sample = self._reader.read(position)
        recipe: Mapping[str, Any] = sample.recipe
        return sample._replace(recipe={**recipe, "fgr_known": True})
