"""Where training runs, on how many devices, and what makes it run the same way twice there."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins import MixedPrecision
from lightning_fabric.plugins.environments import LightningEnvironment
from lightning_fabric.strategies import DDPStrategy

from training.config import TrainParams
from training.devices.ranks import ALONE, Ranks


def choose_device(accelerator: str) -> tuple[str, str]:
    """The device to train on, ``cpu`` or ``cuda``, and why in a few words.

    Raises ValueError where ``cuda`` is asked for and not there: training never falls back to the CPU silently.
    """
    if torch.cuda.is_available():
        name = torch.cuda.get_device_name(0)
        if accelerator == "cpu":
            return "cpu", f"accelerator is 'cpu'; the GPU {name} stays idle"
        return "cuda", f"{name}; accelerator is '{accelerator}'"
    missing = f"this PyTorch ({torch.__version__}) is built without CUDA"
    if torch.version.cuda is not None:
        missing = f"PyTorch {torch.__version__} finds no CUDA device or driver"
    if accelerator == "cuda":
        raise ValueError(
            f"accelerator is 'cuda', but {missing}; 'cleanplate doctor' says more. "
            "Set accelerator to 'auto' or 'cpu' to train on the CPU"
        )
    return "cpu", f"accelerator is '{accelerator}'" + (f", and {missing}" if accelerator == "auto" else "")


class _Autocast(MixedPrecision):  # type: ignore[misc]  # lightning_fabric is untyped here
    """Lightning's mixed precision, without the rounding of the input images to half precision."""

    def convert_input(self, data: Any) -> Any:
        return data


class _Place(LightningEnvironment):  # type: ignore[misc]
    """Tells Lightning which rank this process is: it exists already, and is connected."""

    creates_processes_externally = True

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self.ranks = ranks

    def local_rank(self) -> int:
        return self.ranks.local

    def node_rank(self) -> int:
        return self.ranks.machine


def build_fabric(params: TrainParams, device: str, ranks: Ranks = ALONE) -> Fabric:
    """Lightning Fabric for this rank's device. Raises ValueError naming a setting that does not work there."""
    if params.precision == "16-mixed" and device == "cpu":
        raise ValueError("precision is '16-mixed', which needs a GPU; set it to 'bf16-mixed' or '32-true'")
    options: dict[str, Any] = {"accelerator": device, "devices": 1}
    if params.precision == "32-true":
        options["precision"] = "32-true"
    else:
        options["plugins"] = [_Autocast(params.precision, device)]
    if ranks.world == 1:
        return Fabric(**options)
    if device == "cuda" and (there := torch.cuda.device_count()) < params.devices:
        raise ValueError(f"devices is {params.devices}, but this machine has {there} GPUs; lower it to {there}")
    # Batch norm's statistics are the same everywhere already: synchronised in training, shared out in validation.
    strategy = DDPStrategy(cluster_environment=_Place(ranks), forward_sync_buffers=False, gradient_as_bucket_view=True)
    fabric = Fabric(**options | {"devices": params.devices, "num_nodes": ranks.machines, "strategy": strategy})
    fabric.launch()
    return fabric


@contextlib.contextmanager
def reproducible(device: str, threads: int) -> Iterator[None]:
    """Make PyTorch compute the same bits each time, and leave its global settings as they were.

    On the CPU sums depend on the number of threads, so that is fixed too. On CUDA nothing is promised: the backward
    pass of bilinear resizing adds up in any order there.
    """
    threads_before = torch.get_num_threads()
    strict_before = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng():
        try:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(device == "cpu")
            yield
        finally:
            torch.use_deterministic_algorithms(strict_before)
            torch.set_num_threads(threads_before)
