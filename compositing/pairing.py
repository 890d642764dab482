"""Curated backgrounds x frames -> plan rows."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, field_validator

from compositing.perturb import CaptureParams, Range
from compositing.placement import MAX_ENLARGE, Subject, fits
from compositing.recipe import Canvas, LookParams, Row, draw_capture, draw_look, largest_grain, margin_of
from compositing.tables import PLAN, SETS
from curation.config import Section
from curation.identity import item_id, rng
from curation.tables import to_arrow

CHUNK = 4096
"""Rows that are Python objects at a time."""


class SetParams(Section):
    """One set of composites."""

    count: Annotated[int, Field(ge=1)]
    """Composites in the set (valid and test: for each strength)."""
    width: Annotated[int, Field(ge=64)]
    """Pixels, a multiple of 4."""
    height: Annotated[int, Field(ge=64)]
    """Pixels, a multiple of 4."""
    scale: Range
    """Height of the subject's box over the height of the composite."""

    @field_validator("width", "height")
    @classmethod
    def _fits_the_refiner(cls, value: int) -> int:
        if value % 4:
            raise ValueError(f"the refiner works on 4x4 patches: use {value - value % 4} or {value + 4 - value % 4}")
        return value


class Strengths(Section):
    """The frozen perturbations of the valid and test sets."""

    exact: CaptureParams
    """The captured background equals the scene but for noise and compression."""
    mild: CaptureParams
    """A tripod, a steady light."""
    hard: CaptureParams
    """A hand-held camera, a drifting light."""


class PlanParams(Section):
    """Parameters of the ``plan`` stage."""

    seed: int
    """Seed of the base, refine and valid sets."""
    test_seed: int
    """Seed of the test set; leave it alone so that metrics compare."""
    base: SetParams
    """Many small composites for the base network."""
    refine: SetParams
    """Fewer large composites for the refinement network."""
    valid: SetParams
    """Held-out composites watched during training and used to tune the baselines."""
    test: SetParams
    """Held-out composites for the final figures."""
    look: LookParams
    """Variation shared by source and captured background."""
    train: CaptureParams
    """Perturbation of the base and refine sets."""
    strengths: Strengths
    """Perturbations of valid and test."""


class _Pairing(NamedTuple):
    """One set's rules."""

    name: str
    seed: int
    split: str
    pairs: int
    canvas: Canvas
    captures: Mapping[str, CaptureParams]


def plan_rows(verdicts: pa.Table, frames: pa.Table, params: PlanParams) -> pa.Table:
    """Draw every composite of every set.

    ``verdicts``, ``frames``: the VERDICTS and FRAMES tables. Returns PLAN rows sorted by set and ordinal. All that is
    drawn for a row hangs on seed, set and ordinal alone, and a larger ``count`` only adds rows.
    Raises ValueError where a set has no backgrounds or no frames, naming the split and what to do.
    """
    tables: list[pa.Table] = []
    for name in SETS:
        pairing = _pairing(name, params)
        pairs = _pairs(pairing, _backgrounds(verdicts, pairing), _subjects(frames, pairing))
        rows = _rows(pairing, params.look, pairs)
        while chunk := list(itertools.islice(rows, CHUNK)):  # a million rows of Python objects would fill the memory
            tables.append(to_arrow(PLAN, chunk))
    return pa.concat_tables(tables).sort_by([(name, "ascending") for name in PLAN.key])


def _pairing(name: str, params: PlanParams) -> _Pairing:
    size: SetParams = getattr(params, name)
    trains = name in ("base", "refine")
    captures = {"train": params.train} if trains else {k: getattr(params.strengths, k) for k in Strengths.model_fields}
    return _Pairing(
        name=name,
        seed=params.test_seed if name == "test" else params.seed,
        split="train" if trains else name,
        pairs=size.count,
        # One margin for all strengths, so that they share the scene to the pixel.
        canvas=Canvas(
            width=size.width,
            height=size.height,
            margin=max(margin_of(capture, size.width, size.height) for capture in captures.values()),
            scale=size.scale,
        ),
        captures=captures,
    )


def _backgrounds(verdicts: pa.Table, pairing: _Pairing) -> pa.Table:
    """Return the images a set may use, in an order that does not depend on where they lie."""
    images = verdicts.filter(pc.and_(verdicts["kept"], pc.equal(verdicts["split"], pairing.split)))
    fine = images.filter(pa.array(_large_enough(images, pairing)))
    if not len(fine):
        name, canvas = pairing.name, pairing.canvas
        found = f"{len(images)} kept images in split '{pairing.split}'"
        if len(images):
            found += f", none of them large enough for {canvas.width}x{canvas.height}"
        raise ValueError(
            f"plan: set '{name}' has no background: {found}; add photographs, or "
            + (f"lower plan.{name}.width and height" if len(images) else "change the curate section (its split shares)")
            + "; metrics/curate.json counts why images were rejected"
        )
    return fine.sort_by([(column, "ascending") for column in ("image_id", "dataset", "locator")])


