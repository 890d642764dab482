"""What exported files are checked, measured and calibrated with: noise, and composites out of the shards."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compositing.shards.reader import ShardReader
from curation.identity import rng

SMALLEST, LARGEST = 128, 8192
"""Sides that a file of any size takes, pixels; multiples of 4."""


class Pair(NamedTuple):
    """One input, float32 NCHW in [0, 1]."""

    name: str
    src: Tensor
    bgr: Tensor
    pha: Tensor | None = None
    """(1, 1, H, W) true alpha, where there is one."""


def random_pairs(height: int, width: int) -> list[Pair]:
    """Noise: every pixel uncertain."""
    values = rng(0, "export", height, width).random((2, 1, 3, height, width), dtype=np.float32)
    src, bgr = torch.from_numpy(values)
    return [Pair(f"noise {width}x{height}", src, bgr)]


def real_pairs(
    shards: Path, table: Path, height: int, width: int, count: int, set_name: str = "test"
) -> Iterator[Pair]:
    """``count`` composites of a set, evenly spread over it, resized to (height, width); all where it has fewer.

    Raises what :class:`compositing.shards.reader.ShardReader` raises for missing or damaged shards.
    """
    reader = ShardReader(shards, table, set_name)
    count = min(count, len(reader))
    for number in range(count):
        sample = reader.read(number * len(reader) // count)
        layers = [_tensor(image, height, width) for image in (sample.src, sample.bgr, sample.pha)]
        yield Pair(str(sample.recipe["composite_id"]), *layers)


def other_size(height: int, width: int) -> tuple[int, int]:
    """A size of another shape than the example's: a file that only claims to take any size fails there."""
    return max(SMALLEST, height // 8 * 4), max(SMALLEST, width // 6 * 4) + 4


def _tensor(image: NDArray[np.uint8], height: int, width: int) -> Tensor:
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).reshape(height, width, -1)
    return torch.from_numpy(resized).permute(2, 0, 1)[None].float().div(255).contiguous()
