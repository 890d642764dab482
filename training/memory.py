"""The most memory a run has used."""

import json
import resource
import sys
from pathlib import Path

import torch

from curation.storage import writing

GIB = 2**30


def peak(device: torch.device) -> float:
    """The peak so far, GiB: on CUDA what PyTorch allocated there, on the CPU the largest resident set.

    The latter counts the interpreter and its libraries (about half a GiB), and no loader process that still runs.
    """
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / GIB
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used * (1 if sys.platform == "darwin" else 1024) / GIB


def note(path: Path, device: torch.device) -> None:
    """Write the peak as JSON, to a tenth: on the CPU it wobbles from run to run, and DVC compares the file."""
    with writing(path) as temporary:
        temporary.write_text(json.dumps({"peak_memory_gib": round(peak(device), 1)}) + "\n", encoding="utf-8")
