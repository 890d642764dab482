"""The most memory a run has used."""

import resource
import sys

import torch

GIB = 2**30


def peak(device: torch.device) -> float:
    """The peak so far, GiB: on CUDA what PyTorch allocated there, on the CPU the largest resident set.

    The latter counts the interpreter and its libraries (about half a GiB), and no loader process that still runs.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / GIB
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used * (1 if sys.platform == "darwin" else 1024) / GIB
