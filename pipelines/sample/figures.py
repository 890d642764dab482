"""From a recipe to a figure: body, face, clothes, hair, light and camera, drawn from the seed and the clip's name."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from curation.identity import rng as generator
from pipelines.sample import body, cloth, hair, hairstyles, head, motion, textures
from pipelines.sample.fringe import Fringe, fringe
from pipelines.sample.hair import Hair
from pipelines.sample.light import Rig, draw_rig
from pipelines.sample.motion import Motion
from pipelines.sample.raster import Camera
from pipelines.sample.roster import BUST, FULL, KNEES, WAIST, Recipe, recipe
from pipelines.sample.sheets import Moment, Paint, Sheet
from pipelines.sample.skeleton import Build, solve
from pipelines.sample.textures import RGB


@dataclass(frozen=True)
class Figure:
    """Everything that a renderer needs."""

    name: str
    build: Build
    motion: Motion
    sheets: list[Sheet]
    strands: list[Hair | Fringe]
    rig: Rig
    camera: Callable[[int, int], Camera]
    steps: int
    samples: float
    """Samples a pixel, in each direction and rendering."""


_IRISES: tuple[RGB, ...] = ((0.26, 0.16, 0.09), (0.17, 0.11, 0.07), (0.33, 0.42, 0.48), (0.32, 0.37, 0.24))
_SHADES: tuple[RGB, ...] = ((0.20, 0.25, 0.36), (0.16, 0.16, 0.18), (0.36, 0.31, 0.25), (0.33, 0.37, 0.42))


_SAMPLES = {FULL: 2.0, KNEES: 1.75, WAIST: 1.5, BUST: 1.5}


def draw_figure(seed: int, split: str, number: int) -> Figure:
    """Draw the person of one clip. Depends on the seed and the clip's name only."""
    rng = generator(seed, "figure", split, number)
    plan = recipe(split, number)
    build = _build(rng, plan.woman)
    face = _face(rng, plan)
    moves = Motion(plan.gait, plan.left, plan.right, float(rng.uniform(0, 1)))
    if plan.gait is motion.spin:  # seen from the front in mid-turn
        moves = replace(moves, phase=float(rng.uniform(-0.2, 0.1)))
    skin = textures.skin(rng, plan.tone)
    strands: list[Hair | Fringe] = []
    sheets = head.sheets(rng, build, face) + body.hands(build, skin, _fingers(moves))
    worn, threads = _outfit(rng, plan, build, skin)
    sheets += worn
    strands += threads
    if plan.glasses:
        sheets += cloth.glasses(build, (0.08, 0.07, 0.07), float(rng.uniform(0.016, 0.02)))
    shape = head.model(face)
    count = {FULL: 2600, KNEES: 2900, WAIST: 3300, BUST: 3600}[plan.framing]
    if plan.style in (hairstyles.crop, hairstyles.afro):
        count = count * 2
    strands.append(plan.style(rng, hair.scalp(rng, shape, plan.hair, count)))
    if plan.beard:
        strands.append(hairstyles.beard(rng, shape, plan.hair, plan.beard, 3600))
    view = _framing(rng, plan, build, moves)
    name = f"{split}/{number:04d}"
    return Figure(name, build, moves, sheets, strands, draw_rig(rng), view, plan.steps, _SAMPLES[plan.framing])


def _build(rng: np.random.Generator, woman: bool) -> Build:
    if woman:
        return Build(
            float(rng.uniform(1.6, 1.74)), 0.160, float(rng.uniform(0.98, 1.08)), float(rng.uniform(0.86, 0.98)), 0.93,
            float(rng.uniform(0.016, 0.03)), float(rng.uniform(0.82, 0.92)), 0.96,
        )  # fmt: skip
    return Build(
        float(rng.uniform(1.73, 1.86)), 0.182, 0.96, float(rng.uniform(1.0, 1.12)), float(rng.uniform(1.04, 1.12)),
        0.004, float(rng.uniform(1.0, 1.07)), 1.0,
    )  # fmt: skip


