"""Pixel-by-pixel chains worked off in blocks of rows that stay in the processor's cache.

A step over a whole 2048x2048 frame is bound by memory: each of its temporaries is 50 MB that the system hands out,
clears and takes back. The same steps on a few rows at a time are several times as fast and give the same values, as
long as a chain looks at no neighbour.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 16
"""Values of the first layer in a block: as float32 256 KB, so that a chain and its temporaries fit the second cache."""


def row_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Cut an image of ``shape``, (H, W) or (H, W, C), into slices of whole rows, about BLOCK values each."""
    rows = max(1, BLOCK // max(1, int(np.prod(shape[1:]))))
    for top in range(0, shape[0], rows):
        yield slice(top, min(top + rows, shape[0]))


def by_rows(chain: Callable[..., NDArray[Any]], *layers: NDArray[Any]) -> NDArray[Any]:
    """Return ``chain(*layers)``, worked off in blocks of rows.

    ``layers``: images of one height, (H, ...). ``chain`` gets the same rows of each, may overwrite nothing that it was
    given, and returns as many rows; its first result says what type and shape the whole has. Raises ValueError where
    the heights differ.
    """
    height = layers[0].shape[0]
    if any(layer.shape[0] != height for layer in layers):
        raise ValueError(f"layers of different heights: {', '.join(str(layer.shape) for layer in layers)}")
    whole: NDArray[Any] | None = None
    for rows in row_blocks(layers[0].shape):
        part = chain(*(layer[rows] for layer in layers))
        if whole is None:
            whole = np.empty((height, *part.shape[1:]), part.dtype)
        whole[rows] = part
    if whole is None:
        raise ValueError(f"an image without rows: {layers[0].shape}")
    return whole
