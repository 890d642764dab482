"""What ranks do in the tests of the launcher; a module of its own, for each rank's process imports it.

As a program, ``python rank_work.py FOLDER``, it starts two ranks that sleep.
"""

import logging
import os
import signal
import sys
import time
from pathlib import Path

import torch
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel

from training.devices.interrupt import Interrupt
from training.devices.launch import Progress, launch
from training.devices.ranks import Machines, Ranks, share_file, spread
from training.network.norm import BatchNorm


class NoNumberError(ValueError):
    """Stands for an error of the training loop."""


LAYOUTS = {"float32": (torch.float32, 1), "bfloat16": (torch.bfloat16, 1), "one value each": (torch.float32, 0)}


def maps(layout: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Five samples far from mean 0, and the gradients of what becomes of them."""
    dtype, size = LAYOUTS[layout]
    generator = torch.Generator().manual_seed(1)
    side = 6 * size + 1 - size
    x, grad = (torch.randn(5, 7, side, side, generator=generator) for _ in range(2))
    # With a layout as the networks have it, and a mean many deviations away from 0.
    return tuple((v.to(dtype).contiguous(memory_format=torch.channels_last)) for v in (20 + 0.5 * x, grad))  # type: ignore[return-value]


def own(ranks: Ranks) -> slice:
    """Two of the five samples for the first rank, three for the second: as unequal as patches are."""
    return slice(0, 2) if ranks.number == 0 else slice(2, 5)


def agree(folder: Path, ranks: Ranks, interrupt: Interrupt, progress: Progress | None) -> None:
    """Everything that goes well, in one start."""
    normalise(folder, ranks)
    talk(folder, ranks, progress)


def normalise(folder: Path, ranks: Ranks) -> None:
    """Run the synchronised layer forward and back in each layout; save what came of it."""
    for layout in LAYOUTS:
        norm = BatchNorm(7)
        spread(norm, ranks)
        x, grad = (value[own(ranks)] for value in maps(layout))
        x.requires_grad_()
        out = norm(x)
        out.backward(grad)
        # Without autograd and in evaluation nobody waits.
        norm.eval()(x.detach()[:1]) if ranks.number == 0 else None
        found = {"out": out.detach(), "x": x.grad, "weight": norm.weight.grad, "bias": norm.bias.grad}
        torch.save({**found, **dict(norm.named_buffers())}, folder / f"{layout}-{ranks.number}.pt")


def talk(folder: Path, ranks: Ranks, progress: Progress | None) -> None:
    """Agree on things, share a file, log and report progress."""
    log = logging.getLogger("cleanplate.train")
    log.info("hello of rank %d", ranks.number)
    assert ranks.mean({"a": 1.0 + ranks.number, "b": 0.1}) == {"a": 1.5, "b": 0.1}
    assert ranks.gather(ranks.number) == [0, 1]
    # Each rank plays a machine of its own here; the second has the file.
    machine = ranks._replace(local=0)
    mine = folder / str(ranks.number)
    mine.mkdir()
    names = ["step-1", "step-2"] if ranks.number else ["step-1"]
    for name in names:
        (mine / name).write_bytes(name.encode() * 1000)
    share_file(machine, mine / names[-1], mine)
    assert (mine / "step-2").read_bytes() == b"step-2" * 1000
    share_file(machine, mine / "step-2", mine)
    if progress is not None:
        progress(7, "seven")


def diverge(folder: Path, ranks: Ranks, interrupt: Interrupt, progress: Progress | None) -> None:
    """The second rank has no number for its loss; the first waits for it."""
    if ranks.number == 1:
        raise NoNumberError("the loss is nan at step 3")
    ranks.wait()


def run_out(folder: Path, ranks: Ranks, interrupt: Interrupt, progress: Progress | None) -> None:
    """The second rank fails as nobody foresaw; the first waits for it."""
    if ranks.number == 1:
        raise RuntimeError("CUDA out of memory")
    ranks.wait()


def die(folder: Path, ranks: Ranks, interrupt: Interrupt, progress: Progress | None) -> None:
    """The second rank is killed; the first waits in the midst of a backward pass."""
    module = DistributedDataParallel(torch.nn.Linear(4, 4))
    if progress is not None:
        progress(3, "")
    if ranks.number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    F.mse_loss(module(torch.rand(2, 4)), torch.rand(2, 4)).backward()


def sleep(folder: Path, ranks: Ranks, interrupt: Interrupt, progress: Progress | None) -> None:
    """Both ranks are busy for longer than a test."""
    if progress is not None:
        progress(1, "")
    time.sleep(600)


if __name__ == "__main__":
    import rank_work  # by the name that the ranks know it by

    launch(rank_work.sleep, Path(sys.argv[1]), 2, Machines(), lambda step, note: print(step, flush=True))