def _face(rng: np.random.Generator, plan: Recipe) -> head.Face:
    lips: RGB = tuple(float(c * f) for c, f in zip(plan.tone, (0.83, 0.58, 0.57), strict=True))  # type: ignore[assignment]
    dark = plan.tone[0] < 0.75
    return head.Face(
        plan.tone, plan.hair, _IRISES[int(rng.integers(0, 2 if dark else 4))], lips,
        jaw=float(rng.uniform(0.34, 0.42) if plan.woman else rng.uniform(0.22, 0.3)),
        nose=float(rng.uniform(0.86, 0.98) if plan.woman else rng.uniform(1.02, 1.15)),
        eyes=float(rng.uniform(1.0, 1.12) if plan.woman else rng.uniform(0.86, 0.96)),
        brows=float(rng.uniform(0.75, 0.9) if plan.woman else rng.uniform(1.05, 1.25)),
        mouth=float(rng.uniform(0.95, 1.08)), smile=float(rng.uniform(0.003, 0.006)),
        stubble=0.0 if plan.woman else (0.5 if plan.beard else float(rng.uniform(0.12, 0.3))),
        lashes=0.9 if plan.woman else 0.35,
    )  # fmt: skip


def _fingers(moves: Motion) -> Callable[[Moment, int], tuple[float, float]]:
    def curl(moment: Moment, index: int) -> tuple[float, float]:
        arm = moves.pose(moment.time).arms[index]
        return arm.curl, arm.spread

    return curl


def _framing(rng: np.random.Generator, plan: Recipe, build: Build, moves: Motion) -> Callable[[int, int], Camera]:
    room = 0.38 if plan.left is motion.stretch else 0.1
    head_top = build.stature + (0.08 if plan.style in (hairstyles.bun, hairstyles.afro) else 0.02)
    shown = {FULL: head_top + 0.05, KNEES: 1.42, WAIST: 1.0, BUST: 0.78}[plan.framing] + room
    aside = float(rng.uniform(-0.03, 0.03))

    middle = solve(moves.pose(0.5), build)
    top = float(middle.head[1]) + head_top - build.stature + 0.12 * build.scale + room

    def camera(width: int, height: int) -> Camera:
        return Camera(width, height, height / shown, (aside, top - shown / 2))

    return camera


def _outfit(
    rng: np.random.Generator, plan: Recipe, build: Build, skin: Paint
) -> tuple[list[Sheet], list[Hair | Fringe]]:
    paint = plan.pattern(rng, plan.main, plan.second)
    below = _SHADES[int(rng.integers(0, len(_SHADES)))]
    sheets = [Sheet("trunk", lambda m: body.trunk(m, build, 1.36, 1.5, 40, 0.0), skin, skin=1.0, gloss=0.04)]
    threads: list[Hair | Fringe] = []
    match plan.outfit:
        case "tee" | "dress" | "cape" | "poncho":
            sleeves, ease, line = 0.4, 0.008, cloth.Neckline(1.468, 0.07 if plan.outfit != "tee" else 0.04, 0.085)
        case "shirt":
            sleeves, ease, line = 0.66, 0.013, cloth.Neckline(1.478, 0.09, 0.05, pointed=True)
        case "skirt":
            sleeves, ease, line = 0.9, 0.009, cloth.Neckline(1.47, 0.06, 0.08)
        case _:
            sleeves, ease, line = 0.955, 0.015, cloth.Neckline(1.482, 0.03, 0.075)
    inner = textures.plain(rng, plan.second, plan.second) if plan.outfit in ("coat", "shawl") else paint
    tucked = plan.outfit in ("skirt", "dress", "cape", "poncho")
    sheets.append(cloth.top(rng, build, 1.0 if tucked else 0.85, ease, inner, line))
    for index in range(2):
        sheets.append(cloth.sleeve(rng, build, index, sleeves, ease, paint if plan.outfit == "coat" else inner))
        sheets.append(
            Sheet("arm", lambda m, i=index: body.arm(m, build, i, sleeves - 0.2, 1.0), skin, skin=1.0, gloss=0.05)  # type: ignore[misc]
        )
    if plan.outfit in ("sweater", "scarf", "tee", "coat"):
        high, bulge = (0.075, 0.012) if plan.outfit == "sweater" and not plan.woman else (0.03, 0.004)
        sheets.append(cloth.collar(build, inner, high, 0.062 if plan.woman else 0.07, bulge))
    _lower(rng, plan, build, sheets, below, paint, skin)
    if plan.outfit == "shawl":
        sheet, edge = cloth.shawl(rng, build, 1.0, paint)
        sheets.append(sheet)
        threads.append(fringe(rng, edge, 110, 9, 0.07, plan.second))
    if plan.outfit == "scarf":
        wool = textures.knit(rng, plan.second, plan.main)
        sheets.append(cloth.collar(build, wool, 0.085, 0.078, 0.03))
        for side in (-1, 1):
            sheet, edge = cloth.scarf_end(rng, build, side, float(rng.uniform(0.34, 0.48)), wool)
            sheets.append(sheet)
            threads.append(fringe(rng, edge, 13, 14, 0.075, plan.second))
    return sheets, threads


