"""One of two processes that train a refiner together over gloo: ``python two_ranks.py RANK FOLDER ours|naive``.

The second rank's error map selects no patch. ``naive`` then leaves the refiner out, as one writes it first.
"""

import sys
from datetime import timedelta
from pathlib import Path

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from training.network.refiner import Refiner
from training.network.resize import resize


class Joint(nn.Module):
    """A base network of one number, and a refiner over it."""

    def __init__(self, naive: bool) -> None:
        super().__init__()
        self.naive = naive
        self.coarse = nn.Parameter(torch.tensor(0.5))
        self.refiner = Refiner("thresholding", threshold=0.7)

    def forward(self, frame: Tensor, err: Tensor) -> Tensor:
        coarse = self.coarse.expand(len(frame), 4, 8, 8)
        if self.naive and not bool((err > 0.7).any()):
            return resize(coarse, (32, 32))
        refined: Tensor = self.refiner((frame,), coarse, err, torch.rand(len(frame), 32, 8, 8))[0]
        return refined


def main() -> None:
    """Train three steps, the first rank looking at its own result in between."""
    rank, folder, variant = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    torch.manual_seed(0)
    torch.set_num_threads(1)
    distributed.init_process_group(
        "gloo", init_method=f"file://{folder / variant}", rank=rank, world_size=2, timeout=timedelta(seconds=60)
    )
    joint = Joint(variant == "naive")
    module = DistributedDataParallel(joint)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    frame, err = torch.rand(2, 6, 32, 32), torch.full((2, 1, 8, 8), 1.0 - rank)
    for _ in range(3):
        optimizer.zero_grad()
        module(frame, err).mean().backward()
        optimizer.step()
        if rank == 0:  # validation that the other rank takes no part in: nothing waits for it
            with torch.no_grad():
                joint.eval()(frame, err)
                joint.train()
    distributed.barrier()
    total = sum(float(parameter.double().sum()) for parameter in joint.parameters())
    print(f"done {total:.9f}", flush=True)


if __name__ == "__main__":
    main()
