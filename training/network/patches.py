"""Square patches of a frame: choosing, cutting out and writing back, without unfolding the frame.

A frame of H x W pixels holds (H / 4) x (W / 4) cells of 4 x 4 pixels; a *cell* number counts them over the whole
batch, row by row. All functions have deterministic backward passes on the CPU.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Chosen(NamedTuple):
    """Cells to refine."""

    cells: Tensor
    """(N,) int64: cell numbers, each at most once."""
    keep: Tensor | None
    """(N,) bool: whether the refined patch is written back; None: all are."""


def most_uncertain(err: Tensor, count: int) -> Chosen:
    """The ``count`` cells of each sample with the largest error; those whose error is not above 0 are not kept.

    The number of cells does not depend on the data: it exports, compiles, and is the same on every rank.

    Args:
        err: (B, 1, h, w) error of each cell.
        count: cells a sample; more than there are means all.
    """
    batch, _, height, width = err.shape
    flat = err.reshape(batch, height * width)
    values, index = flat.topk(min(count, height * width), dim=1, sorted=False)
    first = torch.arange(batch, device=err.device).unsqueeze(1) * (height * width)
    return Chosen((index + first).flatten(), (values > 0).flatten())


def above(err: Tensor, threshold: float) -> Chosen:
    """The cells whose error (B, 1, h, w) is above ``threshold``; where there is none, the worst one, not kept.

    That one keeps the refiner's parameters in the graph: gradients of zero in place of none, and no rank that
    leaves out a synchronised batch norm.
    """
    flat = err.flatten()
    cells = torch.nonzero(flat > threshold).squeeze(1)
    if cells.numel():
        return Chosen(cells, None)
    return Chosen(flat.argmax().unsqueeze(0), torch.zeros(1, dtype=torch.bool, device=err.device))


def drop_unkept(chosen: Chosen) -> Chosen:
    """``chosen`` without the cells that are not written back; its length then depends on the data."""
    if chosen.keep is None:
        return chosen
    return Chosen(chosen.cells[chosen.keep], None)


def cut(frame: Tensor, cells: Tensor, grid: tuple[int, int], size: int, margin: int) -> Tensor:
    """Cut a patch around each cell; what lies outside the frame is 0.

    Args:
        frame: (B, C, grid height * size, grid width * size).
        cells: (N,) cell numbers.
        grid: cells a column and a row.
        size: pixels of a cell in this frame.
        margin: pixels added on each side.

    Returns:
        (N, C, size + 2 margin, size + 2 margin), channels last in memory, dtype of ``frame``.
    """
    channels, height, width = frame.shape[1:]
    rows, columns = grid
    sample = cells // (rows * columns)
    line = cells // columns
    # No remainder operator: ONNX has none for a size that is known only at run time.
    row = line - sample * rows
    column = cells - line * columns
    reach = torch.arange(-margin, size + margin, device=frame.device)
    y = row.unsqueeze(1) * size + reach
    x = column.unsqueeze(1) * size + reach
    inside = ((y >= 0) & (y < height)).unsqueeze(2) & ((x >= 0) & (x < width)).unsqueeze(1)
    y = y.clamp(0, height - 1) + sample.unsqueeze(1) * height
    pixel = y.unsqueeze(2) * width + x.clamp(0, width - 1).unsqueeze(1)
    # One row a pixel: free for a channels-last frame, and the gather then copies whole pixels.
    pixels = frame.permute(0, 2, 3, 1).reshape(-1, channels)
    patches = pixels.index_select(0, pixel.flatten()).reshape(*pixel.shape, channels)
    if margin:
        patches = patches * inside.unsqueeze(3).to(patches.dtype)
    return patches.permute(0, 3, 1, 2)


def paste(frame: Tensor, patches: Tensor, chosen: Chosen) -> Tensor:
    """``frame`` (B, C, H, W) with the 4 x 4 ``patches`` (N, C, 4, 4) in place of the chosen cells; a new tensor."""
    batch, channels, height, width = frame.shape
    rows, columns = height // 4, width // 4
    table = frame.reshape(batch, channels, rows, 4, columns, 4).permute(0, 2, 4, 1, 3, 5)
    table = table.reshape(batch * rows * columns, channels * 16)
    new = patches.to(frame.dtype).reshape(-1, channels * 16)
    if chosen.keep is not None:
        new = torch.where(chosen.keep.unsqueeze(1), new, table.index_select(0, chosen.cells))
    table = table.index_copy(0, chosen.cells, new)
    table = table.reshape(batch, rows, columns, channels, 4, 4).permute(0, 3, 1, 4, 2, 5)
    return table.reshape(batch, channels, height, width)


def marked(chosen: Chosen, like: Tensor) -> Tensor:
    """1 at the cells that are written back and 0 elsewhere, shaped and typed as ``like`` (B, 1, h, w)."""
    flat = torch.zeros_like(like).flatten()
    value = torch.ones_like(chosen.cells, dtype=like.dtype) if chosen.keep is None else chosen.keep.to(like.dtype)
    return flat.index_copy(0, chosen.cells, value).reshape(like.shape)


def pad_frame(frame: Tensor, margin: int) -> Tensor:
    """``frame`` (B, C, H, W) with ``margin`` pixels of 0 on each side: what :func:`cut` sees outside."""
    return F.pad(frame, (margin, margin, margin, margin)) if margin else frame
