"""The whole-image metrics for a batch of mattes on whatever device they are on.

The same numbers as ``training.evaluation.metrics`` gives an image at a time, in float64 where the device has it: what a
training run needs that validates thousands of frames without bringing them back to the CPU.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training.evaluation.metrics import CONNECTIVITY_STEP, CONNECTIVITY_TOLERANCE, gradient_taps, largest_region


class WholeImages(NamedTuple):
    """Robust Video Matting's metrics of each frame, in the units of ``training.evaluation.metrics.WholeImage``."""

    mad: Tensor
    """(B,)."""
    mse: Tensor
    """(B,)."""
    grad: Tensor
    """(B,)."""
    conn: Tensor
    """(B,)."""


def whole_images(pred: Tensor, true: Tensor) -> WholeImages:
    """Compare mattes (B, 1, H, W) in [0, 1] over all pixels, each frame on its own.

    Raises:
        ValueError: the two differ in shape or device, are not (B, 1, H, W), not floating point or not finite.
    """
    predicted, truth = _mattes(pred, "pred"), _mattes(true, "true")
    _same(predicted, truth)
    difference = predicted - truth
    gradient = (_gradient(_stretched(predicted)) - _gradient(_stretched(truth))).square()
    return WholeImages(
        mad=1e3 * difference.abs().mean(dim=(1, 2)),
        mse=1e3 * difference.square().mean(dim=(1, 2)),
        grad=1e-3 * gradient.sum(dim=(1, 2)),
        conn=1e-3 * _connectivity(predicted, truth).sum(dim=(1, 2)),
    )


def dtssd(pred: Tensor, pred_prev: Tensor, true: Tensor, true_prev: Tensor) -> Tensor:
    """Flicker of each frame, (B,): see :func:`training.evaluation.metrics.dtssd`. All are (B, 1, H, W).

    Raises:
        ValueError: as :func:`whole_images`.
    """
    names = ("pred", "pred_prev", "true", "true_prev")
    mattes = [_mattes(value, name) for value, name in zip((pred, pred_prev, true, true_prev), names, strict=True)]
    for matte in mattes[1:]:
        _same(mattes[0], matte)
    change = (mattes[0] - mattes[1]) - (mattes[2] - mattes[3])
    return 1e2 * change.square().mean(dim=(1, 2)).sqrt()


def _gradient(mattes: Tensor) -> Tensor:
    bell, slope = ([float(value) for value in taps] for taps in gradient_taps())
    return torch.hypot(_filter(_filter(mattes, bell, 1), slope, 2), _filter(_filter(mattes, bell, 2), slope, 1))


def _filter(mattes: Tensor, taps: list[float], dim: int) -> Tensor:
    """Correlate along a dimension, borders repeated: sums of shifted frames, for float64 kernels are slow anywhere."""
    half = len(taps) // 2
    margins = (half, half, 0, 0) if dim == 2 else (0, 0, half, half)
    padded = F.pad(mattes.unsqueeze(1), margins, mode="replicate").squeeze(1)
    out = torch.zeros_like(mattes)
    for at, tap in enumerate(taps):
        out.add_(padded.narrow(dim, at, mattes.shape[dim]), alpha=tap)
    return out


def _stretched(mattes: Tensor) -> Tensor:
    low, high = mattes.amin(dim=(1, 2), keepdim=True), mattes.amax(dim=(1, 2), keepdim=True)
    return torch.where(high > low, (mattes - low) / (high - low).clamp(min=1e-300), torch.zeros_like(mattes))


def _connectivity(pred: Tensor, true: Tensor) -> Tensor:
    """As ``training.evaluation.metrics`` computes it, all thresholds at once."""
    steps = round(1 / CONNECTIVITY_STEP)
    thresholds = torch.arange(1, steps + 1, dtype=pred.dtype, device=pred.device) * CONNECTIVITY_STEP - 1e-6
    shared = torch.minimum(pred, true).unsqueeze(1) >= thresholds.view(1, -1, 1, 1)
    bodies = largest_regions(shared.flatten(0, 1)).view_as(shared)
    # The level of a pixel is the threshold before the first that it is lost at.
    levels = bodies.to(torch.int8).cumprod(dim=1).sum(dim=1).to(pred.dtype) * CONNECTIVITY_STEP
    return (_above(pred - levels) - _above(true - levels)).abs()


def _above(distance: Tensor) -> Tensor:
    return torch.where(distance >= CONNECTIVITY_TOLERANCE, distance, torch.zeros_like(distance))


def largest_regions(masks: Tensor) -> Tensor:
    """The largest 4-connected region of each mask (N, H, W), bool; of several, the one that begins topmost."""
    if masks.device.type == "cpu":
        return torch.from_numpy(np.stack([largest_region(mask) for mask in masks.numpy()]))
    return spread_largest_regions(masks)


def spread_largest_regions(masks: Tensor) -> Tensor:
    """:func:`largest_regions` in parallel steps that any device can do: about the logarithm of the longest path.

    Each pixel points at the smallest number it knows of in its region. In turn roots are hooked to the smallest root
    next to their region, and pointers are shortened (Shiloach and Vishkin 1982).
    """
    count, height, width = masks.shape
    size = count * height * width
    number = torch.arange(size, device=masks.device).view(count, height, width)
    nowhere = torch.full_like(number, size)
    root = torch.where(masks, number, nowhere)
    while True:
        before = root.clone()
        near = root.clone()
        near[:, 1:] = torch.minimum(near[:, 1:], root[:, :-1])
        near[:, :-1] = torch.minimum(near[:, :-1], root[:, 1:])
        near[:, :, 1:] = torch.minimum(near[:, :, 1:], root[:, :, :-1])
        near[:, :, :-1] = torch.minimum(near[:, :, :-1], root[:, :, 1:])
        near = torch.where(masks, near, nowhere)
        table = torch.cat([root.flatten(), nowhere.new_full((1,), size)])
        table = table.scatter_reduce(0, root.flatten(), near.flatten(), "amin")
        table[size] = size
        for _ in range(2):
            table = table[table]
        root = table[:size].view_as(root)
        root = torch.where(masks, root, nowhere)
        if torch.equal(root, before):
            break
    areas = torch.bincount(root.flatten(), minlength=size + 1)[:size].view(count, -1)
    # The first of the largest: argmax does not say which on every device.
    largest = (areas == areas.amax(dim=1, keepdim=True)).to(torch.int8).argmax(dim=1)
    first = torch.arange(count, device=masks.device) * height * width
    return masks & (root == (largest + first).view(-1, 1, 1))


def _mattes(value: Tensor, name: str) -> Tensor:
    if value.ndim != 4 or value.shape[1] != 1 or not value.numel():
        raise ValueError(f"{name}: mattes of shape {tuple(value.shape)}; expected (B, 1, H, W)")
    if not value.is_floating_point():
        raise ValueError(f"{name}: {value.dtype} values; expected floats in [0, 1], divide 8-bit values by 255")
    if not bool(value.isfinite().all()):
        raise ValueError(f"{name}: {int((~value.isfinite()).sum())} of {value.numel()} values are not finite")
    # Apple's GPUs have no float64.
    return value[:, 0].to(torch.float32 if value.device.type == "mps" else torch.float64)


def _same(one: Tensor, other: Tensor) -> None:
    if one.shape != other.shape or one.device != other.device:
        raise ValueError(
            f"mattes {tuple(one.shape)} on {one.device} and {tuple(other.shape)} on {other.device}; "
            "resize or move one to the other first"
        )
