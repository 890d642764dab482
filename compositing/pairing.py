"""Curated backgrounds x frames -> plan rows."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import Field, field_validator

from compositing.perturb import CaptureParams, Range, Share
from compositing.placement import MAX_ENLARGE, Subject, fits, place
from compositing.tables import PLAN, SETS
from curation.config import Section
from curation.identity import item_id, rng
from curation.tables import to_arrow


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


class LookParams(Section):
    """How subject and scene are varied, alike in source and captured background."""

    rotate: Range
    """Degrees, subject."""
    shear: Range
    """Degrees, subject."""
    flip: Share
    """Probability of mirroring, drawn for subject and scene each."""
    fgr_exposure: Range
    """Stops, subject alone."""
    fgr_contrast: Range
    """Factor, subject alone."""
    fgr_saturation: Range
    """Factor, subject alone."""
    fgr_warmth: Range
    """Red gain minus blue gain, subject alone."""
    bgr_exposure: Range
    """Stops, scene."""
    bgr_contrast: Range
    """Factor, scene."""
    bgr_saturation: Range
    """Factor, scene."""
    bgr_zoom: Range
    """How much smaller the crop is than the largest that fits, factor >= 1."""
    blur: Range
    """Sigma of the subject's defocus, pixels."""
    blur_probability: Share
    """How often the subject is defocused, 0 to 1."""

    @field_validator("bgr_zoom")
    @classmethod
    def _fits_the_image(cls, value: tuple[float, float]) -> tuple[float, float]:
        if value[0] < 1:
            raise ValueError("a zoom below 1 would be a crop larger than the image")
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
    size: SetParams
    captures: Mapping[str, CaptureParams]
    margin: int


Row = dict[str, Any]


def plan_rows(verdicts: pa.Table, frames: pa.Table, params: PlanParams) -> pa.Table:
    """Draw every composite of every set.

    ``verdicts``, ``frames``: the VERDICTS and FRAMES tables. Returns PLAN rows sorted by set and ordinal. All that is
    drawn for a row hangs on seed, set and ordinal alone, and a larger ``count`` only adds rows.
    Raises ValueError where a set has no backgrounds or no frames, naming the split and what to do.
    """
    rows: list[Row] = []
    for name in SETS:
        pairing = _pairing(name, params)
        backgrounds = _backgrounds(verdicts, pairing)
        subjects = _subjects(frames, pairing)
        rows += _rows(pairing, params.look, backgrounds, subjects)
    table = to_arrow(PLAN, rows)
    return table.sort_by([(name, "ascending") for name in PLAN.key])


def _pairing(name: str, params: PlanParams) -> _Pairing:
    size: SetParams = getattr(params, name)
    trains = name in ("base", "refine")
    captures = {"train": params.train} if trains else {k: getattr(params.strengths, k) for k in Strengths.model_fields}
    return _Pairing(
        name=name,
        seed=params.test_seed if name == "test" else params.seed,
        split="train" if trains else name,
        size=size,
        captures=captures,
        margin=max(margin_of(capture, size.width, size.height) for capture in captures.values()),
    )


def margin_of(capture: CaptureParams, width: int, height: int) -> int:
    """Return how far beyond the window a moved camera may look, pixels, the reach of cubic resampling included."""
    reach = math.hypot(width, height) / 2
    shift = capture.shift[1] * max(width, height) / 512
    turn = math.radians(max(abs(angle) for angle in capture.rotate)) * reach
    grow = max(abs(factor - 1) for factor in capture.scale) * reach
    return math.ceil(shift + turn + grow) + 3


def _backgrounds(verdicts: pa.Table, pairing: _Pairing) -> list[Row]:
    """Return the images a set may use, in an order that does not depend on where they lie."""
    kept = verdicts.filter(pc.and_(verdicts["kept"], pc.equal(verdicts["split"], pairing.split)))
    columns = ["dataset", "locator", "image_id", "scene", "indoor", "width", "height", "refine_ok", "licence", "source"]
    images: list[Row] = kept.select(columns).to_pylist()
    usable = [image for image in images if _large_enough(image, pairing)]
    if not usable:
        set_name, size = pairing.name, pairing.size
        found = f"{len(images)} kept images in split '{pairing.split}'"
        if images:
            found += f", none of them large enough for {size.width}x{size.height}"
        raise ValueError(
            f"plan: set '{set_name}' has no background: {found}; add photographs, or "
            + (f"lower plan.{set_name}.width and height" if images else "change the curate section (its split shares)")
            + "; metrics/curate.json counts why images were rejected"
        )
    return sorted(usable, key=lambda image: (image["image_id"], image["dataset"], image["locator"]))


