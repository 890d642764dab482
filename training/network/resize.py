"""Bilinear resizing and padding, the same everywhere in the networks and their losses."""

from torch import Tensor
from torch.nn import functional as F


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """``x`` (B, C, h, w) bilinearly at ``size`` (height, width); half-pixel centres, no antialiasing.

    Shrinking without antialiasing is what the published networks were trained with.
    """
    if x.shape[-2:] == size:
        return x
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def pad_to_multiple(x: Tensor, multiple: int) -> Tensor:
    """``x`` (B, C, H, W) with its last row and column repeated until both sides are multiples of ``multiple``."""
    height, width = x.shape[-2:]
    bottom, right = -height % multiple, -width % multiple
    if not (bottom or right):
        return x
    return F.pad(x, (0, right, 0, bottom), mode="replicate")


def pad_to_least(x: Tensor, side: int) -> Tensor:
    """``x`` (B, C, H, W) with its last row and column repeated until both sides have ``side`` pixels."""
    height, width = x.shape[-2:]
    if height >= side and width >= side:
        return x
    return F.pad(x, (0, max(0, side - width), 0, max(0, side - height)), mode="replicate")
