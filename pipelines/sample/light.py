"""Light on points: a key light with a shadow map, sky and floor, a rim light, and the gloss of hair. Display RGB."""

from dataclasses import dataclass

import cv2
import numpy as np

from pipelines.sample.skeleton import F, unit, vector

GAMMA = 1 / 2.2
_CELL = 0.014
_VIEW = vector(0, 0, 1)


@dataclass(frozen=True)
class Rig:
    """The lights of one clip; colours are linear RGB."""

    key: F
    """Direction towards the key light."""
    key_colour: F
    sky: F
    floor: F
    rim: F
    """Direction towards the rim light, behind the figure."""
    rim_colour: F


def draw_rig(rng: np.random.Generator) -> Rig:
    """Draw soft studio or window light: from above one side, warm or cool against the fill."""
    side = rng.choice([-1.0, 1.0])
    warmth = rng.uniform(-0.06, 0.1)
    level = rng.uniform(0.82, 0.98)
    key = unit(vector(side * rng.uniform(0.35, 0.8), rng.uniform(0.45, 0.8), rng.uniform(0.6, 0.95)))
    return Rig(
        key,
        level * vector(1 + warmth, 1, 1 - 1.2 * warmth),
        rng.uniform(0.34, 0.46) * vector(1 - 0.5 * warmth, 1, 1 + 0.8 * warmth),
        rng.uniform(0.16, 0.26) * vector(1.06, 1, 0.93),
        unit(vector(-side * 0.8, 0.35, -0.55)),
        rng.uniform(0.1, 0.32) * vector(1, 1, 1.04),
    )


def normals(points: F) -> F:
    """Return unit normals of a grid (m, n, 3): to the outside of tubes that are lofted counter-clockwise."""
    along = np.empty_like(points)
    along[1:-1] = points[2:] - points[:-2]
    along[0], along[-1] = points[1] - points[0], points[-1] - points[-2]
    across = np.empty_like(points)
    across[:, 1:-1] = points[:, 2:] - points[:, :-2]
    closed = bool(np.abs(points[:, 0] - points[:, -1]).max() < 1e-5)
    edge = points[:, 1] - points[:, -2] if closed else points[:, 1] - points[:, 0]
    across[:, 0] = edge
    across[:, -1] = edge if closed else points[:, -1] - points[:, -2]
    a, b = across, along
    square = np.stack(
        [
            a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1],
            a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2],
            a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0],
        ],
        -1,
    )
    return unit(square)


class Shadows:
    """What the key light sees: the nearest point in each cell, so that limbs and hair cast shadows."""

    def __init__(self, points: F, key: F) -> None:
        up = vector(0, 1, 0)
        self._right = unit(np.cross(up, key).astype(np.float32))
        self._up = np.cross(key, self._right).astype(np.float32)
        self._key = key
        x, y, depth = self._project(points)
        self._corner = (int(x.min()) - 2, int(y.min()) - 2)
        self._size = (int(y.max()) - self._corner[1] + 3, int(x.max()) - self._corner[0] + 3)
        nearest = np.full(self._size, -9.0, np.float32)
        np.maximum.at(nearest.ravel(), self._cell(x, y), depth)
        self._nearest = cv2.dilate(nearest, np.ones((3, 3), np.uint8))

    def _project(self, points: F) -> tuple[F, F, F]:
        return points @ self._right / _CELL, points @ self._up / _CELL, points @ self._key

    def _cell(self, x: F, y: F) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        column = np.clip(x.astype(np.int64) - self._corner[0], 0, self._size[1] - 1)
        row = np.clip(y.astype(np.int64) - self._corner[1], 0, self._size[0] - 1)
        return np.asarray(row * self._size[1] + column, np.int64)

    def lit(self, points: F, bias: float) -> F:
        """Return (...) 1 where the light reaches the points, 0 where something ``bias`` metres nearer is in its way."""
        x, y, depth = self._project(points)
        before = self._nearest.ravel()[self._cell(x, y)] - depth
        return np.asarray(1 - np.clip((before - bias) / 0.03, 0, 1), np.float32)


