"""A trained network made ready to predict: the same outputs, fewer operations."""

import copy
import itertools
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from training.network.difference import WideConv2d
from training.network.matting import BaseNetwork

Network = TypeVar("Network", bound=BaseNetwork)


def for_inference(network: Network) -> Network:
    """A copy in evaluation mode, each batch norm folded into the convolution before it, channels last in memory.

    The outputs agree to float32 rounding. The copy's parameter names are not the published ones any more: save the
    network it was made of.
    """
    made = copy.deepcopy(network).eval().requires_grad_(False)
    for parent in list(made.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, WideConv2d):
                setattr(parent, name, layer.plain().eval().requires_grad_(False))
        children = list(parent.named_children())
        for (name, layer), (after, norm) in itertools.pairwise(children):
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(parent, name, fuse_conv_bn_eval(layer, norm))
                setattr(parent, after, nn.Identity())
    return made.to(memory_format=torch.channels_last)
