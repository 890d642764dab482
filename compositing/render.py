"""A plan row -> source, captured background, foreground, alpha."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from compositing.codec import Image, encode_jpeg, encode_png
from compositing.composite import composite
from compositing.inputs import InputRoots, Inputs
from compositing.light import Float, bytes_to_linear, to_bytes, to_display, to_linear
from compositing.perturb import add_noise, defocus, drift, look, recapture
from compositing.shadow import cast_shadow
from compositing.shards import Sample, decode_sample, matching
from compositing.subject import straight_colour, warp_subject
from compositing.tables import FRAMES, LAYERS, PLAN
from curation.tables import read_table

SOURCE_NOISE, PLATE_NOISE = 0, 1
"""Streams of the two independent noise fields."""


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


def render(row: dict[str, Any], fgr: Image, pha: Image, background: Image, fgr_quality: int = 95) -> Layers:
    """Make one composite from its plan row, its matte and its background photograph.

    ``row``: a PLAN row of plain Python values. ``fgr``: (h, w, 3), ``pha``: (h, w), the matte; ``background``:
    (H', W', 3), the whole photograph; all uint8. Everything is float32 until one rounding a layer. Pure: the same
    arguments give the same bytes. Raises ValueError for an empty matte or a crop outside the photograph.
    """
    scene = _scene(row, background)
    margin = int(row["margin"])
    subject = warp_subject(fgr, pha, row)
    layer = defocus(subject.layer, row["blur"])
    alpha: Float = np.clip(layer[:, :, 3], 0, 1)
    colour = look(
        straight_colour(layer), row["fgr_exposure"], row["fgr_contrast"], row["fgr_saturation"], row["fgr_warmth"]
    )
    colour = np.clip(colour, 0, 1)

    behind = to_linear(np.clip(recapture(scene, margin), 0, 1))
    shadow = cast_shadow(row, subject, (pha.shape[0], pha.shape[1]))
    if shadow is not None:
        behind = behind * shadow[:, :, None]
    seen = to_display(composite(to_linear(colour), alpha, behind))
    plate = recapture(scene, margin, row["shift_x"], row["shift_y"], row["shift_rotate"], row["shift_scale"])
    plate = drift(plate, row["gain"], row["gain_red"], row["gain_blue"], row["gamma"])

    key = int(row["noise_key"])
    return _encode(
        row,
        to_bytes(add_noise(seen, row["src_noise"], key, SOURCE_NOISE)),
        to_bytes(add_noise(np.clip(plate, 0, 1), row["bgr_noise"], key, PLATE_NOISE)),
        to_bytes(colour),
        to_bytes(alpha),
        fgr_quality,
    )


def _encode(row: dict[str, Any], src: Image, bgr: Image, fgr: Image, pha: Image, fgr_quality: int) -> Layers:
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


def _scene(row: dict[str, Any], background: Image) -> Float:
    """Cut the crop with its margin, bring it to size in linear light and give it its look: display values."""
    x, y, w, h = crop_with_margin(row)
    size = (int(row["width"] + 2 * row["margin"]), int(row["height"] + 2 * row["margin"]))
    cut = _cut(background, x, y, w, h)
    if row["bgr_flip"]:
        cut = np.ascontiguousarray(cut[:, ::-1])
    light: NDArray[Any] = bytes_to_linear(cut)
    if (w, h) != size:
        # Area averaging is antialiased, but enlarges in blocks.
        reduces = w >= size[0] and h >= size[1]
        light = cv2.resize(light, size, interpolation=cv2.INTER_AREA if reduces else cv2.INTER_CUBIC)
    return look(np.asarray(light, np.float32), row["bgr_exposure"], row["bgr_contrast"], row["bgr_saturation"])


def crop_with_margin(row: dict[str, Any]) -> tuple[int, int, int, int]:
    """Return the crop grown by the margin, whole pixels of the photograph: x, y, width, height."""
    margin, wide, high = row["margin"], row["width"] + 2 * row["margin"], row["height"] + 2 * row["margin"]
    w, h = round(row["crop_w"] * wide / row["width"]), round(row["crop_h"] * high / row["height"])
    return round(row["crop_x"] - margin * w / wide), round(row["crop_y"] - margin * h / high), w, h


def _cut(background: Image, x: int, y: int, w: int, h: int) -> Image:
    height, width = background.shape[:2]
    if x < 0 or y < 0 or x + w > width or y + h > height:
        raise ValueError(f"the crop {w}x{h} at ({x}, {y}) leaves the background of {width}x{height}; plan again")
    return np.ascontiguousarray(background[y : y + h, x : x + w])


def frames_by_id(frames: pa.Table, plan: pa.Table) -> dict[str, dict[str, Any]]:
    """Return the FRAMES rows that PLAN rows ask for: frame_id -> row."""
    used = frames.filter(pc.is_in(frames["frame_id"], value_set=pc.unique(plan["frame_id"].combine_chunks())))
    return {row["frame_id"]: row for row in used.to_pylist()}


class PlanReader:
    """The samples of one set rendered live from the plan, bit for bit those of a ``ShardReader``.

    Layers are encoded and decoded in memory. Picklable; ``where`` as in ``ShardReader``.
    Raises FileNotFoundError for a missing table, ValueError where no row fits.
    """

    def __init__(
        self,
        plan: Path,
        frames: Path,
        roots: InputRoots,
        set_name: str,
        where: Mapping[str, str] | None = None,
        fgr_quality: int = 95,
    ) -> None:
        self.set_name = set_name
        self.fgr_quality = fgr_quality
        table = read_table(PLAN, plan)
        sets = pc.unique(table["set"]).to_pylist()
        table = table.filter(pc.equal(table["set"], set_name)).sort_by("ordinal")
        if not len(table):
            raise ValueError(f"{plan} holds no set '{set_name}', only {', '.join(sets) or 'none'}")
        if where:
            table = table.take(matching(table.select(list(where)).to_pandas(), where, f"{plan}: set '{set_name}'"))
        self.ordinals: NDArray[np.int64] = table["ordinal"].to_numpy()
        self._rows = [dict(sorted(row.items())) for row in table.to_pylist()]
        self._inputs = Inputs(roots, frames_by_id(read_table(FRAMES, frames), table))

    def __len__(self) -> int:
        return len(self._rows)

    def read_members(self, position: int, members: Iterable[str] = LAYERS) -> dict[str, bytes]:
        """Render the sample at a position, 0 to len - 1, to encoded members. Raises IndexError, InputError."""
        if not 0 <= position < len(self):
            raise IndexError(f"position {position} of set '{self.set_name}' with {len(self)} samples")
        row = self._rows[position]
        made = render(row, *self._inputs.load(row), self.fgr_quality).members
        return {member: made[member] for member in members}

    def read(self, position: int, recipe: bool = True) -> Sample:
        """Render, encode and decode the sample at a position, 0 to len - 1. Raises IndexError, InputError."""
        return decode_sample(self.read_members(position), recipe)

    def recipes(self) -> pd.DataFrame:
        """All recipes in the order of positions, one row a sample; nothing is rendered."""
        return pd.DataFrame(self._rows)
