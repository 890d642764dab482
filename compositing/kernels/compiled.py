"""Loops over pixels as machine code."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def compiled(function: Kernel) -> Kernel:
    """Have a function compiled when it is first called; what was compiled is stored beside its file.

    Strict arithmetic (no ``fastmath``): sums are taken in the order they are written and products are rounded before
    they are added, so that every processor gives the same bytes. One thread, and others may run meanwhile.
    """
    return cast(Kernel, njit(cache=True, nogil=True)(function))
