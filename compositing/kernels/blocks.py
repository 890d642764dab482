"""Pixel-by-pixel chains worked off in blocks of rows that stay in the processor's cache.

A step over a whole 2048x2048 frame is bound by memory: each of its temporaries is 50 MB that the system hands out,
clears and takes back. The same steps on a few rows at a time are several times as fast and give the same values, as
long as a chain looks at no neighbour.
"""

from collections.abc import Iterator

import numpy as np

BLOCK = 1 << 16
"""Values of the first layer in a block: as float32 256 KB, so that a chain and its temporaries fit the second cache."""


def row_blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    """Cut an image of ``shape``, (H, W) or (H, W, C), into slices of whole rows, about BLOCK values each."""
    rows = max(1, BLOCK // max(1, int(np.prod(shape[1:]))))
    for top in range(0, shape[0], rows):
        yield slice(top, min(top + rows, shape[0]))
