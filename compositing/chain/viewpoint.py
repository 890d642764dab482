"""The camera that moved between the two shots: shift, turn, scale, perspective, parallax."""

import math
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from compositing.kernels.warp import CELL, STEEPEST, Warp, steepness
from compositing.light import Float

Sight = Callable[[slice], Float]
"""Tells the linear light on some rows of a picture, whose whole is never held in memory."""

_RELIEF = 5
"""Nodes of a scene's depth along each side."""
DEPTH = 2
"""Stream of the generator that draws the depth; 0 and 1 are the noise of source and plate."""


class Viewpoint(NamedTuple):
    """How the camera of the captured background stood against that of the source; nothing moved by default."""

    x: float = 0.0
    """Pixels, to the right."""
    y: float = 0.0
    """Pixels, down."""
    rotate: float = 0.0
    """Degrees, counter-clockwise."""
    scale: float = 1.0
    """Factor."""
    tilt_x: float = 0.0
    """Perspective: how far the picture's right and left edges swell and shrink, pixels at the corners."""
    tilt_y: float = 0.0
    """The same for the lower and upper edges."""
    parallax_x: float = 0.0
    """How far the nearest parts move against those of middling depth, pixels to the right."""
    parallax_y: float = 0.0
    """Pixels, down."""


def motion_matrix(width: int, height: int, view: Viewpoint) -> NDArray[np.float64]:
    """Return the (3, 3) homography that moves a picture's content: rotation and scale about its centre, a shift, then
    perspective about the centre. Coordinates are pixel centres from (0, 0).
    """
    cx, cy = (width - 1) / 2, (height - 1) / 2
    cos = view.scale * math.cos(math.radians(view.rotate))
    sin = view.scale * math.sin(math.radians(view.rotate))
    moved = np.array([[cos, sin, view.x], [-sin, cos, view.y], [0.0, 0.0, 1.0]])
    # A corner at (+-1, +-1) half sides, hypot(cx, cy) away, moves by that length times this row's value there.
    reach = math.hypot(cx, cy)
    perspective = np.eye(3)
    perspective[2, :2] = view.tilt_x / (reach * cx), view.tilt_y / (reach * cy)
    centre = np.array([[1.0, 0.0, cx], [0.0, 1.0, cy], [0.0, 0.0, 1.0]])
    return np.asarray(centre @ perspective @ moved @ np.linalg.inv(centre), np.float64)


def recapture(scene: Float, margin: int, view: Viewpoint, key: int = 0) -> Sight:
    """Photograph a scene again with a camera that moved: what tells it some rows of what it sees, (h, W, 3).

    ``scene``: (H + 2 margin, W + 2 margin, 3); its (H, W, 3) window is seen. Without motion that is the plain window,
    not resampled. The margin keeps the border of the picture out of sight. ``key`` draws the depth that parallax sees.
    """
    height, width = scene.shape[0] - 2 * margin, scene.shape[1] - 2 * margin
    if view == Viewpoint():
        window = scene[margin : margin + height, margin : margin + width]
        return lambda rows: window[rows]
    u, v = _sight(width, height, view, key)
    u, v = u + margin, v + margin
    # Cubic: bilinear would make the plate softer than the source, a difference that no camera makes.
    if steepness(u, v) <= STEEPEST:
        return Warp(scene, u, v, height, width).rows
    across, down = (_every_pixel(points, width, height) for points in (u, v))
    moved = np.asarray(cv2.remap(scene, across, down, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101), np.float32)
    return lambda rows: moved[rows]


def relief(columns: int, rows: int, key: int) -> Float:
    """Draw nearness over a picture, (rows, columns), -1 (far) to 1: the ground comes nearer downwards, with bumps."""
    generator = np.random.Generator(np.random.Philox(key=np.array([key, DEPTH], dtype=np.uint64)))
    nodes = generator.uniform(-1, 1, (_RELIEF, _RELIEF)).astype(np.float32)
    bumps = cv2.resize(nodes, (columns, rows), interpolation=cv2.INTER_LINEAR)
    ground = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    return np.asarray(np.float32(0.5) * ground + np.float32(0.5) * bumps, np.float32)


def _sight(width: int, height: int, view: Viewpoint, key: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return where the moved camera looks in the window, columns and rows, at the points that ``warp`` asks for."""
    columns, rows = math.ceil(width / CELL) + 2, math.ceil(height / CELL) + 1
    back = np.linalg.inv(motion_matrix(width, height, view))
    across, down = np.meshgrid((np.arange(columns) - 1.0) * CELL, np.arange(rows) * float(CELL))
    x, y, w = (row[0] * across + row[1] * down + row[2] for row in back)
    near = relief(columns, rows, key) if view.parallax_x or view.parallax_y else np.float32(0)
    return x / w - view.parallax_x * near, y / w - view.parallax_y * near


def _every_pixel(points: NDArray[np.float64], width: int, height: int) -> Float:
    """Fill in what lies between the points."""
    columns = np.arange(width, dtype=np.float32) / CELL + 1
    rows = np.arange(height, dtype=np.float32) / CELL
    between = cv2.remap(points.astype(np.float32), *np.meshgrid(columns, rows), cv2.INTER_LINEAR)
    return np.asarray(between, np.float32)
