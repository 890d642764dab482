"""A plan row -> source, captured background, foreground, alpha.

The chain of a real capture, in linear light until each picture is developed: the scene, which may have changed since
the plate was taken; the subject in its light, laid over; the camera's exposure; sensor and codec. The plate is taken of
the scene as it was, by a camera that may have moved. Labels know of geometry, blur and colour, not of noise or codec.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from compositing.chain.camera import STRIDE, metered, streak, uneven
from compositing.chain.changes import change_thing, refocus
from compositing.chain.scene import cut_scene, wrong_scene
from compositing.chain.sensor import Picture, Sensor, develop
from compositing.chain.stage import Stage, empty_stage, set_stage
from compositing.chain.video import filmed
from compositing.chain.viewpoint import Sight, Viewpoint, recapture
from compositing.codec import Image, encode_jpeg, encode_png
from compositing.composite import composite_in
from compositing.inputs import Matte
from compositing.kernels.blocks import row_blocks
from compositing.kernels.rows import laid_over
from compositing.light import Float, to_bytes

SOURCE_NOISE, PLATE_NOISE = 0, 1
"""Streams of the two independent noise fields."""


_Exposure = Callable[[slice], tuple[Float, Float]]


class Layers(NamedTuple):
    """One rendered composite, before and after compression."""

    src: Image
    """(H, W, 3) uint8 RGB: what the camera sees."""
    bgr: Image
    """(H, W, 3) uint8 RGB: the captured background."""
    fgr: Image
    """(H, W, 3) uint8 RGB: true foreground colour, carried outward over the whole frame."""
    pha: Image
    """(H, W) uint8: true alpha."""
    members: dict[str, bytes]
    """The encoded members of the sample, in the order of ``LAYERS``; each layer is encoded here and nowhere else."""


def render(
    row: dict[str, Any],
    fgr: Image,
    pha: Image,
    background: Image,
    second: Matte | None = None,
    plate: Image | None = None,
    fgr_quality: int = 95,
) -> Layers:
    """Make one composite from its plan row, its matte and its background photograph.

    ``row``: a PLAN row of plain Python values. ``fgr``: (h, w, 3), ``pha``: (h, w), the matte; ``background``:
    (H', W', 3), the whole photograph; ``second``: the matte of a second subject, ``plate``: the photograph of a
    captured background that is wrong, each where the row names one; all uint8. Everything is float32 until one rounding
    a layer. Pure: the same arguments give the same bytes. Raises ValueError for an empty matte, a second one or a plate
    that is missing, or a crop outside the photograph.
    """
    whole = cut_scene(row, background)
    margin = int(row["margin"])
    scene = whole[margin : whole.shape[0] - margin, margin : whole.shape[1] - margin]
    behind = change_thing(row, refocus(scene, row["focus"]))
    stage = empty_stage(row, (fgr, pha), behind) if row["empty"] else set_stage(row, (fgr, pha), second, behind)
    expose = _exposure(row, scene, stage)
    alpha = stage.alpha
    if row["shake"] > 0:
        expose, alpha = _shaken(row, expose, alpha)
    shape, key = scene.shape, int(row["noise_key"])
    source = Picture(shape, _sensor(row, "src"), 1.0, key, SOURCE_NOISE)
    label = Picture(shape, _QUIET._replace(tone=row["tone"]), 1.0, key, SOURCE_NOISE)
    for rows in row_blocks(shape):
        colour, seen = expose(rows)
        source.expose(rows, seen)
        label.expose(rows, colour)
    light, gains = _plate(row, whole if row["plate_locator"] is None else wrong_scene(row, plate))
    captured = develop(light, shape, _sensor(row, "bgr"), row["gamma"], key, PLATE_NOISE, gains)
    return _encode(row, source.finished(), captured, label.finished(), to_bytes(alpha), fgr_quality)


_QUIET = Sensor(noise=0.0, read=0.0, correlation=0.0, tone=0.0, sharpen=0.0)


def _exposure(row: dict[str, Any], scene: Float, stage: Stage) -> _Exposure:
    """Return what tells the light on some rows of the sensor: the label's colour and the composite, both (h, W, 3).

    Uneven light and metering act on both. The whole of neither is ever held in memory.
    """
    gains = np.ones(3, np.float32)

    def taken(layers: Iterable[Float]) -> tuple[Float, Float]:
        fill, alpha, behind, shade, light = layers
        colour, seen = stage.look(fill), np.empty_like(fill)
        if row["space"] == "linear":
            laid_over(colour, alpha, behind, shade, gains, light, seen)
        else:
            shaded = behind * shade[:, :, None] if len(shade) else behind
            mixed = composite_in(row["space"], colour, alpha, shaded)
            # Nobody before it: what is left is gains and uneven light.
            laid_over(colour, np.zeros_like(alpha), mixed, _NONE, gains, light, seen)
        return colour, seen

    layers = stage[:4]
    if row["metering"] or row["metering_colour"]:
        sparse = [np.ascontiguousarray(layer[::STRIDE, ::STRIDE]) for layer in (*layers, scene)]
        measured = metered(sparse[-1], taken([*sparse[:4], _NONE])[1], row["metering"], row["metering_colour"])
        gains[:] = measured
    light = _NONE
    if row["shading"] > 0:
        height, width = stage.alpha.shape
        light = uneven(width, height, row["shading"], row["shading_angle"])
    return lambda rows: taken(np.ascontiguousarray(layer[rows]) for layer in (*layers, light))


_NONE = np.empty((0, 0), np.float32)


def _shaken(row: dict[str, Any], expose: _Exposure, alpha: Float) -> tuple[_Exposure, Float]:
    """Move the camera during the exposure: over source, label and alpha alike."""
    colour, seen = np.empty((*alpha.shape, 3), np.float32), np.empty((*alpha.shape, 3), np.float32)
    for rows in row_blocks(colour.shape):
        colour[rows], seen[rows] = expose(rows)
    colour, seen, alpha = (streak(image, row["shake"], row["shake_angle"]) for image in (colour, seen, alpha))
    return lambda rows: (colour[rows], seen[rows]), alpha


def _plate(row: dict[str, Any], whole: Float) -> tuple[Sight, NDArray[np.float64]]:
    """Photograph the empty scene, with its margin, by the camera that had moved, focused and metered otherwise.

    Returns what tells its light and the gains, (3,), of that metering.
    """
    gains = np.exp2(row["gain"] + np.array([row["gain_red"], 0.0, row["gain_blue"]]))
    view = Viewpoint(
        row["shift_x"],
        row["shift_y"],
        row["shift_rotate"],
        row["shift_scale"] * row["breathing"],
        row["tilt_x"],
        row["tilt_y"],
        row["parallax_x"],
        row["parallax_y"],
    )
    plate = recapture(whole, int(row["margin"]), view, int(row["noise_key"]))
    if row["bgr_blur"]:
        soft = refocus(plate(slice(0, int(row["height"]))), row["bgr_blur"])
        return lambda rows: soft[rows], gains
    return plate, gains


def _sensor(row: dict[str, Any], layer: str) -> Sensor:
    settings = (row[f"{layer}_{name}"] for name in ("noise", "correlation", "sharpen"))
    noise, correlation, sharpening = settings
    return Sensor(noise=noise, read=row["read"], correlation=correlation, tone=row["tone"], sharpen=sharpening)


def _encode(row: dict[str, Any], src: Image, bgr: Image, fgr: Image, pha: Image, fgr_quality: int) -> Layers:
    if row["video"]:
        src, bgr = (filmed(image, row["video"]) for image in (src, bgr))
    members = {
        "src.jpg": encode_jpeg(src, row["src_quality"]),
        "bgr.jpg": encode_jpeg(bgr, row["bgr_quality"]),
        "fgr.jpg": encode_jpeg(fgr, fgr_quality, sampling="444"),
        "pha.png": encode_png(pha),
        "json": recipe_bytes(row),
    }
    return Layers(src, bgr, fgr, pha, members)


def recipe_bytes(row: dict[str, Any]) -> bytes:
    """Write a plan row as the sample's JSON: sorted keys, UTF-8; float32 values keep every digit."""
    return json.dumps(row, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()
