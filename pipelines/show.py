"""``cleanplate show``: one composite with its layers and its recipe in words, as one picture."""

import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from PIL import Image, ImageDraw, ImageFont

from compositing.inputs import InputRoots, Inputs
from compositing.plan.planrows import needed_frames
from compositing.plan.words import describe
from compositing.render import render
from compositing.shards.reader import Sample, ShardReader, decode_sample
from compositing.tables import PLAN
from curation.tables import read_table
from pipelines.page.pictures import Image as Pixels
from pipelines.page.pictures import fit
from pipelines.params import Params
from pipelines.paths import roots

PANEL = 480
"""Long side of a panel, pixels."""
COLUMNS = 3
GAP = 12
TEXT = 17
AMPLIFIED = 2
"""The difference of source and plate is shown so many times as large."""
SHORTEST = 4
"""Digits of an identity that are worth a search."""
INK, PAPER = (28, 30, 33), (250, 250, 248)


class Shown(NamedTuple):
    """A composite and where it came from."""

    sample: Sample
    origin: str
    """In words."""


def find_row(plan: Path, composite: str | None, set_name: str | None, ordinal: int | None) -> dict[str, Any]:
    """Find a plan row by the beginning of its composite_id, or by set and ordinal.

    Raises ValueError where none or several fit, FileNotFoundError without a plan.
    """
    if (composite is None) is (set_name is None or ordinal is None):
        raise ValueError("name a composite_id (its beginning will do), or --set and --ordinal")
    keys = read_table(PLAN, plan, ["composite_id", "set", "ordinal"])
    if composite is not None:
        if len(composite) < SHORTEST:
            raise ValueError(f"'{composite}' is too short; give {SHORTEST} digits of the composite_id or more")
        keys = keys.filter(pc.starts_with(keys["composite_id"], composite.lower()))
        if not len(keys):
            raise ValueError(f"{plan} has no composite '{composite}'; its ids are in the column composite_id")
        if len(keys) > 1:
            some = ", ".join(keys["composite_id"].slice(0, 3).to_pylist())
            raise ValueError(f"'{composite}' begins {len(keys)} composites ({some} ...); give more digits")
        set_name, ordinal = keys["set"][0].as_py(), keys["ordinal"][0].as_py()
    rows = pq.read_table(plan, filters=[("set", "=", set_name), ("ordinal", "=", ordinal)]).to_pylist()
    if not rows:
        counts = {
            name: keys.filter(pc.equal(keys["set"], name)).num_rows for name in pc.unique(keys["set"]).to_pylist()
        }
        there = ", ".join(f"{name} 0 to {count - 1}" for name, count in counts.items())
        raise ValueError(f"{plan} has no composite {set_name} {ordinal}; it holds {there}")
    return dict(sorted(rows[0].items()))


def load(params: Params, data: Path, row: dict[str, Any]) -> Shown:
    """Render a plan row from the raw data; where that is not at hand, read it from the shards.

    Both give the same bytes. Raises FileNotFoundError naming both reasons where neither can be had.
    """
    try:
        raw = roots(params)
        wanted = needed_frames(data / "frames.parquet", _table_of(row))
        inputs = Inputs(InputRoots(raw.backgrounds, data / "frames", raw.videomatte), wanted)
        members = render(row, *inputs.load(row), params.render.fgr_quality).members
        return Shown(decode_sample(members), "rendered from the plan")
    except (OSError, ValueError) as error:
        missing = error
    try:
        reader = ShardReader(data / "shards", data / "shards.parquet", row["set"])
        position = int(np.searchsorted(reader.ordinals, row["ordinal"]))
        return Shown(reader.read(position), f"read from the shards ({missing})")
    except (OSError, ValueError) as error:
        raise FileNotFoundError(
            f"composite {row['composite_id']} can neither be rendered ({missing}) nor read from the shards ({error})"
        ) from error


def _table_of(row: dict[str, Any]) -> Any:
    import pyarrow as pa

    return pa.table({name: pa.array([row[name]], pa.string()) for name in ("frame_id", "second_frame_id")})


def picture(shown: Shown) -> Pixels:
    """Draw the layers and the recipe: (H, W, 3) uint8 RGB.

    The difference of source and plate is amplified around mid grey: what the network has to tell a person from.
    """
    sample = shown.sample
    difference = (sample.src.astype(np.int16) - sample.bgr) * AMPLIFIED + 128
    over = sample.pha[:, :, None].astype(np.float32) / 255
    cut = sample.fgr * over + 255 * (0.35 + 0.3 * _checks(sample.pha.shape))[:, :, None] * (1 - over)
    panels = [
        ("source", sample.src),
        ("captured background", sample.bgr),
        (f"source - captured background, x {AMPLIFIED} around grey", np.clip(difference, 0, 255).astype(np.uint8)),
        ("foreground", sample.fgr),
        ("alpha", cv2.cvtColor(sample.pha, cv2.COLOR_GRAY2RGB)),
        ("foreground by alpha", np.rint(cut).astype(np.uint8)),
    ]
    small = [(words, fit(np.ascontiguousarray(image), PANEL)) for words, image in panels]
    height, width = small[0][1].shape[:2]
    wide = max(COLUMNS * (width + GAP) + GAP, 900)
    lines = _lines([*describe(sample.recipe), ("this picture", shown.origin)], wide - 2 * GAP)
    step = height + TEXT + 2 * GAP
    sheet = Image.new("RGB", (wide, 2 * step + len(lines) * (TEXT + 6) + 2 * GAP), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(TEXT)
    for number, (words, image) in enumerate(small):
        x, y = GAP + (number % COLUMNS) * (width + GAP), GAP + (number // COLUMNS) * step
        pen.text((x, y), words, INK, font)
        sheet.paste(Image.fromarray(image), (x, y + TEXT + 6))
    for number, line in enumerate(lines):
        pen.text((GAP, 2 * step + GAP + number * (TEXT + 6)), line, INK, font)
    return np.asarray(sheet, np.uint8)


def _lines(steps: list[tuple[str, str]], width: int) -> list[str]:
    fits = int(width / (0.53 * TEXT))  # the font's mean letter
    return [line for name, words in steps for line in textwrap.wrap(f"{name}: {words}", fits, subsequent_indent="    ")]


def _checks(shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.float32]]:
    y, x = np.indices(shape) // max(8, max(shape) // 32)
    return np.asarray((x + y) % 2, np.float32)
