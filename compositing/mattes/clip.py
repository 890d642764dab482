"""One clip -> its tar in the frame store and its rows; the ``mattes`` stage makes one part a clip."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from compositing.codec import Image
from compositing.mattes.clipreader import ClipError, Pair, read_clip
from compositing.mattes.edges import ENOUGH, Edge, Treatment, judge, measure_edge
from compositing.mattes.foreground import estimate_foreground, extend_colours, reduce_pair
from compositing.mattes.framestore import FGR, PHA, encode_frame
from compositing.mattes.levels import Alpha, clean_levels
from compositing.mattes.videomatte import DATASET, LAYOUT, Clip, MattesParams
from compositing.shards.tar import write_tar
from compositing.tables import FRAMES
from curation.identity import item_id
from curation.sources import locator_of
from curation.storage import open_store
from curation.tables import read_table, write_table

HELD = 8
"""Frames of a clip held in memory, at most, until its edge is judged."""
TABLE = "clip.parquet"
NOTE = "clip.json"
Row = dict[str, Any]

SPECK = 0.01
"""Share of the alpha below which a detached part is a speck, no part of the subject."""


@dataclass(frozen=True)
class ClipTask:
    """All that one part is made from."""

    root: str
    """The dataset's root."""
    clip: Clip
    split: str
    """train, valid or test."""
    person: bool
    """Whether the clip holds a person; an object otherwise."""
    params: MattesParams
    licence: str
    source: str


