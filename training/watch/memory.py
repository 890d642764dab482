"""The most memory a run has used."""

import resource
import sys
from pathlib import Path

import torch

from curation.storage import writing

GIB = 2**30
NAME = "memory.txt"
"""In a work folder."""


def peak(device: torch.device) -> float:
    """The peak so far, GiB: on CUDA what PyTorch allocated there, on the CPU the largest resident set.

    The latter counts the interpreter and its libraries (about half a GiB), and no loader process that still runs.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / GIB
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used * (1 if sys.platform == "darwin" else 1024) / GIB


def keep(folder: Path, used: float) -> None:
    """Note a finished run's peak, GiB, of the rank that used the most; who asks may not have trained itself."""
    with writing(folder / NAME) as temporary:
        temporary.write_text(str(used), encoding="utf-8")


def kept(folder: Path) -> float:
    """What :func:`keep` noted."""
    return float((folder / NAME).read_text(encoding="utf-8"))
