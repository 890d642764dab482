"""Curves of light as tables, and the look of a layer: its gains, contrast and saturation in one pass."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from compositing.kernels.rows import TABLE_SIZE, looked
from compositing.light import LUMA, Float
from compositing.perturb import contrast

_NO_TABLE = np.empty(0, np.float32)
_LUMA = np.array(LUMA, np.float32)
_TOP = 2.0
"""Light above that is white whatever contrast makes of it."""


def curve_table(curve: Callable[[Float], Float], top: float = 1.0) -> Float:
    """Tabulate a pointwise curve of light for :func:`compositing.kernels.rows.toned`: (TABLE_SIZE + 1,) float32.

    Its values at even steps of the root of light, from 0 to ``top``. Any chain of curves costs no more than one. The
    steps are fine enough for one rounding to 8 bits afterwards: display values, where they are steepest, make one 0.05
    of an 8-bit step (times the root of ``top``).
    """
    steps = np.linspace(0, np.sqrt(top), TABLE_SIZE + 1) ** 2
    return curve(steps[None].astype(np.float32)).ravel()


class Look:
    """What gives light its gains, then its contrast, then its saturation."""

    def __init__(self, gains: NDArray[np.float64], factor: float = 1.0, saturation: float = 1.0) -> None:
        """``gains``: (3,); ``factor``: see :func:`contrast`; ``saturation``: see :func:`saturation_matrix`."""
        self._gains = np.asarray(gains, np.float32)
        self._table: Float = _NO_TABLE if factor == 1 else curve_table(lambda light: contrast(light, factor), _TOP)
        self._saturation = np.float32(saturation)

    def __call__(self, linear: Float, out: Float | None = None) -> Float:
        """Return light, (H, W, 3), as it looks, clipped to 0..1; in ``out``, which may be ``linear``, where given."""
        seen = np.empty(linear.shape, np.float32) if out is None else out
        looked(linear, self._gains, self._table, np.float32(_TOP), self._saturation, _LUMA, seen)
        return seen
