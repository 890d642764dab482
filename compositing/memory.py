"""Freed memory kept for the next picture."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Names of mallopt(3)."""
_KEPT = 1 << 30
"""Bytes: more than the layers of one composite of 2048x2048 take together."""


def keep_freed_memory() -> bool:
    """Ask glibc, for this process, to keep up to 1 GB of freed memory; return whether it does.

    A layer of 2048x2048 is 50 MB. By default each is mapped, cleared page by page and given back again, which took a
    quarter of the time of rendering. Memory in use at once stays the same, and so does every byte of the result.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # macOS and musl have none
    if mallopt is None:
        return False
    return bool(mallopt(_MMAP_THRESHOLD, _KEPT) and mallopt(_TRIM_THRESHOLD, _KEPT))
