"""Convolutions that apply their activation while they write: one pass over memory less each, the same numbers."""

from typing import Any

import torch
from torch import Tensor, nn

_NAMES: dict[type[nn.Module], tuple[str, list[float]]] = {nn.ReLU: ("relu", []), nn.ReLU6: ("hardtanh", [0.0, 6.0])}


def _onednn() -> Any | None:
    """PyTorch's own operator for it, which it keeps for ``torch.compile``; None where this build has none."""
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return None
    return getattr(torch.ops.mkldnn, "_convolution_pointwise", None)


class FusedConv(nn.Module):
    """A convolution and the ReLU or ReLU6 after it."""

    def __init__(self, conv: nn.Conv2d, activation: nn.Module) -> None:
        """``conv`` as it is, weights shared. Raises KeyError for another activation than ReLU and ReLU6."""
        super().__init__()
        self.conv = conv
        self.activation = activation
        self.name, self.limits = _NAMES[type(activation)]
        self._operator = _onednn() if isinstance(conv.padding, tuple) else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W'), activated."""
        conv = self.conv
        if self._operator is None:
            out: Tensor = self.activation(conv(x))
            return out
        found: Tensor = self._operator(
            x, conv.weight, conv.bias, conv.padding, conv.stride, conv.dilation, conv.groups, self.name, self.limits, ""
        )
        return found


def fuse(network: nn.Module) -> None:
    """Join each convolution of a sequence with the activation that follows it, in place."""
    for parent in list(network.modules()):
        if isinstance(parent, nn.Sequential):
            _fuse_sequence(parent)


def _fuse_sequence(layers: nn.Sequential) -> None:
    for index, layer in enumerate(layers):
        following = index + 1
        # A batch norm folded into its convolution has left an Identity behind.
        while following < len(layers) and isinstance(layers[following], nn.Identity):
            following += 1
        if isinstance(layer, nn.Conv2d) and following < len(layers) and type(layers[following]) in _NAMES:
            layers[index] = FusedConv(layer, layers[following])
            layers[following] = nn.Identity()
