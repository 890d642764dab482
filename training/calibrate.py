"""Batch norm's running statistics, measured anew for the weights as they are.

While weights move quickly the running averages lag behind them, and the network that is validated and saved computes
something else than the one that was trained. Sixty steps into the sample's base run, alpha was off by 153 x 10^-3 with
the averages and by 56 with statistics measured for the same weights. Source: Wu and Johnson 2021, section 3.
"""

from collections.abc import Iterable, Sequence

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from training.devices.ranks import ALONE, Ranks
from training.network import BaseNetwork
from training.network.norm import BatchNorm
from training.samples.data import Batch, to_images

STEPS = 16
"""Batches that are averaged over."""


@torch.no_grad()
def calibrate(fabric: Fabric, network: BaseNetwork, batches: Iterable[Batch], ranks: Ranks = ALONE) -> None:
    """Replace the running statistics of every batch norm by their mean over the ``batches`` of all ranks, in place.

    Ranks take whole batches, and meet only when each is through with its own: none waits inside a layer that another
    leaves out.

    The network runs as it does in evaluation, without dropout. A layer that gets nothing to do (a refiner without a
    patch to refine) keeps its statistics, and so do frozen parts. Training itself never reads them, so this changes no
    later step.
    """
    was_training = network.training
    frozen = {module for part in network.frozen for module in network.get_submodule(part).modules()}
    norms = [module for module in network.modules() if isinstance(module, BatchNorm) and module not in frozen]
    before = [
        (norm.momentum, norm.synced, {name: value.clone() for name, value in norm.named_buffers()}) for norm in norms
    ]
    network.eval()
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean over all batches
        norm.synced = False
        norm.train()
    with fabric.autocast():
        for batch in batches:
            images = to_images(batch, fabric.device)
            network(images.src, images.bgr)
    if ranks.world > 1:
        _join(norms, ranks)
    for norm, (momentum, synced, buffers) in zip(norms, before, strict=True):
        norm.momentum, norm.synced = momentum, synced
        assert norm.num_batches_tracked is not None
        if not norm.num_batches_tracked:
            for name, value in norm.named_buffers():
                value.copy_(buffers[name])
    network.train(was_training)


def _join(norms: Sequence[nn.BatchNorm2d], ranks: Ranks) -> None:
    """Average statistics over all ranks by the batches that each has counted."""
    for norm in norms:
        mean, variance, count = _statistics(norm)
        own = torch.stack([mean.double(), variance.double(), torch.ones_like(mean, dtype=torch.float64)]) * count
        joint = torch.tensor(ranks.add(own.flatten().tolist()), dtype=torch.float64).view(3, -1)
        total = joint[2, 0]
        count.copy_(total.round())
        if total > 0:
            mean.copy_(joint[0] / total)
            variance.copy_(joint[1] / total)


def _statistics(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor, Tensor]:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    return norm.running_mean, norm.running_var, norm.num_batches_tracked
