"""Parameters -> a network, after a look at whether they can work."""

import logging
from pathlib import Path
from typing import Literal

import torch

from training.config import TrainParams
from training.freeze import freeze
from training.network import BaseNetwork, build_base, build_refine, weights
from training.network.initial import initialise
from training.samples.data import Reader, check_crop

Kind = Literal["base", "refine"]

log = logging.getLogger("cleanplate.train")


def build_network(kind: Kind, params: TrainParams, init: Path | None = None) -> BaseNetwork:
    """The network of a stage: drawn from ``params.seed``, overwritten with what ``init`` holds, and in part frozen.

    Raises ValueError where ``init`` does not fit, or lacks a part that is frozen.
    """
    network: BaseNetwork
    if kind == "base":
        network = build_base(params.backbone, params.difference)
    else:
        network = build_refine(
            params.backbone,
            backbone_scale=params.backbone_scale,
            refine_mode=params.refine_mode,
            refine_sample_pixels=params.refine_sample_pixels,
            refine_threshold=params.refine_threshold,
            refine_kernel_size=params.refine_kernel_size,
            difference=params.difference,
        )
    network.aspp.set_dropout(params.dropout)
    initialise(network, params.seed, params.start)
    filled: frozenset[str] = frozenset()
    if init is not None:
        words, filled = weights.start_from(network, init)
        log.info("train_%s: starts from %s: %s", kind, init, words)
    freeze(network, params.freeze, filled, f"train_{kind}")
    return network.to(memory_format=torch.channels_last)


def check(params: TrainParams, reader: Reader, section: str) -> None:
    """Raise ValueError naming a parameter that cannot work with these samples, and what would."""
    if params.batch < 2:
        raise ValueError(
            f"{section}.batch is {params.batch}; batch norm in ASPP's pooled branch needs 2 samples or more a step"
        )
    for name in ("steps", "threads", "validate_every", "checkpoint_every", "accumulate"):
        if getattr(params, name) < 1:
            raise ValueError(f"{section}.{name} is {getattr(params, name)}; expected 1 or more")
    if params.batch % params.accumulate or params.batch // params.accumulate < 2:
        raise ValueError(
            f"{section}.accumulate is {params.accumulate}, which does not divide batch {params.batch} into equal parts "
            "of 2 samples or more"
        )
    if params.compile and params.checkpointing:
        raise ValueError(f"{section}.compile and {section}.checkpointing are both true; set one of them to false")
    check_crop(params.crop, reader, section)
