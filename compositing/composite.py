"""The compositing equation, once, and the space it is taken in."""

import cv2
import numpy as np

from compositing.light import Float, to_display, to_linear

_FAINT = np.float32(1e-4)
"""Far below a step of 8-bit alpha: it only settles whose colour stands where nobody is."""


def composite(fgr: Float, pha: Float, bgr: Float) -> Float:
    """Lay a foreground over a background: ``pha * fgr + (1 - pha) * bgr`` (Porter and Duff's *over*, 1984).

    All three are linear light, as light adds up in a camera: mixing display values darkens soft edges.
    ``fgr``: (H, W, 3) straight (not premultiplied) colour. ``pha``: (H, W), 0 to 1. ``bgr``: (H, W, 3).
    Returns (H, W, 3) float32. Raises ValueError where the shapes do not agree.
    """
    if fgr.shape != bgr.shape or fgr.shape[:2] != pha.shape:
        raise ValueError(f"shapes do not agree: fgr {fgr.shape}, pha {pha.shape}, bgr {bgr.shape}")
    # As bgr + pha * (fgr - bgr): where pha is 0, exactly bgr, and one product less.
    seen = np.asarray(fgr - bgr, dtype=np.float32)
    seen *= cv2.cvtColor(pha, cv2.COLOR_GRAY2RGB)  # a fourth of the time of broadcasting over three channels
    seen += bgr
    return seen


def composite_in(space: str, fgr: Float, pha: Float, bgr: Float) -> Float:
    """Composite layers of linear light in ``linear`` light or, as the published code did, in ``display`` values.

    Shapes and errors as :func:`composite`; returns linear light, 0 to 1 in display space. Raises ValueError for
    another space.
    """
    match space:
        case "linear":
            return composite(fgr, pha, bgr)
        case "display":
            return to_linear(composite(to_display(fgr), pha, to_display(bgr)))
    raise ValueError(f"cannot composite in space '{space}'; set plan.look.space to linear or display and plan again")


def joined(front: Float, front_alpha: Float, back: Float, back_alpha: Float) -> tuple[Float, Float]:
    """Make one layer of two, the first in front: (H, W, 3) straight linear colour and (H, W) alpha.

    Laid over any background it looks as both did, one after the other. Where neither is, the colour is a mix of what
    both carry outward.
    """
    alpha = front_alpha + back_alpha * (1 - front_alpha)
    share = (front_alpha + _FAINT) / (alpha + 2 * _FAINT)
    return np.asarray(back + share[:, :, None] * (front - back), np.float32), np.asarray(alpha, np.float32)
