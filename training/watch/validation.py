"""What a network is worth in mid-training: the error of alpha on a few fixed samples of the ``valid`` set."""

import logging
from collections.abc import Mapping
from itertools import chain, islice
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from compositing.shards.reader import Sample
from training.devices.ranks import ALONE, Ranks
from training.network import RefineNetwork
from training.network.resize import resize
from training.samples.data import Fetching, Reader, to_batch, to_images

log = logging.getLogger("cleanplate.train")
MOST = 24
CASES = "cases"
"""The strength of hard cases."""


class RecipeReader(Reader, Protocol):
    """A reader that knows the recipes of its samples."""

    def recipes(self) -> pd.DataFrame:
        """One row a sample, in the order of positions."""


def choose(reader: RecipeReader, most: int = MOST) -> dict[str, list[int]]:
    """Choose at most ``most`` samples, spread evenly over each perturbation strength: strength -> positions.

    Hard cases come on top, as many as of each strength, so that the others stay those of a set without any.
    """
    positions = reader.recipes().reset_index(drop=True).groupby("strength").indices
    each = max(1, most // max(1, len(positions.keys() - {CASES})))

    def spread(found: NDArray[np.int64]) -> list[int]:
        return [int(found[i]) for i in np.linspace(0, len(found) - 1, min(each, len(found))).round().astype(int)]

    return {str(strength): spread(found) for strength, found in sorted(positions.items())}


@torch.no_grad()
def validate(
    fabric: Fabric,
    network: nn.Module,
    reader: Reader,
    chosen: Mapping[str, list[int]],
    scale: float,
    ranks: Ranks = ALONE,
) -> dict[str, float]:
    """Mean absolute difference of alpha over whole images, x 10^3: ``mad``, and ``mad_STRENGTH``.

    ``mad`` is the mean over the strengths without the hard cases: comparable with runs that had none.
    The base network sees the image as it does inside the refine network: at ``scale``, its alpha enlarged again.
    One image at a time, so that memory stays bounded; ranks share the images out, and each gets the same result. The
    network's mode is put back.
    """
    was_training = network.training
    mine = [place for number, place in enumerate(chain.from_iterable(chosen.values())) if ranks.takes(number)]
    fetching = reader if isinstance(reader, Fetching) else None
    before = fetching.traffic() if fetching else None
    if fetching is not None:
        fetching.prefetch(mine)
    network.eval()
    try:
        with fabric.autocast():
            found = [
                _difference(fabric, network, reader, position, scale) if ranks.takes(number) else 0.0
                for number, position in enumerate(chain.from_iterable(chosen.values()))
            ]
    finally:
        network.train(was_training)
    traffic = fetching.traffic() if fetching else None
    if traffic is not None and before is not None and traffic.plus(before, -1).fetched:
        log.info("validation: %s", traffic.plus(before, -1).words())
    joint = iter(ranks.add(found))  # each value has one rank's share, so the sum rounds nothing
    means = {strength: float(np.mean(list(islice(joint, len(chosen[strength]))))) for strength in chosen}
    common = [mean for strength, mean in means.items() if strength != CASES or len(means) == 1]
    return {"mad": float(np.mean(common)), **{f"mad_{name}": value for name, value in means.items()}}


def _difference(fabric: Fabric, network: nn.Module, reader: Reader, position: int, scale: float) -> float:
    images = to_images(to_batch([reader.read(position, recipe=False)], [position]), fabric.device)
    pha = predict(network, images.src, images.bgr, scale)
    return 1000 * float((pha.double() - images.pha.double()).abs().mean())


@torch.no_grad()
def predict_bytes(fabric: Fabric, network: nn.Module, sample: Sample, scale: float) -> NDArray[np.uint8]:
    """Alpha (H, W) of one whole sample as bytes. The network's mode is put back."""
    was_training = network.training
    network.eval()
    try:
        with fabric.autocast():
            images = to_images(to_batch([sample], [0]), fabric.device)
            pha = predict(network, images.src, images.bgr, scale)
    finally:
        network.train(was_training)
    found: NDArray[np.uint8] = pha[0, 0].float().mul(255).round().to(torch.uint8).cpu().numpy()
    return found


def predict(network: nn.Module, src: Tensor, bgr: Tensor, scale: float) -> Tensor:
    """Alpha (B, 1, H, W) of either network; the base network works at ``scale`` of the input's size."""
    if isinstance(network, RefineNetwork) or scale == 1:
        pha: Tensor = network(src, bgr).pha
        return pha
    height, width = src.shape[-2:]
    small = (max(4, round(height * scale)), max(4, round(width * scale)))
    pha = network(resize(src, small), resize(bgr, small)).pha
    return resize(pha.float(), (height, width))
