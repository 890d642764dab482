"""The compositing equation, once."""

import numpy as np

from compositing.light import Float


def composite(fgr: Float, pha: Float, bgr: Float) -> Float:
    """Lay a foreground over a background: ``pha * fgr + (1 - pha) * bgr`` (Porter and Duff's *over*, 1984).

    All three are linear light, as light adds up in a camera: mixing display values darkens soft edges.
    ``fgr``: (H, W, 3) straight (not premultiplied) colour. ``pha``: (H, W), 0 to 1. ``bgr``: (H, W, 3).
    Returns (H, W, 3) float32. Raises ValueError where the shapes do not agree.
    """
    if fgr.shape != bgr.shape or fgr.shape[:2] != pha.shape:
        raise ValueError(f"shapes do not agree: fgr {fgr.shape}, pha {pha.shape}, bgr {bgr.shape}")
    # As bgr + pha * (fgr - bgr): where pha is 0, exactly bgr, and one product less.
    return np.asarray(bgr + pha[:, :, None] * (fgr - bgr), dtype=np.float32)
