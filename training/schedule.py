"""The optimizer: which parameters learn at which rate, and how the rates go over a run."""

import math
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from training.config import TrainParams

PARTS = ("backbone", "aspp", "decoder", "refiner")
WARM_SHARE = 0.1
START_FACTOR = 1 / 25
END_FACTOR = 1e-3


def rate_factor(schedule: str, step: int, steps: int, warmup: int = 0) -> float:
    """The share of the peak rate at a step, 0 to ``steps`` - 1: a plain function, so there is no state to keep.

    ``onecycle`` climbs along a cosine from 1/25 of the peak over the first tenth of the run and falls to 1/1000.
    After Smith and Topin 2018, with a shorter climb; the momentum stays. ``constant`` and ``cosine`` climb straight
    over ``warmup`` steps; ``cosine`` then falls to 1/1000 at the last step (Loshchilov and Hutter 2017, no restarts).
    """
    if schedule != "onecycle":
        if step < warmup:
            return (step + 1) / (warmup + 1)
        if schedule == "constant":
            return 1.0
        return _cosine(1.0, END_FACTOR, (step - warmup) / max(1, steps - 1 - warmup))
    warm = max(1, round(steps * WARM_SHARE))
    if step < warm:
        return _cosine(START_FACTOR, 1.0, step / warm)
    return _cosine(1.0, END_FACTOR, (step - warm) / max(1, steps - 1 - warm))


def _cosine(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * min(share, 1.0))) / 2


def parameter_groups(network: nn.Module, params: TrainParams) -> list[dict[str, Any]]:
    """Group the parameters by part, each with its peak rate; biases and norms apart, for they do not decay.

    Raises ValueError for a parameter of no known part.
    """
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        part = name.split(".")[0]
        if part not in PARTS:
            raise ValueError(f"parameter '{name}' is of no part with a rate; the parts are {', '.join(PARTS)}")
        groups.setdefault((part, parameter.ndim > 1), []).append(parameter)
    peaks = params.rates.model_dump()
    return [
        {
            "params": members,
            "part": part,
            "peak": peaks[part],
            "lr": peaks[part],
            "weight_decay": params.weight_decay if decays else 0.0,
        }
        for (part, decays), members in groups.items()
    ]


def build_optimizer(network: nn.Module, params: TrainParams) -> Optimizer:
    """Adam or AdamW over the parts of a network, fused where the device can."""
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[params.optimizer]
    optimizer: Optimizer = kind(parameter_groups(network, params), fused=True)
    return optimizer


def set_rates(optimizer: Optimizer, factor: float) -> None:
    """Set each group's rate to this share of its peak."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor
