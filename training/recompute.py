"""Activation checkpointing: layers whose inner results are computed again in the backward pass and not kept until then.

Source: Chen et al. 2016, "Training deep nets with sublinear memory cost".
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint
from torchvision.models.mobilenetv2 import InvertedResidual
from torchvision.models.resnet import Bottleneck

from training.network import BaseNetwork


def recompute(network: BaseNetwork) -> None:
    """Keep only the inputs of the encoder's blocks, of ASPP and of the decoder, in place.

    Weights, gradients and statistics stay the same bit for bit; a step takes about a forward pass longer.
    """
    blocks = [m for m in network.backbone.modules() if isinstance(m, Bottleneck | InvertedResidual)]
    for module in (*blocks, network.aspp, network.decoder):
        module.forward = functools.partial(_forward, module, module.forward)


def _forward(module: nn.Module, forward: Callable[..., Any], *args: Any, **options: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args, **options)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _without_statistics(module)

    # It puts back dropout's generator and autocast for the second time by itself.
    return checkpoint(forward, *args, use_reentrant=False, context_fn=contexts, **options)


@contextmanager
def _without_statistics(module: nn.Module) -> Iterator[None]:
    """Let batch norm normalise as it does in training, and learn nothing from what it sees a second time."""
    norms = [norm for norm in module.modules() if isinstance(norm, _BatchNorm) and norm.training]
    before = [(norm, norm.momentum, norm.num_batches_tracked) for norm in norms]
    counts = [None if count is None else count.clone() for _, _, count in before]
    for norm in norms:
        # Running statistics cannot go: they are among what the backward pass expects to be computed again.
        norm.momentum = 0.0
    try:
        yield
    finally:
        for (norm, momentum, count), old in zip(before, counts, strict=True):
            norm.momentum = momentum
            if count is not None and old is not None:
                count.copy_(old)
