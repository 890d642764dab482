"""``torch.compile``, where the machine can."""

import logging
import time

import torch
from torch import Tensor, nn

log = logging.getLogger("cleanplate.train")


def compiled(network: nn.Module, device: torch.device | str) -> nn.Module:
    """The network as it is compiled on first use, or itself, with a warning, where nothing can be compiled."""
    try:
        _try(device)
    except (RuntimeError, OSError, ImportError) as error:
        reason = " ".join(str(error).split())[:200]
        log.warning(
            "compile: true has no effect: torch.compile does not work on '%s' here (%s: %s). Install a C++ compiler "
            "(such as g++; on a GPU also triton), or set compile to false",
            torch.device(device).type,
            type(error).__name__,
            reason,
        )
        return network
    module: nn.Module = torch.compile(network)  # type: ignore[assignment]  # it wraps a module in a module
    return module


def _try(device: torch.device | str) -> None:
    # Nobody compiled this number before: an answer from the cache on disk needs no compiler and proves nothing.
    number = time.time_ns() % 1_000_000_007

    def probe(x: Tensor) -> Tensor:
        return torch.sin(x) * number

    torch.compile(probe)(torch.ones(2, device=device))
