"""Batch normalisation that survives a single value per channel."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class BatchNorm(nn.BatchNorm2d):
    """Batch norm that falls back to its running statistics where a batch holds one value per channel.

    The stock layer stops there with "Expected more than 1 value per channel when training": it happens in ASPP's
    pooled branch as soon as a batch holds one sample, and in the encoder for frames of 16 pixels and less.
    Names and state are the stock layer's.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``input`` (B, C, H, W)."""
        if self.training and input.shape[0] * input.shape[2] * input.shape[3] == 1:
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        out: Tensor = super().forward(input)
        return out


def relu(x: Tensor) -> Tensor:
    """``max(x, 0)``, in place: the layers that call it never need what they overwrite."""
    return torch.relu_(x)
