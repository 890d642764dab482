"""Batch norm over all ranks where there is no GPU: ``torch.nn.SyncBatchNorm`` refuses tensors on the CPU."""

from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

PIXELS = (0, 2, 3)


def batch_norm(norm: nn.BatchNorm2d, x: Tensor) -> Tensor:
    """Normalise ``x`` (B, C, H, W) by mean and variance over the batches of all ranks.

    Every rank of the default process group has to call it, with any number of values a channel, and with a momentum.
    Running statistics are updated as the stock layer does for the joint batch, to the same values on every rank.
    """
    out, mean, variance, count = _Normalise.apply(x, norm.weight, norm.bias, norm.eps)
    with torch.no_grad():
        assert norm.momentum is not None
        assert norm.running_mean is not None
        assert norm.running_var is not None
        assert norm.num_batches_tracked is not None
        norm.num_batches_tracked += 1
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance * (count / (count - 1)), norm.momentum)
    normalised: Tensor = out
    return normalised


class _Normalise(torch.autograd.Function):
    """Gradients of weight and bias are this rank's share, as those of all other parameters."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mean, variance, count = _joint(x)
        out = F.batch_norm(x, mean, variance, weight, bias, training=False, eps=eps)
        ctx.save_for_backward(x, weight, mean, torch.rsqrt(variance + eps), count)
        ctx.mark_non_differentiable(mean, variance, count)
        return out, mean, variance, count

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor, *_: Any) -> tuple[Tensor, Tensor, Tensor, None]:
        x, weight, mean, scale, count = ctx.saved_tensors
        shape = (1, -1, 1, 1)
        grad = grad.float()
        normed = (x.float() - mean.view(shape)) * scale.view(shape)
        own = torch.stack([grad.sum(PIXELS), (grad * normed).sum(PIXELS)])
        joint = own.clone()
        distributed.all_reduce(joint)
        joint /= count
        grad = (grad - joint[0].view(shape) - normed * joint[1].view(shape)) * (weight * scale).view(shape)
        return grad.to(x.dtype), own[1].to(weight.dtype), own[0].to(weight.dtype), None


def _joint(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and variance (C,) over all ranks, float32, and the values a channel, float64."""
    variance, mean = torch.var_mean(x.float(), PIXELS, correction=0)
    count = torch.full((1,), x.numel() // x.shape[1], dtype=torch.float64)
    own = torch.cat([mean.double(), variance.double(), count])
    ranks = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
    # Gathered, not summed: from sums of squares the variance would be the difference of two large numbers.
    distributed.all_gather(ranks, own)
    held = torch.stack(ranks)
    channels = len(mean)
    means, variances, counts = held[:, :channels], held[:, channels : 2 * channels], held[:, 2 * channels :]
    total = counts.sum()
    joint = (counts * means).sum(0) / total
    spread = (counts * (variances + (means - joint).square())).sum(0) / total
    return joint.float(), spread.float(), total
