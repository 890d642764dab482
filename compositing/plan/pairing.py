"""Curated backgrounds x frames -> plan rows."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from compositing.perturb import CaptureParams, Range
from compositing.plan.cases import (
    CASES,
    STRENGTH,
    camouflaged_in,
    case_captures,
    exposure_off,
    nobody_in,
)
from compositing.plan.config import PlanParams, SetParams, Strengths
from compositing.plan.draws import Draws
from compositing.plan.objects import Objects
from compositing.plan.placement import MAX_ENLARGE, Flags, Subjects, fits
from compositing.plan.plates import choose_plates, plate_columns, with_plates
from compositing.plan.recipe import (
    Canvas,
    Columns,
    LookParams,
    draw_capture,
    draw_crop,
    draw_look,
    draw_second,
    largest_grain,
    margin_of,
)
from compositing.plan.turns import Turns
from compositing.tables import PLAN, SETS
from curation.identity import item_ids
from curation.tables import ROW_GROUP, from_columns

FROM_IMAGE = ("dataset", "locator", "image_id", "scene", "indoor")
FROM_FRAME = ("frame_id", "clip", "frame", "box_x", "box_y", "box_w", "box_h")
FROM_BOTH = ("licence", "source")


class _Pairing(NamedTuple):
    """The rules of a set, or of the hard cases in it."""

    name: str
    stream: str
    """Whose random numbers these are: the set's name, or another for its hard cases."""
    first: int
    """Ordinal of the first row."""
    seed: int
    split: str
    pairs: int
    canvas: Canvas
    captures: Mapping[str, CaptureParams]
    """By strength, or by case."""
    cases: bool
    together: int
    """Pairs in a row that show the same frame: a group."""
    clip_cap: int | None
    """Groups of one clip at most."""
    exposure: Range
    """Of empty frames among the hard cases."""
    empty: Sequence[float]
    """Probability that nobody is there, for each capture."""
    camouflage: Sequence[float]
    """Probability that the subject wears the background's colours, for each capture."""
    second: float
    """Probability that two are there."""
    object: float
    """Probability that the subject is an object."""

    @property
    def groups(self) -> int:
        """Groups of pairs, the last of which may be smaller."""
        return -(-self.pairs // self.together)


class _Cast(NamedTuple):
    """What a set draws from."""

    backgrounds: pa.Table
    frames: pa.Table
    """Those of people, then those of objects."""
    people: int
    """How many of ``frames`` show people."""
    subjects: Subjects
    """Of ``frames``, row by row."""
    clips: NDArray[np.int64]
    """A number for the clip of each of ``frames``."""
    image_turns: Turns
    frame_turns: Turns
    """Of the people."""
    objects: Objects


def plan_chunks(
    verdicts: pa.Table, frames: pa.Table, params: PlanParams, sets: Sequence[str] = SETS
) -> Iterator[pa.Table]:
    """Draw every composite of every set, or of some: a row group at a time, for ten million rows never lie in memory.

    ``verdicts``, ``frames``: the VERDICTS and FRAMES tables. Yields PLAN rows sorted by set and ordinal. All that is
    drawn for a row hangs on seed, set and ordinal alone, and a larger ``count`` only adds rows. Hard cases follow the
    other rows of their set, with streams of their own: a larger count moves them, and changes nothing else of them.
    Raises ValueError, before the first chunk, where a set has no backgrounds or no frames or cannot keep the cap,
    naming the split and what to do.
    """
    pairings = [pairing for name in sets for pairing in _pairings(name, params)]
    casts = [(pairing, _cast(verdicts, frames, pairing)) for pairing in pairings]
    for pairing, cast in sorted(casts, key=lambda item: (item[0].name, item[0].first)):
        total = pairing.pairs * len(pairing.captures)
        for first in range(0, total, ROW_GROUP):
            yield _chunk(pairing, cast, params.look, np.arange(first, min(first + ROW_GROUP, total)))


def plan_rows(verdicts: pa.Table, frames: pa.Table, params: PlanParams) -> pa.Table:
    """Draw every composite of every set into one table; arguments and errors as :func:`plan_chunks`."""
    return pa.concat_tables(plan_chunks(verdicts, frames, params)).combine_chunks()


def _pairings(name: str, params: PlanParams) -> Iterator[_Pairing]:
    """Give a set's rules, and those of its hard cases where it has any."""
    size: SetParams = getattr(params, name)
    look, trains = params.look, name in ("base", "refine")
    captures = {"train": params.train} if trains else {k: getattr(params.strengths, k) for k in Strengths.model_fields}
    pairing = _Pairing(
        name=name,
        stream=name,
        first=0,
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
        cases=False,
        together=size.together,
        clip_cap=_shared_cap(params, size.together * len(captures)),
        exposure=params.cases.exposure,
        empty=[look.empty if trains else 0.0] * len(captures),
        camouflage=[look.camouflage_probability if trains else 0.0] * len(captures),
        second=look.second if trains else 0.0,
        object=look.object if trains else 0.0,
    )
    yield pairing
    cases = 0 if trains else getattr(params.cases, name)
    if cases:
        yield pairing._replace(
            stream=f"{name} {STRENGTH}",
            first=size.count * len(captures),
            pairs=cases,
            captures=case_captures(params.strengths.hard),
            cases=True,
            together=1,
            clip_cap=_shared_cap(params, len(CASES)),
            empty=[nobody_in(case) for case in CASES],
            camouflage=[camouflaged_in(case) for case in CASES],
        )


def _shared_cap(params: PlanParams, composites: int) -> int | None:
    """The cap in groups of so many composites."""
    return None if params.clip_cap is None else params.clip_cap // composites


def _cast(verdicts: pa.Table, frames: pa.Table, pairing: _Pairing) -> _Cast:
    backgrounds, people = _backgrounds(verdicts, pairing), _people(frames, pairing)
    seed, stream, cap = pairing.seed, pairing.stream, pairing.clip_cap
    frame_turns = Turns(people["clip"], seed, stream, "frames", cap=cap)
    if frame_turns.places is not None and frame_turns.places < pairing.groups:
        strengths, clips = len(pairing.captures), pc.count_distinct(people["clip"]).as_py()
        most = -(-pairing.groups // clips) * pairing.together * strengths
        raise ValueError(
            f"plan: set '{stream}' has {pairing.pairs * strengths} composites of {clips} clips, more than "
            f"plan.clip_cap allows; raise it to {most}, "
            f"lower {_count_key(pairing)} or add clips"
        )
    image_turns = Turns(backgrounds["scene"], seed, stream, "backgrounds")
    # Things are added, not exchanged: each composite keeps the place in the turns of people that it would have had.
    things = _fitting(_usable(frames, pairing, person=False), pairing)
    objects = Objects(things["clip"], pairing.object, seed, stream, cap)
    mattes = pa.concat_tables([people, things]).combine_chunks()
    clips = mattes["clip"].combine_chunks().dictionary_encode().indices.to_numpy()
    return _Cast(backgrounds, mattes, len(people), _subjects(mattes), clips, image_turns, frame_turns, objects)


def _count_key(pairing: _Pairing) -> str:
    return f"plan.cases.{pairing.name}" if pairing.cases else f"plan.{pairing.name}.count"


def _backgrounds(verdicts: pa.Table, pairing: _Pairing) -> pa.Table:
    """Return the images a set may use, in an order that does not depend on where they lie."""
    kept = pc.and_(verdicts["kept"], pc.equal(verdicts["split"], pairing.split))
    images = verdicts.select([*FROM_IMAGE, "width", "height", "refine_ok", *FROM_BOTH]).filter(kept)
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
    return fine.sort_by([(column, "ascending") for column in ("image_id", "dataset", "locator")]).combine_chunks()


def _large_enough(images: pa.Table, pairing: _Pairing) -> NDArray[np.bool_]:
    if pairing.name == "base":  # many small composites: every kept image is welcome
        return np.ones(len(images), dtype=bool)
    width, height = images["width"].to_numpy(), images["height"].to_numpy()
    fine = largest_grain(width, height, pairing.canvas) >= 1 / MAX_ENLARGE
    if pairing.name == "refine":
        fine &= pc.fill_null(images["refine_ok"], False).to_numpy()
    return np.asarray(fine)


def _subjects(mattes: pa.Table) -> Subjects:
    touches = pc.fill_null(mattes["touches"], "")
    cut = (pc.match_substring(touches, letter).to_numpy() for letter in "ltrb")
    return Subjects(mattes["box_w"].to_numpy().astype(float), mattes["box_h"].to_numpy().astype(float), *cut)


def _usable(frames: pa.Table, pairing: _Pairing, person: bool) -> pa.Table:
    whole = pc.and_(pc.equal(frames["status"], "ok"), pc.is_valid(frames["box_w"]))
    kept = pc.and_(whole, pc.equal(frames["split"], pairing.split))
    return frames.select([*FROM_FRAME, "touches", *FROM_BOTH]).filter(pc.and_(kept, pc.equal(frames["person"], person)))


def _fitting(mattes: pa.Table, pairing: _Pairing) -> pa.Table:
    """Return those that can fill the composite, in an order that does not depend on where they lie."""
    fine = fits(_subjects(mattes), pairing.canvas.width, pairing.canvas.height)
    return mattes.filter(pa.array(fine)).sort_by("frame_id").combine_chunks()


def _people(frames: pa.Table, pairing: _Pairing) -> pa.Table:
    """Return the frames of people that a set may use."""
    mattes, canvas = _usable(frames, pairing, person=True), pairing.canvas
    fine = _fitting(mattes, pairing)
    if not len(fine):
        found = f"{len(mattes)} usable frames of people in split '{pairing.split}'"
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
    return fine


def _chunk(pairing: _Pairing, cast: _Cast, look: LookParams, ordinals: NDArray[np.int64]) -> pa.Table:
    """Draw the rows of a pairing at ascending ordinals, from 0 in its own stream."""
    seed, stream, count = pairing.seed, pairing.stream, len(ordinals)
    # Rows of one pair, one a strength, share all but the capture, so that strengths compare.
    pairs, kinds = np.divmod(ordinals, len(pairing.captures))
    groups = pairs // pairing.together
    at_frame = cast.frame_turns.at(groups)
    is_object, things = cast.objects.at(groups)
    at_frame[is_object] = cast.people + things
    at_image = cast.image_turns.at(pairs)
    images, mattes = cast.backgrounds.take(at_image), cast.frames.take(at_frame)
    subjects = cast.subjects.take(at_frame)
    width, height = images["width"].to_numpy(), images["height"].to_numpy()
    empty, camouflage = (np.array(odds)[kinds] for odds in (pairing.empty, pairing.camouflage))
    draws = Draws(seed, stream, pairs)
    shared = draw_look(draws, look, pairing.canvas, subjects, width, height, empty, camouflage)
    others = _second(pairing, cast, look, pairs, at_frame, shared["empty"])
    captures: list[Columns] = []
    for index, capture in enumerate(pairing.captures.values()):
        here = kinds == index
        own = Draws(seed, stream, ordinals[here])
        captures.append(draw_capture(own, capture, pairing.canvas, subjects.bottom[here], shared["empty"][here]))
        if pairing.cases and CASES[index] == "empty":
            captures[-1]["gain"] = exposure_off(own, pairing.exposure)
    own = Draws(seed, stream, ordinals)
    odds = np.array([capture.wrong_plate for capture in pairing.captures.values()])[kinds]
    wrong, plates = choose_plates(own, odds, cast.backgrounds, at_image)
    names = pa.array(list(pairing.captures)).take(pa.array(kinds))
    values: dict[str, Any] = {
        "composite_id": item_ids((seed, stream), ordinals),
        "set": pa.repeat(pairing.name, count),
        "ordinal": pairing.first + ordinals,
        "strength": pa.repeat(STRENGTH, count) if pairing.cases else names,
        "case": names if pairing.cases else pa.nulls(count, pa.string()),
        "split": pa.repeat(pairing.split, count),
        "width": np.full(count, pairing.canvas.width),
        "height": np.full(count, pairing.canvas.height),
        "margin": np.full(count, pairing.canvas.margin),
        **{column: images[column] for column in FROM_IMAGE},
        **{column: mattes[column] for column in FROM_FRAME},
        **shared,
        **others,
        "object": is_object,
        **_interleaved(captures, kinds),
        **_plates(pairing, cast, look, ordinals, wrong, plates),
    }
    for column in FROM_BOTH:
        values[column] = with_plates(_joined(images[column], mattes[column]), cast.backgrounds[column], wrong, plates)
    return from_columns(PLAN, values)


def _plates(
    pairing: _Pairing,
    cast: _Cast,
    look: LookParams,
    ordinals: NDArray[np.int64],
    wrong: Flags,
    plates: NDArray[np.int64],
) -> dict[str, Any]:
    """Draw the crops of captured backgrounds that are wrong altogether; null where the plate is right."""
    width, height = (cast.backgrounds[side].to_numpy()[plates] for side in ("width", "height"))
    few = Draws(pairing.seed, pairing.stream, ordinals[wrong])
    crop = draw_crop(few, look, pairing.canvas, width, height, "plate_")
    columns = plate_columns(cast.backgrounds, wrong, plates, crop)
    return {name: columns[name] for name in columns.column_names}


def _second(
    pairing: _Pairing, cast: _Cast, look: LookParams, pairs: NDArray[np.int64], first: NDArray[np.int64], empty: Flags
) -> dict[str, Any]:
    """Draw the second subjects; null where one stands alone or nobody is there."""
    draws = Draws(pairing.seed, pairing.stream, pairs)
    frames = draws.integers("second_frame", 0, cast.people - 1)
    # Two of one clip would be twins; one shadow's numbers serve both, and differ for whole and cut figures.
    alike = cast.subjects.bottom[first] == cast.subjects.bottom[frames]
    there = draws.chance("second", pairing.second) & ~empty & alike & (cast.clips[first] != cast.clips[frames])
    few = Draws(pairing.seed, pairing.stream, pairs[there])
    drawn = draw_second(few, look, pairing.canvas, cast.subjects.take(frames[there]))
    mattes = cast.frames.select(FROM_FRAME).take(pa.array(frames, mask=~there))
    return {
        **{f"second_{column}": mattes[column] for column in FROM_FRAME},
        **{name: _scattered(values, there) for name, values in drawn.items()},
    }


def _scattered(values: NDArray[Any], there: Flags) -> pa.Array:
    """Put values where they belong, nulls elsewhere."""
    column = np.zeros(len(there), values.dtype)
    column[there] = values
    return pa.array(column, mask=~there)


def _interleaved(captures: list[Columns], strengths: NDArray[np.int64]) -> Columns:
    """Bring the columns of each strength's rows into the order of the rows."""
    if len(captures) == 1:
        return captures[0]
    order = np.argsort(np.argsort(strengths, kind="stable"), kind="stable")
    return {name: np.concatenate([columns[name] for columns in captures])[order] for name in captures[0]}


def _joined(images: pa.ChunkedArray, mattes: pa.ChunkedArray) -> pa.ChunkedArray:
    """Name both licences, or both sources."""
    image, matte = (pc.fill_null(column, "unknown") for column in (images, mattes))
    return pc.binary_join_element_wise("background: ", image, "; matte: ", matte, "")
