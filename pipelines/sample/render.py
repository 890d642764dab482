"""One moment of a figure -> straight foreground colour and alpha, with motion blur over the shutter's opening."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.sample.figures import Figure
from pipelines.sample.hair import KNOTS
from pipelines.sample.light import Shadows, normals, shade, shade_strands
from pipelines.sample.raster import I64, LAYERS, Camera, Depth, Strands, occlusion, shrink, straighten
from pipelines.sample.sheets import Moment, Patch, Sheet, enlarge
from pipelines.sample.skeleton import F

SPACING = 1.0
"""Distance of neighbouring surface points, in samples."""
STRAND_SPACING = 1.25
"""Distance of neighbouring strand points, in pixels; the filter that spreads them is two wide."""
_JITTER = (
    (0.0, 0.0), (0.37, 0.61), (-0.41, 0.23), (0.19, -0.43), (-0.22, -0.17), (0.45, 0.07), (0.05, 0.33), (-0.1, -0.4),
)  # fmt: skip


@dataclass(frozen=True)
class _Skin:
    """What is known of a sheet for a whole clip."""

    sheet: Sheet
    rows: int
    cols: int
    texture: NDArray[np.uint8]
    """(rows, cols, 3)."""
    keeps: NDArray[np.bool_] | None
    """(rows * cols,) where the sheet has no hole."""
    sign: float
    """Turns its normals outward."""


@dataclass(frozen=True)
class _Threads:
    """Points on strands."""

    before: I64
    """Index of the knot before."""
    along: F
    """Share of the way to the next knot."""
    spacing: F
    """Pixels of strand that the point stands for."""
    singles: I64
    """Points of strands that are seen one by one."""
    mass: tuple[I64, ...]
    """Points of the others, which are too many to tell apart: each strand appears at one moment of the shutter."""

    def at(self, step: int) -> tuple[I64, F, F]:
        """Return the points to render in one step; their spacings add up to the whole over all steps."""
        chosen = np.concatenate([self.singles, self.mass[step]])
        spacing = self.spacing[chosen]
        spacing[: len(self.singles)] /= len(self.mass)
        return self.before[chosen], self.along[chosen], spacing


@dataclass(frozen=True)
class _View:
    """The part of the picture where the figure is: the rest needs no work."""

    camera: Camera
    width: int
    height: int
    wide: int
    """Samples across."""
    high: int
    """Samples down."""
    ratio: float
    """Samples a pixel."""


@dataclass(frozen=True)
class _Surface:
    """The lit points of all sheets in a row."""

    colours: NDArray[np.uint8]
    """(n, 3)."""
    starts: list[int]
    """Index of each sheet's first point."""
    visible: list[I64]
    """The points of each sheet that may be seen."""


