"""Materials of the drawn scenes: a function that paints the points of a surface."""

from collections.abc import Sequence
from functools import lru_cache

import cv2
import numpy as np

from curation.identity import rng
from pipelines.sample import photographs
from pipelines.sample.scenery import textures
from pipelines.sample.scenery.noise import Floats, Texture, grain, spectrum, tint
from pipelines.sample.scenery.shapes import Material, Paint, Surface

Colour = Sequence[float]
WHITE = (1.0, 1.0, 1.0)


def covered(
    texture: Texture,
    colour: Colour = WHITE,
    scale: float = 1.0,
    turn: bool = False,
    gloss: float | None = None,
    anchored: bool = False,
) -> Material:
    """Lay a texture over a surface in its own size, tinted with an sRGB colour; large stains break repetition.

    ``anchored``: it starts at the corner of each face, as windows must.
    """
    linear = tint(colour)
    factor = np.float32(1.0 / scale)
    start = (0.0, 0.0) if anchored else (0.37, 0.61)

    def paint(at: Surface) -> Paint:
        # Each kind of face starts elsewhere, or a box would show the same pattern on every side.
        u, v = (at.v, at.u) if turn else (at.u, at.v)
        pixels = texture.sample(u * factor + at.face * start[0], v * factor + at.face * start[1], at.footprint * factor)
        stain = grain(at.u, at.v, at.footprint, 4.7)[:, 2]
        shade = pixels[:, :3] * (1 + 0.05 * stain)[:, None] * linear
        return Paint(shade, pixels[:, 3] if gloss is None else pixels[:, 3] * 0 + np.float32(gloss))

    return paint


def solid(colour: Colour, gloss: float = 0.15, rough: float = 0.05, size: float = 0.4) -> Material:
    """One colour, with the fine unevenness that every surface has."""
    linear = tint(colour)

    def paint(at: Surface) -> Paint:
        noise = grain(at.u + at.face, at.v, at.footprint, size)
        return Paint(linear * (1 + rough * noise[:, 0] + 0.6 * rough * noise[:, 2])[:, None], gloss)

    return paint


def glowing(radiance: Colour, colour: Colour = (0.9, 0.88, 0.84)) -> Material:
    """A lamp shade or a light: shines by itself, unevenly."""
    linear, shine = tint(colour), np.asarray(radiance, np.float32)

    def paint(at: Surface) -> Paint:
        noise = 1 + 0.05 * grain(at.u, at.v, at.footprint, 0.2)[:, 1]
        middle = 1.15 - 0.5 * np.abs(at.t - 0.45)
        return Paint(np.broadcast_to(linear, (at.u.size, 3)).copy(), 0.0, (noise * middle)[:, None] * shine)

    return paint


def fitted(texture: Texture, gloss: float = 0.1, frame: float = 0.0, frame_colour: Colour = WHITE) -> Material:
    """One picture over the whole of a face, inside a margin of ``frame`` (a share of the face)."""
    edge = tint(frame_colour)
    high, wide = texture.levels[0].shape[:2]
    ratio = np.float32(high / wide)  # a texture is as many metres high as its width tells

    def paint(at: Surface) -> Paint:
        s, t = (at.s - frame) / (1 - 2 * frame), (at.t - frame) / (1 - 2 * frame)
        inside = (s > 0) & (s < 1) & (t > 0) & (t < 1)
        size = at.u.max(initial=1e-3)
        pixels = texture.sample(np.clip(s, 0.002, 0.998), np.clip(t, 0.002, 0.998) * ratio, at.footprint / size)[:, :3]
        border = edge * (1 + 0.04 * grain(at.u, at.v, at.footprint, 0.1)[:, :1])
        return Paint(np.where(inside[:, None], pixels, border), gloss)

    return paint


