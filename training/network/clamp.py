"""Clamping to [0, 1] that a training run can come back from."""

from typing import Any

import torch
from torch import Tensor


def clamp01(x: Tensor, recover: bool) -> Tensor:
    """``x`` clamped to [0, 1].

    Args:
        x: any shape.
        recover: let the gradient through outside [0, 1] where it leads back inside. The plain clamp's gradient is 0
            there, so that a matte that became all black or all white stays so for ever.
    """
    if not recover:
        return x.clamp(0, 1)
    out: Tensor = _Clamp.apply(x)
    return out


class _Clamp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        # A step goes against the gradient: below 0 a negative one leads back, above 1 a positive one.
        blocked = ((x < 0) & (grad > 0)) | ((x > 1) & (grad < 0))
        return grad.masked_fill(blocked, 0)
