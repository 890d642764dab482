"""The methods that are compared: what each says of a sample.

- ``classical``: the best of the classical rivals, tuned on ``valid`` for each strength
  (``training.evaluation.baseline``). Its foreground is the source itself.
- ``base``: the base checkpoint alone. It sees source and background shrunk to ``backbone_scale``, as it does inside
  the refine network; its alpha and foreground residual are enlarged bilinearly.
- ``refine``: the refine checkpoint.
- ``refine_coarse``: the refine checkpoint's own coarse alpha and residual, enlarged bilinearly: what its refiner
  started from.
"""

import contextlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compositing.shards.reader import Sample
from training.evaluation import baseline
from training.evaluation.tuning import Classical
from training.network import BaseNetwork, RefineNetwork
from training.network.resize import pad_to_multiple, resize
from training.network.weights import load_base, load_refine

Floats = NDArray[np.float32]


class Prediction(NamedTuple):
    """What a method says of one sample."""

    pha: Floats
    """(H, W) alpha in [0, 1]."""
    fgr: Floats
    """(3, H, W) RGB foreground in [0, 1]."""


@lru_cache(maxsize=1)
def networks(base: Path, refine: Path, device: str) -> tuple[BaseNetwork, RefineNetwork]:
    """Both networks, ready to predict; the last pair is kept for the next task of this process."""
    return load_base(base).eval().to(device), load_refine(refine).eval().to(device)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Sums over one thread: their order, and so the last bit, would hang on the number otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def predict(
    networks: tuple[BaseNetwork, RefineNetwork], samples: Sequence[Sample], device: str = "cpu"
) -> dict[str, list[Prediction]]:
    """Run both networks over samples of one size; a prediction for each sample, by method."""
    base, refine = networks
    src, bgr = (_stack([getattr(s, layer) for s in samples], device) for layer in ("src", "bgr"))
    height, width = src.shape[-2:]
    frame = pad_to_multiple(torch.cat([src, bgr], dim=1), 4)
    whole = (frame.shape[-2], frame.shape[-1])
    with torch.no_grad():
        fine = refine(src, bgr)
        small = resize(frame, (fine.pha_sm.shape[-2], fine.pha_sm.shape[-1]))
        alone = base(small[:, :3].contiguous(), small[:, 3:].contiguous())
        results = {
            "base": _enlarge(alone.pha, alone.fgr, small[:, :3], frame[:, :3], whole),
            "refine": (fine.pha, fine.fgr),
            "refine_coarse": _enlarge(fine.pha_sm, fine.fgr_sm, small[:, :3], frame[:, :3], whole),
        }
    return {
        method: [
            Prediction(alpha[0, :height, :width].numpy(), colour[:, :height, :width].numpy())
            for alpha, colour in zip(pha.cpu(), fgr.cpu(), strict=True)
        ]
        for method, (pha, fgr) in results.items()
    }


def _enlarge(pha: Tensor, fgr: Tensor, small: Tensor, src: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    # The residual is enlarged rather than the colour: the source's own detail stays.
    return resize(pha, size), (resize(fgr - small, size) + src).clamp(0, 1)


def _stack(images: Sequence[NDArray[np.uint8]], device: str) -> Tensor:
    batch = torch.from_numpy(np.stack(images)).to(device)
    return batch.permute(0, 3, 1, 2).float().div_(255)


def classical_prediction(sample: Sample, classical: Classical) -> Prediction:
    """The frozen baseline's matte for the sample's strength; its foreground is the source."""
    tuned = classical.tuned[sample.recipe["strength"]]
    alpha = baseline.matte(sample.src, sample.bgr, tuned, classical.mean)
    return Prediction(alpha, colour(sample.src))


def colour(image: NDArray[np.uint8]) -> Floats:
    """(H, W, 3) bytes -> (3, H, W) in [0, 1]."""
    return np.asarray(image.transpose(2, 0, 1) / np.float32(255), dtype=np.float32)