def shade(points: F, facing: F, shadows: Shadows, rig: Rig, gloss: float, skin: float, two_sided: bool) -> tuple[F, F]:
    """Light a grid (m, n, 3) with normals ``facing``.

    Returns (factor, highlight): display colour = texture * factor + highlight, (m, n, 3) and (m, n, 1).
    The factor is already gamma-coded, since the power of a product is the product of the powers.
    """
    normal = np.where(facing[..., 2:] < 0, -facing, facing) if two_sided else facing
    lit = cv2.blur(shadows.lit(points, 0.035), (5, 5))[..., None]
    lambert = (normal @ rig.key)[..., None]
    wrap = 0.12 + 0.22 * skin
    direct = np.clip((lambert + wrap) / (1 + wrap), 0, 1) * (0.12 + 0.88 * lit)
    up = 0.5 + 0.5 * normal[..., 1:2]
    light = direct * rig.key_colour + rig.sky * up + rig.floor * (1 - up)
    if skin:  # red light travels furthest under the skin: the terminator glows
        glow = np.exp(-((lambert - 0.02) ** 2) / 0.05) * (0.3 + 0.7 * lit)
        light = light + skin * glow * vector(0.085, 0.018, 0.008)
    grazing = 1 - np.clip(np.abs(normal[..., 2:]), 0, 1)
    rim = np.clip((normal @ rig.rim)[..., None] + 0.15, 0, 1) * grazing**2
    light = light + rim * rig.rim_colour * 1.6
    if two_sided:
        light = light * np.where(facing[..., 2:] < 0, 0.62, 1.0)
    half = unit(rig.key + _VIEW)
    highlight = gloss * np.clip((normal @ half)[..., None], 0, 1) ** 22 * lit
    return np.asarray(light**GAMMA, np.float32), np.asarray(highlight, np.float32)


def shade_strands(points: F, outward: F, depth: F, shift: F, shadows: Shadows, rig: Rig, gloss: float) -> tuple[F, F]:
    """Light strands (s, k, 3) by their tangents, after Kajiya and Kay 1989, and by where they lie on the head.

    ``outward`` (s, k, 3) is the normal of the mass of hair, ``depth`` (s, k) is 1 on its outside and 0 inside,
    ``shift`` (s, 1) moves the highlight along a strand. Returns (factor, highlight) as :func:`shade`.
    """
    tangent = np.empty_like(points)
    tangent[:, 1:-1] = points[:, 2:] - points[:, :-2]
    tangent[:, 0], tangent[:, -1] = points[:, 1] - points[:, 0], points[:, -1] - points[:, -2]
    tangent = unit(tangent)
    lit = shadows.lit(points, 0.045)
    along = tangent @ rig.key
    body = np.clip(outward @ rig.key * 0.75 + 0.35, 0, 1)
    diffuse = np.sqrt(np.maximum(0, 1 - along * along)) * body * (0.2 + 0.8 * lit)
    up = 0.5 + 0.5 * outward[..., 1]
    inside = 0.3 + 0.7 * depth
    light = (diffuse * inside)[..., None] * rig.key_colour
    light = light + ((0.25 + 0.75 * up) * inside)[..., None] * rig.sky * 0.9 + rig.floor * 0.35
    back = np.clip(outward @ rig.rim, 0, 1) * (1 - np.abs(outward[..., 2])) * inside
    light = light + back[..., None] * rig.rim_colour * 1.5
    half = unit(rig.key + _VIEW)
    first = tangent @ half + shift
    second = tangent @ half + shift - 0.22
    shine = np.maximum(0, 1 - first * first) ** 45 * 0.5 + np.maximum(0, 1 - second * second) ** 12 * 0.16
    highlight = gloss * shine * (0.15 + 0.85 * lit) * body * inside
    return np.asarray(light**GAMMA, np.float32), np.asarray(highlight[..., None], np.float32)