class Painter:
    """Renders the frames of one figure."""

    def __init__(self, figure: Figure, width: int, height: int) -> None:
        self.figure = figure
        self.camera = figure.camera(width, height)
        self.width, self.height = width, height
        self._size = (width, height)
        start = Moment(figure.motion, figure.build, 0.0)
        self._skins = [self._prepare(sheet, start) for sheet in figure.sheets]
        self._threads = [
            self._sample(hair.at(start, figure.build)[0], hair.single, figure.steps) for hair in figure.strands
        ]

    def _prepare(self, sheet: Sheet, start: Moment) -> _Skin:
        """Choose how finely a sheet is sampled, and paint it."""
        points = sheet.shape(start)
        m, n = points.shape[:2]
        down = np.linalg.norm(np.diff(points, axis=0), axis=-1)
        across = np.linalg.norm(np.diff(points, axis=1), axis=-1)
        step = SPACING / (self.camera.scale * self.figure.samples * 1.06)
        # Elbows, knees and round ends stretch a few cells far, and face the camera with them. The steepest folds of
        # wide cloth do not: there the finest cells would cost more than they show.
        share = 0.995 if m <= 64 and not sheet.open else 0.8
        rows = int(np.clip(np.quantile(down, share) * m / step, 4, 2000))
        cols = int(np.clip(np.quantile(across, min(share, 0.98)) * n / step, 4, 2400))
        rest = sheet.rest(start) if sheet.rest else points
        patch = Patch(rows, cols, float(down.sum(0).mean()), float(across.sum(1).mean()), rest)
        colour = sheet.paint(patch)
        colour = np.broadcast_to(colour, (rows, cols, colour.shape[-1]))
        keeps = None if colour.shape[-1] == 3 else (colour[..., 3] > 0.5).ravel()
        texture = (np.clip(colour[..., :3], 0, 1) * 255 + 0.5).astype(np.uint8)
        outward = points - points.mean(1, keepdims=True)
        sign = 1.0 if float((normals(points) * outward).sum()) >= 0 else -1.0
        return _Skin(sheet, rows, cols, texture, keeps, sign)

    def _sample(self, points: F, single: NDArray[np.bool_] | None, steps: int) -> _Threads:
        """Spread points over strands (s, KNOTS, 3)."""
        pieces = np.linalg.norm(np.diff(points, axis=1), axis=-1) + 1e-7
        length = pieces.sum(1) * self.camera.scale
        counts = np.maximum(2, np.ceil(length / STRAND_SPACING)).astype(np.int64)
        strand = np.repeat(np.arange(len(points)), counts)
        order = np.arange(len(strand)) - np.repeat(np.cumsum(counts) - counts, counts)
        # All strands in one row, end to end, so that one interpolation finds every point's knot by length.
        run = np.concatenate([np.zeros((len(points), 1)), np.cumsum(pieces, 1) / pieces.sum(1, keepdims=True)], 1)
        run = run + 2.0 * np.arange(len(points))[:, None]
        place = 2.0 * strand + (order + 0.5) / counts[strand]
        along = np.interp(place, run.ravel(), (np.arange(run.size) % KNOTS).astype(float))
        knot = np.minimum(along.astype(np.int64), KNOTS - 2)
        single = np.ones(len(points), bool) if single is None else single
        return _Threads(
            strand * KNOTS + knot, (along - knot).astype(np.float32), (length / counts)[strand].astype(np.float32),
            np.flatnonzero(single[strand]),
            tuple(np.flatnonzero(~single[strand] & (strand % steps == step)) for step in range(steps)),
        )  # fmt: skip

    def frame(self, time: float, shutter: float) -> tuple[F, F]:
        """Render the moment around ``time`` seconds, blurred over ``shutter`` seconds.

        Returns (fgr (h, w, 3) straight colour that is valid everywhere, pha (h, w)), both float32 in [0, 1].
        """
        figure, steps = self.figure, self.figure.steps
        moments = [Moment(figure.motion, figure.build, time + shutter * end) for end in (-0.5, 0.5)]
        ends = [[skin.sheet.shape(moment) for skin in self._skins] for moment in moments]
        hair_ends = [[hair.at(moment, figure.build) for hair in figure.strands] for moment in moments]
        middle = [(a + b) * np.float32(0.5) for a, b in zip(*ends, strict=True)]
        hair_middle = [(a[0] + b[0]) * np.float32(0.5) for a, b in zip(*hair_ends, strict=True)]
        view = self._view([p for end in ends for p in end] + [p for end in hair_ends for p, _ in end])
        casting = [p.reshape(-1, 3) for p, skin in zip(middle, self._skins, strict=True) if not skin.sheet.veil]
        shadows = Shadows(np.concatenate(casting + [h[::2, ::2].reshape(-1, 3) for h in hair_middle]), figure.rig.key)
        facings = [normals(p) * np.float32(skin.sign) for p, skin in zip(middle, self._skins, strict=True)]
        surface = _Surface(
            *self._colours(middle, facings, shadows),
            [self._visible(f, skin) for f, skin in zip(facings, self._skins, strict=True)],
        )
        hair_light = [
            shade_strands(points, seen[1], hair.depth, hair.shift, shadows, figure.rig, hair.gloss)
            for points, seen, hair in zip(hair_middle, hair_ends[0], figure.strands, strict=True)
        ]
        total = np.zeros((view.height, view.width, 4), np.float32)
        strands = Strands(view.width, view.height, _box(view, hair_ends))
        dark: F | None = None
        for step in range(steps):
            share = np.float32((step + 0.5) / steps)
            jitter = _JITTER[step % len(_JITTER)]
            shapes = [a + share * (b - a) for a, b in zip(*ends, strict=True)]
            solid = self._depth(view, shapes, surface, jitter, veils=False)
            index = solid.index
            mask = (index >= 0).astype(np.float32)
            if dark is None:
                dark = occlusion(solid.nearest, mask > 0, self.camera.scale * view.ratio)
            seen = surface.colours.take(index, axis=0, mode="clip") * (dark * mask / np.float32(255))[..., None]
            if any(skin.sheet.veil for skin in self._skins):
                seen, mask = self._veil(view, shapes, surface, jitter, solid, seen, mask)
            total += shrink(np.concatenate([seen, mask[..., None]], -1), view.width, view.height) / np.float32(steps)
            self._strands(view, strands, share, step, hair_ends, hair_light, solid)
        bare = total[..., :3] * strands.contact(0.012 * self.camera.scale)[..., None]
        small, cover = strands.over(bare, total[..., 3])
        # What rounds to nothing, or to everything, shall be exactly that.
        cover = np.where(cover < 0.6 / 255, np.float32(0), np.where(cover > 1 - 0.6 / 255, np.float32(1), cover))
        colour = np.zeros((self.height, self.width, 3), np.float32)
        alpha = np.zeros((self.height, self.width), np.float32)
        left, top = view.camera.origin
        colour[top : top + view.height, left : left + view.width] = small
        alpha[top : top + view.height, left : left + view.width] = cover
        return straighten(colour, alpha), alpha

    def _view(self, points: list[F]) -> _View:
        """Return the part of the picture that holds all points, on a grid of 4 pixels."""
        seen = [self.camera.project(grid)[..., :2].reshape(-1, 2) for grid in points]
        low = [min(float(p[:, axis].min()) for p in seen) for axis in (0, 1)]
        high = [max(float(p[:, axis].max()) for p in seen) for axis in (0, 1)]
        left, top = (int(np.clip((x - 8) // 4 * 4, 0, size - 8)) for x, size in zip(low, self._size, strict=True))
        right, bottom = (
            int(np.clip(-((-x - 8) // 4) * 4, start + 8, size))
            for x, start, size in zip(high, (left, top), self._size, strict=True)
        )
        ratio = self.figure.samples
        return _View(
            replace(self.camera, origin=(left, top)), right - left, bottom - top,
            round((right - left) * ratio), round((bottom - top) * ratio), ratio,
        )  # fmt: skip

    def _colours(self, middle: list[F], facings: list[F], shadows: Shadows) -> tuple[NDArray[np.uint8], list[int]]:
        parts, starts, total = [], [], 0
        for points, facing, skin in zip(middle, facings, self._skins, strict=True):
            sheet = skin.sheet
            both = sheet.open or sheet.lining > 0
            factor, highlight = shade(points, facing, shadows, self.figure.rig, sheet.gloss, sheet.skin, both)
            # OpenCV multiplies bytes by floats and saturates in one pass.
            shown = cv2.multiply(skin.texture, enlarge(factor, skin.rows, skin.cols), dtype=cv2.CV_8U)
            if sheet.gloss:
                shine = cv2.cvtColor(cv2.convertScaleAbs(highlight, alpha=255.0), cv2.COLOR_GRAY2RGB)
                shown = cv2.add(shown, cv2.resize(shine, (skin.cols, skin.rows), interpolation=cv2.INTER_LINEAR))
            parts.append(shown.reshape(-1, 3))
            starts.append(total)
            total += skin.rows * skin.cols
        return np.concatenate(parts), starts

    def _visible(self, facing: F, skin: _Skin) -> I64:
        """Return the points of a sheet that can face the camera."""
        if skin.sheet.open:
            return np.arange(skin.rows * skin.cols) if skin.keeps is None else np.flatnonzero(skin.keeps)
        towards = enlarge(np.ascontiguousarray(facing[..., 2]), skin.rows, skin.cols).ravel() > -0.22
        towards[int((1 - skin.sheet.lining) * skin.rows) * skin.cols :] = True
        return np.flatnonzero(towards if skin.keeps is None else towards & skin.keeps)

    def _depth(
        self, view: _View, shapes: list[F], surface: _Surface, jitter: tuple[float, float], veils: bool
    ) -> Depth:
        depth = Depth(view.wide, view.high)
        for points, chosen, start, skin in zip(shapes, surface.visible, surface.starts, self._skins, strict=True):
            if bool(skin.sheet.veil) != veils:
                continue
            seen = view.camera.project(points)
            seen[..., :2] = seen[..., :2] * np.float32(view.ratio) + np.array(jitter, np.float32)
            left, right, top, bottom = seen[..., 0].min(), seen[..., 0].max(), seen[..., 1].min(), seen[..., 1].max()
            if top > view.high or bottom < 0 or left > view.wide or right < 0:
                continue
            whole = bool(left >= 0 and top >= 0 and right < view.wide and bottom < view.high)
            fine = enlarge(seen, skin.rows, skin.cols).reshape(-1, 3).take(chosen, axis=0)
            depth.add(fine, chosen + start, whole)
        depth.close()
        return depth

    def _veil(
        self,
        view: _View,
        shapes: list[F],
        surface: _Surface,
        jitter: tuple[float, float],
        solid: Depth,
        seen: F,
        mask: F,
    ) -> tuple[F, F]:
        veil = self._depth(view, shapes, surface, jitter, veils=True)
        index = veil.index
        through = next(skin.sheet.veil for skin in self._skins if skin.sheet.veil)
        nearest = cv2.blur(veil.nearest, (3, 3))
        slope = np.hypot(cv2.Sobel(nearest, -1, 1, 0, scale=0.125), cv2.Sobel(nearest, -1, 0, 1, scale=0.125))
        # The more the cloth slants, the more of it the light has to pass: folds and edges are denser.
        slant = np.sqrt(1 + np.minimum(slope * (self.camera.scale * view.ratio), 4) ** 2)
        dense = 1 - np.exp(slant.astype(np.float32) * np.float32(np.log(through)))
        share = np.where((index >= 0) & (veil.nearest >= solid.nearest), dense, np.float32(0))
        tint = surface.colours.take(index, axis=0, mode="clip") * np.float32(1 / 255)
        return seen + share[..., None] * (tint - seen), mask + share * (1 - mask)

    def _strands(
        self, view: _View, strands: Strands, share: np.float32, step: int,
        ends: list[list[tuple[F, F]]], light: list[tuple[F, F]], solid: Depth,
    ) -> None:  # fmt: skip
        nearest = solid.nearest.ravel()
        for number, (hair, threads) in enumerate(zip(self.figure.strands, self._threads, strict=True)):
            first, second = ends[0][number][0], ends[1][number][0]
            seen = view.camera.project(first + share * (second - first)).reshape(-1, 3)
            before, along, spacing = threads.at(step)
            a = seen.take(before, axis=0)
            x, y, z = (a + along[:, None] * (seen.take(before + 1, axis=0) - a)).T
            ratio = np.float32(view.ratio)
            column = np.clip((x * ratio).astype(np.int64), 0, view.wide - 1)
            row = np.clip((y * ratio).astype(np.int64), 0, view.high - 1)
            # Hair lies on cloth and skin, and what has sunk into them by a hair's breadth still shows.
            shown = np.flatnonzero(nearest.take(row * view.wide + column) < z + np.float32(0.007))
            if len(shown) == 0:
                continue
            factor, highlight = light[number]
            tint = np.clip(hair.colour[:, None] * factor + highlight, 0, 1).reshape(-1, 3)
            low, high = np.quantile(seen[::7, 2], (0.02, 0.98))
            layer = np.clip((z[shown] - low) / max(float(high - low), 1e-4) * LAYERS, 0, LAYERS - 1).astype(np.int64)
            chosen = before[shown]
            area = hair.width[chosen // KNOTS] * np.float32(self.camera.scale) * spacing[shown]
            strands.add(x[shown], y[shown], layer, area, tint.take(chosen, axis=0))


def _box(view: _View, ends: list[list[tuple[F, F]]]) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of all strands, pixels of the view."""
    seen = [view.camera.project(points) for end in ends for points, _ in end]
    low = [min(float(p[..., axis].min()) for p in seen) for axis in (0, 1)]
    high = [max(float(p[..., axis].max()) for p in seen) for axis in (0, 1)]
    left, top = max(0, int(low[0]) - 2), max(0, int(low[1]) - 2)
    right, bottom = min(view.width, int(high[0]) + 3), min(view.height, int(high[1]) + 3)
    return left, top, max(right, left + 2), max(bottom, top + 2)


def to_bytes(values: F) -> NDArray[np.uint8]:
    """Round [0, 1] to 8 bits."""
    return np.asarray(cv2.convertScaleAbs(values, alpha=255.0), np.uint8)
