"""Square patches of a frame: choosing, cutting out and writing back, without unfolding the frame.

A frame of H x W pixels holds (H / 4) x (W / 4) cells of 4 x 4 pixels; a *cell* number counts them over the whole
batch, row by row. All functions have deterministic backward passes on the CPU.
"""

from collections.abc import Sequence
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
    sample, row, column = place(cells, grid)
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


def take(
    frames: Sequence[Tensor], cells: Tensor, grid: tuple[int, int], size: int, margin: int, repeat: bool = False
) -> Tensor:
    """What :func:`cut` gives of frames joined by channel, several times as fast, without a gradient.

    The frames are padded once, pixel by pixel with all channels together. A line of a patch is then one piece of
    memory, and lines begin at even distances: one table of overlapping rows holds them all.

    Args:
        frames: (B, C, grid height * size, grid width * size) each, channels differ.
        cells, grid, size, margin: as of :func:`cut`.
        repeat: repeat the frame's border outside it in place of 0.

    Returns:
        (N, size + 2 margin, size + 2 margin, C): channels last.
    """
    batch, _, height, width = frames[0].shape
    channels = sum(frame.shape[1] for frame in frames)
    side = size + 2 * margin
    high, wide = height + 2 * margin, -(-(width + 2 * margin) // size) * size
    bottom, right = margin + height, margin + width
    padded = frames[0].new_empty(batch, high, wide, channels)
    first = 0
    for frame in frames:
        last = first + frame.shape[1]
        padded[:, margin:bottom, margin:right, first:last] = frame.permute(0, 2, 3, 1)
        first = last
    # Without a margin there is no border: these are empty then.
    padded[:, :, :margin] = padded[:, :, margin : margin + 1] if repeat else 0
    padded[:, :, right:] = padded[:, :, right - 1 : right] if repeat else 0
    padded[:, :margin] = padded[:, margin : margin + 1] if repeat else 0
    padded[:, bottom:] = padded[:, bottom - 1 : bottom] if repeat else 0
    lines = padded.as_strided(((padded.numel() // channels - side) // size + 1, side * channels), (size * channels, 1))
    sample, row, column = place(cells, grid)
    wanted = ((sample * high + row * size) * wide) // size + column
    wanted = wanted.unsqueeze(1) + torch.arange(side, device=cells.device) * (wide // size)
    return lines.index_select(0, wanted.flatten()).view(len(cells), side, side, channels)


def put(frame: Tensor, patches: Tensor, chosen: Chosen) -> Tensor:
    """What :func:`paste` gives, written into ``frame`` itself, whose cells are all kept; without a gradient."""
    batch, channels, height, width = frame.shape
    sample, row, column = place(chosen.cells, (height // 4, width // 4))
    plane = sample.unsqueeze(1) * channels + torch.arange(channels, device=frame.device)
    line = plane.unsqueeze(2) * height + row.view(-1, 1, 1) * 4 + torch.arange(4, device=frame.device)
    table = frame.view(batch * channels * height * (width // 4), 4)
    wanted = line * (width // 4) + column.view(-1, 1, 1)
    table.index_copy_(0, wanted.flatten(), patches.to(frame.dtype).reshape(-1, 4))
    return frame


def take_doubled(frames: Sequence[Tensor], cells: Tensor, grid: tuple[int, int], more: int) -> Tensor:
    """Patches of 8 x 8 pixels of frames enlarged twice bilinearly: 2 pixels a cell and a margin of 3.

    Only what the patches show is enlarged.

    Args:
        frames: (B, C, grid height, grid width) each: one pixel a cell.
        cells: (N,) cell numbers.
        grid: cells a column and a row.
        more: channels left free behind those of the frames, for the caller to fill.

    Returns:
        (N, 8, 8, C + more), channels last; 0 outside the frame, as :func:`cut` gives it.
    """
    near = take(frames, cells, grid, 1, 2, repeat=True)
    count, side, _, channels = near.shape
    # Between two neighbours lie two new pixels, a quarter and three quarters of the way.
    down = near.new_empty(count, side - 1, 2, side, channels)
    out = near.new_empty(count, 8, side - 1, 2, channels + more)
    for at, share in enumerate((0.25, 0.75)):
        torch.lerp(near[:, :-1], near[:, 1:], share, out=down[:, :, at])
    wide = down.view(count, 8, side, channels)
    for at, share in enumerate((0.25, 0.75)):
        torch.lerp(wide[:, :, :-1], wide[:, :, 1:], share, out=out[:, :, :, at, :channels])
    found = out.view(count, 8, 8, channels + more)
    _, row, column = place(cells, grid)
    border = (row < 2) | (row >= grid[0] - 2) | (column < 2) | (column >= grid[1] - 2)
    border = border.nonzero().squeeze(1)
    offset = torch.arange(-3, 5, device=cells.device)
    y, x = row[border].unsqueeze(1) * 2 + offset, column[border].unsqueeze(1) * 2 + offset
    inside = ((y >= 0) & (y < 2 * grid[0])).unsqueeze(2) & ((x >= 0) & (x < 2 * grid[1])).unsqueeze(1)
    found[border] = found[border] * inside.unsqueeze(3)
    return found


def place(cells: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor, Tensor]:
    """Sample, row and column of each cell number."""
    rows, columns = grid
    sample = cells // (rows * columns)
    line = cells // columns
    # No remainder operator: ONNX has none for a size that is known only at run time.
    return sample, line - sample * rows, cells - line * columns


def marked(chosen: Chosen, like: Tensor) -> Tensor:
    """1 at the cells that are written back and 0 elsewhere, shaped and typed as ``like`` (B, 1, h, w)."""
    flat = torch.zeros_like(like).flatten()
    value = torch.ones_like(chosen.cells, dtype=like.dtype) if chosen.keep is None else chosen.keep.to(like.dtype)
    return flat.index_copy(0, chosen.cells, value).reshape(like.shape)


def pad_frame(frame: Tensor, margin: int) -> Tensor:
    """``frame`` (B, C, H, W) with ``margin`` pixels of 0 on each side: what :func:`cut` sees outside."""
    return F.pad(frame, (margin, margin, margin, margin)) if margin else frame
