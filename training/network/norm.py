"""Batch normalisation that survives a single value per channel, and can reach over several ranks."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.network import synced


class BatchNorm(nn.BatchNorm2d):
    """Batch norm that falls back to its running statistics where a batch holds one value per channel.

    The stock layer stops there with "Expected more than 1 value per channel when training": it happens in ASPP's
    pooled branch as soon as a batch holds one sample, and in the encoder for frames of 16 pixels and less.
    Names and state are the stock layer's.
    """

    synced = False
    """Whether training normalises over the batches of all ranks together; each of them has to call the layer."""

    # What SyncBatchNorm's forward asks of its layer.
    process_group = None
    _check_non_zero_input_channels = nn.SyncBatchNorm._check_non_zero_input_channels

    def forward(self, input: Tensor) -> Tensor:
        """Normalise ``input`` (B, C, H, W)."""
        if self.training and self.synced:
            if input.is_cuda:
                found: Tensor = nn.SyncBatchNorm.forward(self, input)  # type: ignore[arg-type]
                return found
            return synced.batch_norm(self, input)
        if self.training and input.shape[0] * input.shape[2] * input.shape[3] == 1:
            return F.batch_norm(
                input, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
            )
        out: Tensor = super().forward(input)
        return out


def relu(x: Tensor) -> Tensor:
    """``max(x, 0)``, in place: the layers that call it never need what they overwrite."""
    return torch.relu_(x)