def _large_enough(images: pa.Table, pairing: _Pairing) -> NDArray[np.bool_]:
    if pairing.name == "base":  # many small composites: every kept image is welcome
        return np.ones(len(images), dtype=bool)
    width, height = images["width"].to_numpy(), images["height"].to_numpy()
    fine = largest_grain(width, height, pairing.canvas) >= 1 / MAX_ENLARGE
    if pairing.name == "refine":
        fine &= pc.fill_null(images["refine_ok"], False).to_numpy()
    return np.asarray(fine)


def _subjects(frames: pa.Table, pairing: _Pairing) -> pa.Table:
    """Return the frames a set may use, in an order that does not depend on where they lie."""
    whole = pc.and_(pc.equal(frames["status"], "ok"), pc.is_valid(frames["box_w"]))
    mattes = frames.filter(pc.and_(whole, pc.equal(frames["split"], pairing.split)))
    canvas = pairing.canvas
    boxes = zip(*(mattes[name].to_pylist() for name in ("box_w", "box_h", "touches")), strict=True)
    fitting = [fits(Subject(w, h, touches or ""), canvas.width, canvas.height) for w, h, touches in boxes]
    fine = mattes.filter(pa.array(fitting, pa.bool_()))
    if not len(fine):
        found = f"{len(mattes)} usable frames in split '{pairing.split}'"
        if len(mattes):
            found += f", none of which fills {canvas.width}x{canvas.height} without being enlarged over {MAX_ENLARGE}x"
        raise ValueError(
            f"plan: set '{pairing.name}' has no matte: {found}; add clips, or "
            + (
                f"lower plan.{pairing.name}.width and height"
                if len(mattes)
                else "change the mattes section (its splits)"
            )
            + "; metrics/mattes.json counts why frames cannot be used"
        )
    return fine.sort_by("frame_id")


def _pairs(pairing: _Pairing, backgrounds: pa.Table, subjects: pa.Table) -> Iterator[tuple[Row, Row]]:
    images = _cycle(backgrounds["scene"], pairing.pairs, pairing.seed, pairing.name, "backgrounds")
    mattes = _cycle(subjects["clip"], pairing.pairs, pairing.seed, pairing.name, "frames")
    for first in range(0, pairing.pairs, CHUNK):
        chunk = slice(first, first + CHUNK)
        yield from zip(
            backgrounds.take(images[chunk]).to_pylist(), subjects.take(mattes[chunk]).to_pylist(), strict=True
        )


def _order(groups: Sequence[str | None], generator: np.random.Generator) -> NDArray[np.int64]:
    """Shuffle items so that any prefix holds each group in proportion to its size."""
    _, codes, counts = np.unique([group or "" for group in groups], return_inverse=True, return_counts=True)
    shuffled = generator.permutation(len(codes))
    shuffled = shuffled[np.argsort(codes[shuffled], kind="stable")]  # group by group, random inside
    rank = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    start = generator.random(len(counts))
    code = codes[shuffled]
    return np.asarray(shuffled[np.argsort((rank + start[code]) / counts[code], kind="stable")])


def _cycle(groups: pa.ChunkedArray, count: int, seed: int, *name: str) -> NDArray[np.int64]:
    """Use every item once, shuffled, then again in another order, and so on: even use and no fixed partners."""
    names = groups.to_pylist()
    turns = range(-(-count // len(names)))
    return np.concatenate([_order(names, rng(seed, *name, turn)) for turn in turns])[:count]


def _rows(pairing: _Pairing, look: LookParams, pairs: Iterator[tuple[Row, Row]]) -> Iterator[Row]:
    seed, name = pairing.seed, pairing.name
    for pair, (image, matte) in enumerate(pairs):
        # Rows of one pair, one a strength, share all but the capture, so that strengths compare.
        shared = draw_look(rng(seed, name, "look", pair), look, pairing.canvas, image, matte)
        for index, (strength, capture) in enumerate(pairing.captures.items()):
            ordinal = pair * len(pairing.captures) + index
            yield {
                "composite_id": item_id(seed, name, ordinal),
                "set": name,
                "ordinal": ordinal,
                "strength": strength,
                "split": pairing.split,
                "width": pairing.canvas.width,
                "height": pairing.canvas.height,
                "margin": pairing.canvas.margin,
                **shared,
                **draw_capture(rng(seed, name, ordinal), capture, pairing.canvas, matte),
            }


def summarise(plan: pa.Table) -> dict[str, dict[str, int]]:
    """Count composites, photographs, scenes, clips and frames of each set of a plan, and composites by strength."""
    counts: dict[str, dict[str, int]] = {}
    for name in SETS:
        rows = plan.filter(pc.equal(plan["set"], name))
        distinct = {"backgrounds": "image_id", "scenes": "scene", "clips": "clip", "frames": "frame_id"}
        strengths = pc.value_counts(rows["strength"]).to_pylist()
        counts[name] = {
            "composites": len(rows),
            **{entry["values"]: entry["counts"] for entry in sorted(strengths, key=lambda entry: str(entry["values"]))},
            **{words: pc.count_distinct(rows[column]).as_py() for words, column in distinct.items()},
            "with_shadow": pc.sum(pc.greater(rows["shadow_strength"], 0)).as_py() or 0,
        }
    return counts
