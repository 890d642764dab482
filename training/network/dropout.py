"""Dropout whose masks do not hang on the number of ranks."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Dropout(nn.Dropout):
    """Dropout that takes this rank's rows of the mask that one process would draw for the whole batch.

    Every rank draws the whole mask from its global generator, seeded alike: cheap, where the map is small.
    """

    rank, world = 0, 1
    """This rank holds the samples ``rank``, ``rank + world``, ... of the whole batch."""

    def forward(self, input: Tensor) -> Tensor:
        """Drop values of ``input`` (B, C, H, W)."""
        if not self.training or self.world == 1:
            return super().forward(input)
        # Numbers are drawn in the order of memory.
        inner = input.is_contiguous(memory_format=torch.channels_last)
        whole = torch.ones(
            (len(input) * self.world, *input.shape[1:]), dtype=input.dtype, device=input.device
        ).contiguous(memory_format=torch.channels_last if inner else torch.contiguous_format)
        return input * F.dropout(whole, self.p)[self.rank :: self.world]
