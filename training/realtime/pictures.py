"""Pictures as their givers have them: NumPy or torch, bytes or floating point, and what turns one into another."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Bytes = NDArray[np.uint8]
Picture = NDArray[Any] | Tensor
"""RGB: a NumPy array (H, W, 3) or a tensor (3, H, W); uint8, or floating point from 0 to 1."""


def planes(image: Picture) -> Tensor:
    """A picture as (3, H, W) in its own type; of its own memory where that lies so."""
    return image if isinstance(image, Tensor) else torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)


def sides(image: Picture) -> tuple[int, int]:
    """Height and width of a picture; raises ValueError where it is none."""
    tensor = isinstance(image, Tensor)
    if image.ndim != 3 or image.shape[0 if tensor else 2] != 3 or depth(image) == 0:
        form = "(3, H, W)" if tensor else "(H, W, 3)"
        raise ValueError(
            f"expected an RGB image {form} of uint8 or of floats from 0 to 1, got {tuple(image.shape)} of {image.dtype}"
        )
    height, width = image.shape[-2:] if tensor else image.shape[:2]
    return int(height), int(width)


def depth(image: Picture) -> int:
    """What stands for white: 255 or 1; 0 for a type that says neither."""
    if image.dtype in (np.uint8, torch.uint8):
        return 255
    floating = image.is_floating_point() if isinstance(image, Tensor) else np.issubdtype(image.dtype, np.floating)
    return int(floating)


def as_bytes(image: Picture) -> Bytes:
    """A picture or its alpha as (H, W[, C]) uint8 in NumPy; bytes may keep the memory they came in."""
    if isinstance(image, Tensor):
        image = image.detach().permute(1, 2, 0).cpu().numpy()
    if image.dtype == np.uint8:
        return image
    return np.clip(np.rint(np.asarray(image, np.float32) * 255), 0, 255).astype(np.uint8)


def like(frame: Picture, pha: Tensor, fgr: Tensor) -> tuple[Any, Any]:
    """Alpha (1, H, W) and foreground (3, H, W), float32 from 0 to 1, in the frame's kind."""
    if depth(frame) == 255:
        pha, fgr = (layer.mul(255).round().byte() for layer in (pha, fgr))
    if isinstance(frame, Tensor):
        return pha.to(frame.device), fgr.to(frame.device)
    return pha[0].cpu().numpy(), np.ascontiguousarray(fgr.permute(1, 2, 0).cpu().numpy())


def bytes_like(frame: Picture, alpha: Bytes, foreground: Bytes) -> tuple[Any, Any]:
    """Alpha (H, W) and foreground (H, W, 3) as a frame of bytes has them, in their own memory where they can be."""
    if not isinstance(frame, Tensor):
        return alpha, foreground
    return tuple(layer.to(frame.device) for layer in (torch.from_numpy(alpha)[None], planes(foreground)))  # type: ignore[return-value]


def copied(layer: Any) -> Any:
    """A layer, array or tensor, in contiguous memory of its own."""
    return layer.clone(memory_format=torch.contiguous_format) if isinstance(layer, Tensor) else layer.copy()