@lru_cache(maxsize=24)
def books(seed: int) -> Texture:
    """The backs of a shelf of books, over one board: a picture of the whole row."""
    random = rng(seed, "books")
    height, width = 192, 1024
    image = np.full((height, width, 3), 0.015, np.float32)
    muted = random.uniform(0.25, 0.75)
    x = 0
    while x < width - 8:
        if random.random() < 0.035:  # a gap
            x += int(random.integers(20, 90))
            continue
        wide = int(random.integers(14, 44))
        tall = int(height * random.uniform(0.62, 0.97))
        lean = int(random.integers(-3, 4)) if random.random() < 0.1 else 0
        hue = random.choice([0.02, 0.06, 0.09, 0.12, 0.33, 0.55, 0.6, 0.62, 0.97]) + random.normal(0, 0.01)
        colour = _hsv(hue % 1.0, random.uniform(0.1, 0.75) * muted + 0.1, random.uniform(0.12, 0.85))
        right = min(x + wide, width)
        round_ = 1 - 0.5 * np.abs(np.linspace(-1, 1, right - x, dtype=np.float32)) ** 3
        spine = np.ones((tall, right - x, 1), np.float32) * colour * round_[None, :, None]
        for _ in range(int(random.integers(0, 3))):
            band = int(random.integers(4, tall - 10))
            other = _hsv(random.random(), 0.3, random.uniform(0.1, 0.9))
            spine[band : band + int(random.integers(2, 14))] = other * round_[None, :, None]
        if wide > 20 and random.random() < 0.6:  # a title down the back
            ink = np.repeat(random.random((tall // 4 + 1, 3)) < 0.6, 4, axis=0)[:tall].astype(np.float32)
            ink[: int(tall * 0.2)] = ink[int(tall * random.uniform(0.5, 0.8)) :] = 0
            middle = (right - x) // 2
            spine[:, middle - 1 : middle + 2] += (0.5 - spine[:, middle - 1 : middle + 2]) * 0.5 * ink[..., None]
        image[height - tall :, x:right] = spine
        image[height - tall :, right - 1 : right] *= 0.35
        x = right + lean * (lean > 0)
    return Texture(image * (1 + 0.06 * cv2.resize(spectrum(seed % 5, "dust", 0.6), (width, height)))[..., None], 1.0)


def _hsv(hue: float, saturation: float, value: float) -> Floats:
    pixel = np.array([[[hue * 360, saturation, value]]], np.float32)
    return tint(cv2.cvtColor(pixel, cv2.COLOR_HSV2RGB)[0, 0])


@lru_cache(maxsize=24)
def picture(seed: int) -> Texture:
    """Something to hang on a wall: a photograph from the wheels, or a painting of washes and strokes."""
    random = rng(seed, "picture")
    names = sorted(photographs.PHOTOGRAPHS)
    if seed % 3 == 0:
        image = photographs.cut(photographs.PHOTOGRAPHS[names[seed // 3 % len(names)]], 0)
        small = cv2.resize(image, (400, 300), interpolation=cv2.INTER_AREA)
        if seed % 2:
            small = np.repeat(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
        return Texture(tint((small / 255.0).astype(np.float32)) * 0.85, 1.0)
    wash = spectrum(int(random.integers(40)), "wash", 1.7)[:300, :400]
    image = np.empty((300, 400, 3), np.float32)
    low, high = _hsv(random.random(), 0.35, 0.45), _hsv(random.random(), 0.25, 0.85)
    image[:] = low + (high - low) * (0.5 + 0.25 * wash)[..., None].clip(0, 1)
    for _ in range(int(random.integers(6, 60))):
        x, y = int(random.integers(0, 400)), int(random.integers(0, 300))
        axes = (int(random.integers(5, 90)), int(random.integers(3, 30)))
        tone = [float(c) for c in _hsv(random.random(), random.uniform(0.1, 0.8), random.uniform(0.1, 0.9))]
        layer = image.copy()
        angle = float(random.uniform(0, 180)) if seed % 2 else 0.0
        cv2.ellipse(layer, (x, y), axes, angle, 0, 360, tone, -1, cv2.LINE_AA)
        mix = 0.35 + 0.6 * random.random()
        image = image + (layer - image) * mix
    canvas = spectrum(1, "canvas", 0.2, low=80)[:300, :400]
    return Texture(image * (1 + 0.08 * canvas)[..., None], 1.0)


def wood(variant: int, turn: bool = False, gloss: float | None = None) -> Material:
    """Furniture wood; ``turn`` lets the fibres run upright."""
    return covered(textures.wood(variant), turn=turn, gloss=gloss)


def curtain(colour: Colour, folds: float) -> Material:
    """Hanging cloth: folds of about ``folds`` metres, shaded, slightly translucent."""
    linear = tint(colour)
    weave = textures.cloth(0)

    def paint(at: Surface) -> Paint:
        wander = grain(at.u * 0.5, at.v * 0.06, at.footprint, 1.5)[:, 2] * 0.5
        phase = 2 * np.pi * at.u / folds + 2.4 * wander
        fold = 0.5 + 0.5 * np.sin(phase + 0.6 * np.sin(phase))
        shade = 0.42 + 0.58 * fold
        pixels = weave.sample(at.u * (0.7 + 0.3 * fold), at.v, at.footprint)[:, :3]
        return Paint(pixels * linear * shade[:, None], 0.0, linear * (0.10 * shade * (0.4 + 0.6 * at.t))[:, None])

    return paint
