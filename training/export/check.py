"""How far an exported file is from PyTorch, and what that costs against true alpha."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from training.export.inputs import Pair
from training.export.runners import Runner
from training.network import RefineNetwork, RefineOutput
from training.network.resize import resize

TIE = 1e-4
"""Errors of two patches that differ by less are equal: which of them is refined hangs on the last bits."""


class Difference(NamedTuple):
    """How far an exported network is from PyTorch, the worst over the inputs; 0 to 1."""

    pha_mean: float
    pha_max: float
    fgr_mean: float
    fgr_max: float
    other_patches: float
    """Share of the patches that one refined and the other did not, their errors being equal: not counted above."""


class Measured(NamedTuple):
    """What a file is worth on composites whose alpha is known."""

    inputs: int
    difference: Difference
    mad_pytorch: float
    """Mean absolute difference of PyTorch's alpha from the true one, times 1000."""
    mad: float
    """The same of the file's."""


class ExportError(ValueError):
    """The exported file does not compute what the network computes."""


def check_difference(name: str, found: Difference, tolerance: float, key: str, advice: str) -> None:
    """Raise ExportError, with ``key`` of the bound and ``advice``, where a mean of ``found`` is above ``tolerance``."""
    worst = max(found.pha_mean, found.fgr_mean)
    if not worst <= tolerance:  # so that NaN fails too
        raise ExportError(
            f"{name} differs from PyTorch by {found.pha_mean:.2g} in alpha and {found.fgr_mean:.2g} in foreground "
            f"(means), more than export.tolerance.{key} = {tolerance:g}; {advice}"
        )


def compare(network: RefineNetwork, run: Runner, pairs: Iterable[Pair]) -> Difference:
    """Run both on all inputs and return the worst difference of each kind."""
    return _worst(difference(found, expected) for _, found, expected in _both(network, run, pairs))


def measure(network: RefineNetwork, run: Runner, pairs: Iterable[Pair]) -> Measured:
    """Run both on composites, one at a time, and hold them against each other and true alpha.

    Raises ValueError for an input without a true alpha, and for none at all.
    """
    differences, mads = [], []
    for pair, found, expected in _both(network, run, pairs):
        if pair.pha is None:
            raise ValueError(f"export: input '{pair.name}' has no true alpha; measure on composites")
        differences.append(difference(found, expected))
        mads.append([1000 * (each.pha - pair.pha).abs().mean().item() for each in (expected, found)])
    if not mads:
        raise ValueError("export: the set 'test' has no composites to measure on; raise plan.test.count")
    pytorch, exported = np.mean(mads, axis=0)
    return Measured(len(mads), _worst(differences), float(pytorch), float(exported))


def difference(found: RefineOutput, expected: RefineOutput) -> Difference:
    """How far one frame's result is from the network's, but for patches chosen at random between equals."""
    height, width = expected.pha.shape[-2:]
    tied = _tied(found, expected)
    counted = 1 - tied.float().repeat_interleave(4, 2).repeat_interleave(4, 3)[:, :, :height, :width]
    pixels = counted.sum().clamp(min=1)
    pha, fgr = (found.pha - expected.pha).abs() * counted, (found.fgr - expected.fgr).abs() * counted
    return Difference(
        pha_mean=(pha.sum() / pixels).item(),
        pha_max=pha.max().item(),
        fgr_mean=(fgr.sum() / (3 * pixels)).item(),
        fgr_max=fgr.max().item(),
        other_patches=tied.float().mean().item(),
    )


def _both(
    network: RefineNetwork, run: Runner, pairs: Iterable[Pair]
) -> Iterator[tuple[Pair, RefineOutput, RefineOutput]]:
    for pair in pairs:
        with torch.no_grad():
            expected = network(pair.src, pair.bgr)
        yield pair, run(pair.src, pair.bgr), expected


def _worst(differences: Iterable[Difference]) -> Difference:
    worst = np.zeros(len(Difference._fields))
    for each in differences:
        worst = np.maximum(worst, each)
    return Difference(*(float(value) for value in worst))


def _tied(found: RefineOutput, expected: RefineOutput) -> Tensor:
    """Where only one of the two refined a patch whose error is that of the last patch chosen."""
    chosen = expected.ref_sm > 0
    if not chosen.any():
        return torch.zeros_like(chosen)
    error = resize(expected.err_sm, (chosen.shape[-2], chosen.shape[-1]))
    return ((found.ref_sm > 0) != chosen) & ((error - error[chosen].min()).abs() < TIE)