def store_clip(task: ClipTask, folder: Path) -> None:
    """Decode a clip once and write ``KEY.tar`` (where it has a usable frame), ``clip.parquet`` and ``clip.json``.

    The tar holds ``00000.fgr.jpg`` and ``00000.pha.png`` for each usable frame. What cannot be used is a row with the
    reason; a clip that cannot be read at all is one row with frame -1.
    """
    run = _ClipRun(task)
    tar = folder / f"{task.clip.key}.tar"
    spans = write_tar(tar, run.samples())
    if not spans:
        tar.unlink()
    rows = [_located(row, tar.name, spans.get(f"{row['frame']:05d}", {})) for row in run.rows]
    write_table(FRAMES, rows, folder / TABLE)
    note = {"treatment": run.treatment, "edge": asdict(run.edge), "step": run.edge.step, "mixed": run.edge.mixed}
    (folder / NOTE).write_text(json.dumps(note, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _located(row: Row, tar: str, members: Mapping[str, Any]) -> Row:
    places = {name: locator_of(tar, *span) for name, span in members.items()}
    stored = {"pha": places.get(PHA)}
    if FGR in places:
        stored["fgr"] = places[FGR]
    return {**row, **stored}


class _ClipRun:
    def __init__(self, task: ClipTask) -> None:
        self.task = task
        self.rows: list[Row] = []
        self.edge = Edge()
        self.treatment: Treatment | None = None

    def samples(self) -> Iterator[tuple[str, dict[str, bytes]]]:
        """Yield what the tar holds, a frame at a time; the rows are complete when it ends."""
        usable = self._usable()
        held: list[Pair] = []
        for pair in usable:
            held.append(pair)
            if self.task.params.foreground != "auto":
                break
            self.edge += measure_edge(*_layers(pair))
            if self.edge.pixels >= ENOUGH or len(held) == HELD:
                break
        if not held:
            return
        asked = {"always": Treatment.ESTIMATE, "never": Treatment.KEEP, "auto": judge(self.edge)}
        self.treatment = asked[self.task.params.foreground]
        # One treatment for the whole clip: a change in mid-clip would flicker.
        for pair in chain(held, usable):
            yield self._finish(pair, self.treatment)

    def _usable(self) -> Iterator[Pair]:
        """Yield the frames that can be used, alpha cleaned; the others become rows."""
        params = self.task.params
        try:
            for pair in read_clip(open_store(self.task.root), self.task.clip, params.every):
                if pair.problem is not None:
                    self._add(pair.number, pair.time, status=pair.problem)
                    continue
                fgr, pha = _layers(pair)
                height, width = pha.shape
                pha = clean_levels(pha, params.black, params.white)
                coverage = float(pha.mean(dtype=np.float64)) / 255
                if coverage < params.min_coverage:
                    status = f"coverage: {coverage:.2g} of the frame, below {params.min_coverage:g}"
                    self._add(pair.number, pair.time, status=status, width=width, height=height, coverage=coverage)
                    continue
                yield replace(pair, fgr=fgr, pha=pha)
        except ClipError as error:
            self._add(-1, None, status=str(error), frame_id=None)

    def _finish(self, pair: Pair, treatment: Treatment) -> tuple[str, dict[str, bytes]]:
        fgr, pha = _layers(pair)
        whole = pha.shape
        fgr, pha = reduce_pair(fgr, pha, self.task.params.max_side, mixed=treatment is Treatment.ESTIMATE)
        if treatment is Treatment.ESTIMATE:
            fgr = estimate_foreground(fgr, pha)
        if treatment is not Treatment.KEEP:
            fgr = extend_colours(fgr, pha)
        members = encode_frame(fgr, pha)
        row: Row = {"status": "ok", "stored": True, **measure_alpha(pha)}
        if pair.jpeg is not None and treatment is Treatment.KEEP and pha.shape == whole:
            # A JPEG that needs no change is referenced, neither copied nor encoded once more.
            del members[FGR]
            row.update(stored=False, fgr=locator_of(pair.jpeg))
        self._add(pair.number, pair.time, **row)
        return f"{pair.number:05d}", members

    def _add(self, number: int, time: float | None, **values: Any) -> None:
        task = self.task
        row: Row = {
            **dict.fromkeys(FRAMES.columns),
            "dataset": DATASET,
            "frame_id": item_id(task.clip.name, number),
            "clip": task.clip.name,
            "frame": number,
            "time": time,
            "split": task.split,
            "person": task.person,
            "licence": task.licence,
            "source": task.source,
        }
        self.rows.append({**row, **values})


def _layers(pair: Pair) -> tuple[Image, Alpha]:
    if pair.fgr is None or pair.pha is None:
        raise ValueError(f"frame {pair.number} has no layers: {pair.problem}")
    return pair.fgr, pair.pha


def measure_alpha(pha: Alpha) -> Row:
    """Measure an alpha (H, W) uint8: size, coverage, soft share, box and touched borders, as the frames table has them.

    A border counts as touched where alpha reaches a tenth on it: fainter traces are no cut-off subject. Box and
    borders leave out detached specks: one at the frame's edge would have a cropped person placed out of the picture.
    """
    height, width = pha.shape
    row: Row = {
        "width": width,
        "height": height,
        "coverage": float(pha.mean(dtype=np.float64)) / 255,
        "soft": float(((pha > 0) & (pha < 255)).mean()),
    }
    pha = _without_specks(pha)
    columns, lines = np.flatnonzero(pha.any(axis=0)), np.flatnonzero(pha.any(axis=1))
    if len(columns):
        left, top = int(columns[0]), int(lines[0])
        row.update(box_x=left, box_y=top, box_w=int(columns[-1]) - left + 1, box_h=int(lines[-1]) - top + 1)
    borders = {"l": pha[:, 0], "t": pha[0], "r": pha[:, -1], "b": pha[-1]}
    row["touches"] = "".join(letter for letter, line in borders.items() if line.max() >= 26)
    return row


def _without_specks(pha: Alpha) -> Alpha:
    """Drop the connected parts of alpha that hold less than SPECK of it."""
    count, labels = cv2.connectedComponents((pha > 0).astype(np.uint8), connectivity=8)
    if count <= 2:
        return pha
    weights = np.bincount(labels.ravel(), weights=pha.ravel(), minlength=count)
    keeps = weights >= SPECK * weights.sum()
    return np.where(keeps[labels], pha, np.uint8(0))


def gather(parts: Sequence[Path]) -> tuple[pa.Table, dict[str, Any]]:
    """Put the parts of all clips together: the frames table and its counts.

    Raises ValueError where no clip has a usable frame, naming the first reasons.
    """
    table = pa.concat_tables([read_table(FRAMES, part / TABLE) for part in parts])
    rows = table.select(["clip", "frame", "split", "status", "stored", "person"]).to_pylist()
    usable = [row for row in rows if row["status"] == "ok"]
    if not usable:
        reasons = Counter(row["status"] for row in rows).most_common(3)
        words = "; ".join(f"{reason} ({count} rows)" for reason, count in reasons)
        raise ValueError(f"no frame of {len(parts)} clips can be used: {words}; {LAYOUT}")
    notes = [json.loads((part / NOTE).read_text(encoding="utf-8")) for part in parts]
    return table, {
        "clips": len(parts),
        "clips_failed": sum(note["treatment"] is None for note in notes),
        "clips_by_split": _count(split for _, split in {(row["clip"], row["split"]) for row in usable}),
        "frames": len(usable),
        "frames_by_split": _count(row["split"] for row in usable),
        "clips_of_objects": len({row["clip"] for row in usable if not row["person"]}),
        "frames_referenced": sum(not row["stored"] for row in usable),
        "rows_by_status": _count(row["status"].split(":")[0] for row in rows),
        "foreground": _count(note["treatment"] for note in notes if note["treatment"] is not None),
    }


def _count(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