def _lower(
    rng: np.random.Generator, plan: Recipe, build: Build, sheets: list[Sheet], below: RGB, paint: Paint, skin: Paint
) -> None:
    reach = {FULL: 0.985, KNEES: 0.985, WAIST: 0.4, BUST: 0.2}[plan.framing]  # nothing below the picture
    shoes = textures.plain(rng, (0.12, 0.1, 0.1), (0.1, 0.1, 0.1))
    if plan.framing == FULL:
        sheets += [Sheet("shoe", lambda m, i=i: body.foot(m, build, i, 0.004), shoes, gloss=0.12) for i in range(2)]  # type: ignore[misc]
    match plan.outfit:
        case "dress":
            sheets.append(cloth.skirt(rng, build, 0.52, 0.12, 11, paint, ease=0.008))
        case "cape":
            sheets.append(cloth.skirt(rng, build, 0.52, 0.12, 11, paint, ease=0.008))
            sheer = textures.plain(rng, plan.second, plan.main)
            sheets.append(cloth.shawl(rng, build, 1.12, sheer, veil=0.35)[0])
        case "skirt":
            plain = textures.plain(rng, plan.second, plan.second)
            sheets.append(cloth.skirt(rng, build, 0.62, 0.08, 14, plain, ease=0.008))
            sheets.append(cloth.skirt(rng, build, 0.36, 0.2, 16, plain, ease=0.03, veil=0.6))  # tulle over cotton
        case "poncho":
            cotton = textures.plain(rng, plan.main, plan.main)
            sheets.append(cloth.skirt(rng, build, 0.6, 0.12, 12, cotton, ease=0.008))
            sheets.append(cloth.shawl(rng, build, 1.02, paint)[0])
        case _:
            denim = textures.denim(rng, below, (0.55, 0.6, 0.68))
            for index in range(2):
                sheets.append(cloth.trouser(rng, build, index, reach, 0.012, denim))
            below_hip = np.clip((0.845 - np.linspace(0.79, 0.94, 48)) / 0.055, 0, 1)
            seat = np.asarray(0.009 - 0.1 * below_hip[:, None] ** 2.5 * np.ones((1, body.TRUNK_COLUMNS)), np.float32)
            sheets.append(Sheet("seat", lambda m: body.trunk(m, build, 0.79, 0.94, 48, seat), denim))
            if plan.outfit == "coat":
                sheets.append(cloth.top(rng, build, 0.96, 0.028, paint, cloth.Neckline(1.475, 0.1, 0.06), gap=0.05))
                sheets.append(cloth.skirt(rng, build, 0.55, 0.05, 9, paint, ease=0.046, opening=0.05, start=1.02))
    if plan.outfit in ("dress", "cape", "skirt", "poncho") and plan.framing in (FULL, KNEES):
        sheets += [
            Sheet("leg", lambda m, i=i: body.leg(m, build, i, 0.0, 1.0), skin, skin=1.0, gloss=0.05)  # type: ignore[misc]
            for i in range(2)
        ]