def _large_enough(image: Row, pairing: _Pairing) -> bool:
    if pairing.name == "base":  # many small composites: every kept image is welcome
        return True
    fine = _grain(image, pairing) >= 1 / MAX_ENLARGE
    return fine and (pairing.name != "refine" or bool(image["refine_ok"]))


def _grain(image: Row, pairing: _Pairing) -> float:
    """Image pixels per composite pixel where the crop, margin included, is the largest that fits."""
    size, margin = pairing.size, 2 * pairing.margin
    return float(min(image["width"] / (size.width + margin), image["height"] / (size.height + margin)))


def _subjects(frames: pa.Table, pairing: _Pairing) -> list[Row]:
    """Return the frames a set may use, in an order that does not depend on where they lie."""
    whole = pc.and_(pc.equal(frames["status"], "ok"), pc.is_valid(frames["box_w"]))
    kept = frames.filter(pc.and_(whole, pc.equal(frames["split"], pairing.split)))
    columns = ["frame_id", "clip", "frame", "box_w", "box_h", "touches", "licence", "source"]
    rows: list[Row] = kept.select(columns).to_pylist()
    size = pairing.size
    usable = [row for row in rows if fits(_subject(row), size.width, size.height)]
    if not usable:
        found = f"{len(rows)} usable frames in split '{pairing.split}'"
        if rows:
            found += f", none of which fills {size.width}x{size.height} without being enlarged over {MAX_ENLARGE}x"
        raise ValueError(
            f"plan: set '{pairing.name}' has no matte: {found}; add clips, or "
            + (f"lower plan.{pairing.name}.width and height" if rows else "change mattes.valid_share and test_share")
            + "; metrics/mattes.json counts why frames cannot be used"
        )
    return sorted(usable, key=lambda row: str(row["frame_id"]))


def _subject(row: Row) -> Subject:
    return Subject(row["box_w"], row["box_h"], row["touches"] or "")


def _order(groups: Sequence[str | None], generator: np.random.Generator) -> NDArray[np.int64]:
    """Shuffle items so that any prefix holds each group in proportion to its size."""
    _, codes, counts = np.unique([group or "" for group in groups], return_inverse=True, return_counts=True)
    shuffled = generator.permutation(len(codes))
    shuffled = shuffled[np.argsort(codes[shuffled], kind="stable")]  # group by group, random inside
    rank = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
    start = generator.random(len(counts))
    code = codes[shuffled]
    return np.asarray(shuffled[np.argsort((rank + start[code]) / counts[code], kind="stable")])


def _cycle(items: list[Row], group: str, *name: str | int, seed: int) -> Iterator[Row]:
    """Give every item once, shuffled, then again in another order, and so on: even use and no fixed partners."""
    groups = [item[group] for item in items]
    turn = 0
    while True:
        for index in _order(groups, rng(seed, *name, turn)):
            yield items[index]
        turn += 1


def _rows(pairing: _Pairing, look: LookParams, backgrounds: list[Row], subjects: list[Row]) -> Iterator[Row]:
    seed, name = pairing.seed, pairing.name
    images = _cycle(backgrounds, "scene", name, "backgrounds", seed=seed)
    mattes = _cycle(subjects, "clip", name, "frames", seed=seed)
    for pair in range(pairing.size.count):
        image, matte = next(images), next(mattes)
        # Rows of one pair, one a strength, share all but the capture, so that strengths compare.
        shared = _draw_look(rng(seed, name, "look", pair), pairing, look, image, matte)
        for index, (strength, capture) in enumerate(pairing.captures.items()):
            ordinal = pair * len(pairing.captures) + index
            yield {
                "composite_id": item_id(seed, name, ordinal),
                "set": name,
                "ordinal": ordinal,
                "strength": strength,
                "split": pairing.split,
                "width": pairing.size.width,
                "height": pairing.size.height,
                "margin": pairing.margin,
                **shared,
                **_draw_capture(rng(seed, name, ordinal), capture, pairing.size, matte),
            }


