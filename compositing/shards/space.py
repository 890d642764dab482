"""What the shards will take on the disk, and whether it is there."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from compositing.shards.reader import RenderParams
from compositing.tables import PLAN
from curation.tables import read_pieces

# Bytes per pixel of a 4:2:0 JPEG by quality (rows) and noise (columns, sigma in 8-bit steps), measured on 60
# photographs at 448x448; a photograph's own detail varies this by a factor of 2 either way.
_QUALITIES = (60, 75, 85, 90, 95, 100)
_NOISES = (0.0, 1.0, 2.0, 4.0, 8.0)
_JPEG_BYTES = (
    (0.121, 0.122, 0.122, 0.126, 0.142),
    (0.159, 0.160, 0.162, 0.171, 0.196),
    (0.215, 0.217, 0.222, 0.237, 0.284),
    (0.272, 0.275, 0.283, 0.309, 0.377),
    (0.394, 0.402, 0.420, 0.473, 0.575),
    (0.804, 0.850, 0.891, 0.968, 1.101),
)
_LABEL_BYTES = 0.42
"""Foreground label and alpha, bytes per pixel, measured on the same."""
_SAMPLE_BYTES = 6_000
"""Recipe, headers and padding of a sample."""


_COLUMNS = ("width", "height", "src_quality", "bgr_quality", "src_noise", "bgr_noise")


def estimated_bytes(plan: Path, params: RenderParams) -> int:
    """Estimate what the shards of a PLAN table take, bytes. In the DVC cache they are hard links, not a second copy.

    Raises as ``read_table``.
    """
    return int(sum(_bytes_of(rows, params) for rows in read_pieces(PLAN, plan, _COLUMNS)))


def _bytes_of(plan: pa.Table, params: RenderParams) -> float:
    pixels = np.asarray(pc.multiply(plan["width"], plan["height"]), dtype=np.float64)
    total = float(np.sum(pixels)) * _LABEL_BYTES * (1 + (params.fgr_quality - 95) / 5) + _SAMPLE_BYTES * len(plan)
    for layer in ("src", "bgr"):
        quality = plan[f"{layer}_quality"].to_numpy().astype(np.float64)
        noise = plan[f"{layer}_noise"].to_numpy().astype(np.float64) * 255
        total += float(np.sum(pixels * _jpeg_bytes(quality, noise)))
    return total


def _jpeg_bytes(quality: np.ndarray[Any, Any], noise: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    by_noise = np.stack([np.interp(noise, _NOISES, row) for row in _JPEG_BYTES])
    position = np.clip(np.interp(quality, _QUALITIES, np.arange(len(_QUALITIES))), 0, len(_QUALITIES) - 1)
    low = np.minimum(position.astype(int), len(_QUALITIES) - 2)
    share = position - low
    each = np.arange(len(quality))
    return np.asarray(by_noise[low, each] * (1 - share) + by_noise[low + 1, each] * share)


def check_disk(needed: int, folders: Iterable[Path]) -> None:
    """Refuse where a disk cannot hold ``needed`` bytes and a twentieth to spare.

    Raises OSError naming the folder, what is needed, what is free and what to do.
    """
    seen: set[int] = set()
    for folder in folders:
        place = next(p for p in (folder, *folder.absolute().parents) if p.exists())
        device = place.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        free = shutil.disk_usage(place).free
        if free < needed * 1.05:
            raise OSError(
                f"the shards need about {needed / 1e9:.2f} GB and {place.absolute()} has {free / 1e9:.2f} GB free; "
                "make room ('cleanplate clean', 'dvc gc'), lower the counts in the plan section, "
                "or set CLEANPLATE_WORK to a folder on the disk that holds the project"
            )
