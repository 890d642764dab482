"""Colour maps of cloth and skin, in metres: each family of patterns is a function of a patch. Display RGB in [0, 1]."""

from collections.abc import Callable

import cv2
import numpy as np

from pipelines.sample.sheets import Colour, Paint, Patch, enlarge
from pipelines.sample.skeleton import F

RGB = tuple[float, float, float]
"""Display colour in [0, 1]."""
Pattern = Callable[[np.random.Generator, RGB, RGB], Paint]
"""(generator, main colour, second colour) -> the paint of a cloth."""


def noise(rng: np.random.Generator, rows: int, cols: int, across_rows: int, across_cols: int) -> F:
    """Return (rows, cols) smooth noise in about [-1, 1] with the given number of cells; wraps around the columns."""
    cells = rng.uniform(-1, 1, (across_rows + 3, across_cols)).astype(np.float32)
    wide = np.concatenate([cells[:, -2:], cells, cells[:, :2]], 1)
    y = np.linspace(1, across_rows + 1, rows, dtype=np.float32)
    x = np.linspace(2, across_cols + 2, cols, dtype=np.float32)
    column, row = np.meshgrid(np.minimum(x, wide.shape[1] - 1), y)
    return np.asarray(cv2.remap(wide, column, row, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.float32)


def clouds(rng: np.random.Generator, patch: Patch, size: float, octaves: int = 3) -> F:
    """Return (rows, cols) fractal noise in about [-1, 1]; the largest blobs are ``size`` metres."""
    total = np.zeros((patch.rows, patch.cols), np.float32)
    for octave in range(octaves):
        cell = size / 2**octave
        rows, cols = max(1, round(patch.height / cell)), max(3, round(patch.width / cell))
        total += noise(rng, patch.rows, patch.cols, min(rows, patch.rows), min(cols, patch.cols)) / 2**octave
    return total / 1.6


def tinted(base: RGB, factor: F) -> Colour:
    """Return a colour times a map (rows, cols)."""
    return np.asarray(np.clip(factor[..., None] * np.array(base, np.float32), 0, 1), np.float32)


def mix(share: F, first: Colour, second: Colour) -> Colour:
    """Blend two colours by a map (rows, cols): 1 is the second."""
    return np.asarray(first + share[..., None] * (second - first), np.float32)


def _period(length: float, size: float) -> float:
    """Return the period near ``size`` that closes around ``length``."""
    return length / max(1, round(length / size))


def _step(value: F, edge: float, soft: float) -> F:
    return np.asarray(np.clip((value - edge) / soft + 0.5, 0, 1), np.float32)


def _flat(colour: RGB) -> Colour:
    return np.array(colour, np.float32)


def _grain(rng: np.random.Generator, patch: Patch, strength: float) -> F:
    grain = rng.standard_normal((patch.rows // 2 + 1, patch.cols // 2 + 1)).astype(np.float32)
    return 1 + strength * enlarge(grain, patch.rows, patch.cols)


def knit(rng: np.random.Generator, main: RGB, second: RGB) -> Paint:
    """Knitted wool: columns of V stitches, mottled yarn."""

    def paint(patch: Patch) -> Colour:
        wale = _period(patch.width, 0.0085)
        x = patch.v / wale
        slope = np.abs((x % 1) - 0.5)
        stitch = ((patch.u / 0.0075 + 1.6 * slope) % 1) - 0.5
        relief = 0.86 + 0.2 * np.cos(2 * np.pi * stitch) * 0.5 - 0.2 * (slope < 0.09) - 0.12 * (slope > 0.42)
        mottle = 1 + 0.08 * clouds(rng, patch, 0.03)
        return tinted(main, (relief * mottle * _grain(rng, patch, 0.04)).astype(np.float32))

    return paint


def stripes(rng: np.random.Generator, main: RGB, second: RGB) -> Paint:
    """Breton stripes around the body."""
    period, share = rng.uniform(0.028, 0.05), rng.uniform(0.3, 0.5)

    def paint(patch: Patch) -> Colour:
        wobble = 0.0015 * clouds(rng, patch, 0.06, 1)
        band = np.abs(((patch.u + wobble) / period % 1) - 0.5) * 2
        cloth = mix(_step(band, 1 - share, 0.06), _flat(main), _flat(second))
        return np.asarray(cloth * (0.97 * _grain(rng, patch, 0.025))[..., None], np.float32)

    return paint


def checks(rng: np.random.Generator, main: RGB, second: RGB) -> Paint:
    """A flannel check: two crossing bands that multiply, and a thin light line."""
    size = rng.uniform(0.05, 0.085)

    def paint(patch: Patch) -> Colour:
        period = _period(patch.width, size)
        x, y = patch.v / period % 1, patch.u / size % 1
        bands = 0.5 * _step(0.25 - np.abs(x - 0.5), 0, 0.02) + 0.5 * _step(0.25 - np.abs(y - 0.5), 0, 0.02)
        cloth = mix(np.asarray(bands, np.float32), _flat(main), _flat(second))
        line = np.maximum(_step(0.018 - np.abs(x - 0.08), 0, 0.01), _step(0.018 - np.abs(y - 0.08), 0, 0.01))
        cloth = mix(0.55 * line, cloth, _flat((0.92, 0.88, 0.8)))
        twill = 1 + 0.05 * np.sin((patch.u + patch.v) / 0.0016)
        return np.asarray(cloth * (twill * _grain(rng, patch, 0.03))[..., None], np.float32)

    return paint


def denim(rng: np.random.Generator, main: RGB, second: RGB) -> Paint:
    """Washed twill, faded in front, with a seam along each side."""

    def paint(patch: Patch) -> Colour:
        twill = 0.94 + 0.09 * np.sin((patch.u + 0.6 * patch.v) / 0.0013)
        around = patch.v / patch.width
        fade = np.exp(-(((around - 0.5) / 0.13) ** 2)) * (0.5 + 0.5 * clouds(rng, patch, 0.12))
        seam = np.exp(-((np.minimum(np.abs(around - 0.25), np.abs(around - 0.75)) * patch.width / 0.004) ** 2))
        cloth = mix(np.asarray(np.clip(0.35 * fade, 0, 1), np.float32), _flat(main), _flat(second))
        shade_ = twill * (1 + 0.07 * clouds(rng, patch, 0.02)) * (1 - 0.25 * seam) * _grain(rng, patch, 0.06)
        return np.asarray(cloth * shade_[..., None], np.float32)

    return paint


def gradient(rng: np.random.Generator, main: RGB, second: RGB) -> Paint:
    """Dip-dyed cotton, from one colour to the other."""

    def paint(patch: Patch) -> Colour:
        level = patch.u / patch.height + 0.12 * clouds(rng, patch, 0.15)
        share = np.asarray(np.clip(level * 1.5 - 0.25, 0, 1), np.float32)
        return np.asarray(mix(share, _flat(main), _flat(second)) * _grain(rng, patch, 0.03)[..., None], np.float32)

    return paint


def plain(rng: np.random.Generator, main: RGB, second: RGB) -> Paint:
    """One colour, fine weave."""

    def paint(patch: Patch) -> Colour:
        return tinted(main, (1 + 0.04 * clouds(rng, patch, 0.05)) * _grain(rng, patch, 0.03))

    return paint


def _scattered(rng: np.random.Generator, patch: Patch, cell: float, fill: float) -> tuple[F, F, F]:
    """Return (distance, angle, random) maps of motifs, one a cell, jittered; distances in cells."""
    period = _period(patch.width, cell)
    x, y = patch.v / period, patch.u / period
    columns, rows = round(patch.width / period), int(patch.height / period) + 1
    offset = rng.uniform(-fill, fill, (2, rows, columns)).astype(np.float32)
    kind = rng.uniform(0, 1, (rows, columns)).astype(np.float32)
    row = np.minimum(y.astype(np.int64), rows - 1) + 0 * x.astype(np.int64)
    x = x + 0.5 * (row % 2)
    column = x.astype(np.int64) % columns
    dx = x - np.floor(x) - 0.5 - offset[0][row, column]
    dy = y - row - 0.5 - offset[1][row, column]
    return np.hypot(dx, dy).astype(np.float32), np.arctan2(dy, dx).astype(np.float32), kind[row, column]


def floral(rng: np.random.Generator, main: RGB, second: RGB) -> Paint:
    """Scattered five-leaved flowers with yellow hearts, and leaves between them."""

    def paint(patch: Patch) -> Colour:
        cloth = np.broadcast_to(_flat(main), (patch.rows, patch.cols, 3))
        distance, angle, kind = _scattered(rng, patch, 0.03, 0.2)
        leaf = _step(0.13 + 0.1 * np.cos(2 * angle + 6 * kind) - distance, 0, 0.03)
        cloth = mix(leaf * 0.8, cloth, _flat((0.2, 0.36, 0.22)))
        distance, angle, kind = _scattered(rng, patch, 0.052, 0.16)
        petal = _step(0.27 + 0.09 * np.cos(5 * angle + 6 * kind) - distance, 0, 0.04)
        shade_ = (0.75 + 0.9 * distance)[..., None] * _flat(second)
        cloth = mix(petal, cloth, np.asarray(np.clip(shade_, 0, 1), np.float32))
        cloth = mix(_step(0.09 - distance, 0, 0.03), cloth, _flat((0.9, 0.72, 0.25)))
        return np.asarray(cloth * _grain(rng, patch, 0.02)[..., None], np.float32)

    return paint


def dots(rng: np.random.Generator, main: RGB, second: RGB) -> Paint:
    """Regular dots in offset rows."""

    def paint(patch: Patch) -> Colour:
        distance, _, _ = _scattered(rng, patch, 0.026, 0.0)
        return np.asarray(
            mix(_step(0.24 - distance, 0, 0.05), _flat(main), _flat(second)) * _grain(rng, patch, 0.025)[..., None],
            np.float32,
        )

    return paint


def herringbone(rng: np.random.Generator, main: RGB, second: RGB) -> Paint:
    """Tweed: zigzag ribs of two yarns, flecked."""

    def paint(patch: Patch) -> Colour:
        period = _period(patch.width, 0.034)
        zigzag = np.abs((patch.v / period % 1) - 0.5) * period
        rib = np.sin(2 * np.pi * (patch.u + zigzag) / 0.0105)
        share = np.asarray(np.clip(0.5 + 0.75 * rib, 0, 1), np.float32)
        flecks = 1 + 0.1 * clouds(rng, patch, 0.008, 2)
        return np.asarray(
            mix(share, _flat(main), _flat(second)) * (flecks * _grain(rng, patch, 0.05))[..., None], np.float32
        )

    return paint


def skin(rng: np.random.Generator, tone: RGB) -> Paint:
    """Bare skin of limbs: blotchy, finely grained."""

    def paint(patch: Patch) -> Colour:
        blotch = clouds(rng, patch, 0.05)
        colour = tinted(tone, 1 + 0.035 * blotch * _grain(rng, patch, 0.02))
        return np.asarray(
            colour * (1 + 0.03 * clouds(rng, patch, 0.012, 2)[..., None] * _flat((0.3, 1, 1))), np.float32
        )

    return paint


TRAIN_PATTERNS: tuple[Pattern, ...] = (knit, stripes, checks, gradient, plain)
TEST_PATTERNS: tuple[Pattern, ...] = (floral, dots, herringbone)