def _draw_look(generator: np.random.Generator, pairing: _Pairing, look: LookParams, image: Row, matte: Row) -> Row:
    def uniform(limits: tuple[float, float]) -> float:
        return float(generator.uniform(*limits))

    size = pairing.size
    bgr_flip, fgr_flip = (bool(draw < look.flip) for draw in generator.random(2))
    subject = _subject(matte)
    placed = place(
        subject.mirrored() if fgr_flip else subject,
        size.width,
        size.height,
        uniform(size.scale),
        uniform(look.rotate),
        uniform(look.shear),
        generator,
    )
    blurred = generator.random() < look.blur_probability
    blur = uniform(look.blur)
    return {
        **{name: image[name] for name in ("dataset", "locator", "image_id", "scene", "indoor")},
        **{name: matte[name] for name in ("frame_id", "clip", "frame")},
        **_draw_crop(generator, pairing, image, uniform(look.bgr_zoom)),
        "bgr_flip": bgr_flip,
        "fgr_flip": fgr_flip,
        "fgr_scale": placed.scale,
        "fgr_x": placed.x,
        "fgr_y": placed.y,
        "fgr_rotate": placed.rotate,
        "fgr_shear": placed.shear,
        "fgr_exposure": uniform(look.fgr_exposure),
        "fgr_contrast": uniform(look.fgr_contrast),
        "fgr_saturation": uniform(look.fgr_saturation),
        "fgr_warmth": uniform(look.fgr_warmth),
        "bgr_exposure": uniform(look.bgr_exposure),
        "bgr_contrast": uniform(look.bgr_contrast),
        "bgr_saturation": uniform(look.bgr_saturation),
        "blur": blur if blurred else 0.0,
        "licence": _joined(image["licence"], matte["licence"]),
        "source": _joined(image["source"], matte["source"]),
    }


def _joined(image: str | None, matte: str | None) -> str:
    return f"background: {image or 'unknown'}; matte: {matte or 'unknown'}"


def _draw_crop(generator: np.random.Generator, pairing: _Pairing, image: Row, zoom: float) -> Row:
    """Crop whole pixels, margin included; the columns give the window inside the margin."""
    size, margin = pairing.size, pairing.margin
    grain = _grain(image, pairing)
    grain = max(grain / zoom, min(grain, 1 / MAX_ENLARGE))
    wide, high = size.width + 2 * margin, size.height + 2 * margin
    w, h = min(round(wide * grain), image["width"]), min(round(high * grain), image["height"])
    x, y = (int(generator.integers(0, spare, endpoint=True)) for spare in (image["width"] - w, image["height"] - h))
    return {
        "crop_x": x + margin * w / wide,
        "crop_y": y + margin * h / high,
        "crop_w": size.width * w / wide,
        "crop_h": size.height * h / high,
    }


def _draw_capture(generator: np.random.Generator, capture: CaptureParams, size: SetParams, matte: Row) -> Row:
    def uniform(limits: tuple[float, float]) -> float:
        return float(generator.uniform(*limits))

    length = uniform(capture.shift) * max(size.width, size.height) / 512
    direction = uniform((0.0, 2 * math.pi))
    low, high = capture.quality
    return {
        "shift_x": length * math.cos(direction),
        "shift_y": length * math.sin(direction),
        "shift_rotate": uniform(capture.rotate),
        "shift_scale": uniform(capture.scale),
        "gain": uniform(capture.gain),
        "gain_red": uniform(capture.white_balance),
        "gain_blue": uniform(capture.white_balance),
        "gamma": uniform(capture.gamma),
        "src_noise": uniform(capture.noise),
        "bgr_noise": uniform(capture.noise),
        "src_quality": int(generator.integers(low, high, endpoint=True)),
        "bgr_quality": int(generator.integers(low, high, endpoint=True)),
        "noise_key": int(generator.integers(0, 2**64, dtype=np.uint64)),
        **_draw_shadow(generator, capture, "b" in (matte["touches"] or "")),
    }


def _draw_shadow(generator: np.random.Generator, capture: CaptureParams, cut: bool) -> Row:
    """Draw the cast shadow: on the ground for whole figures, on a wall behind for those cut off at the bottom."""
    falls = generator.random() < capture.shadow
    strength = float(generator.uniform(*capture.shadow_strength))
    side = 1.0 if generator.random() < 0.5 else -1.0
    far, near, soft = (float(draw) for draw in generator.random(3))
    shadow = {"shadow_strength": strength if falls else 0.0, "shadow_x": 0.0, "shadow_y": 0.0, "shadow_lean": 0.0}
    if cut:
        shadow |= {"shadow_x": side * (0.05 + 0.13 * far), "shadow_y": 0.05 * near}
        return shadow | {"shadow_scale": 1.0 + 0.06 * near, "shadow_blur": 0.012 + 0.035 * soft}
    shadow |= {"shadow_lean": side * (0.08 + 0.27 * far)}
    # Light from the front throws the shadow back and up in the picture, light from behind towards the camera.
    towards = -1.0 if near > 0.7 else 1.0
    return shadow | {"shadow_scale": towards * (0.15 + 0.3 * near), "shadow_blur": 0.006 + 0.024 * soft}
