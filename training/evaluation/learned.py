"""Networks as methods: the project's own two and any other weights of the same architecture.

- ``base``: the base checkpoint alone. It sees source and background shrunk to ``backbone_scale``, as it does inside
  the refine network; its alpha and foreground residual are enlarged bilinearly.
- ``refine``: the refine checkpoint.
- ``refine_coarse``: the refine checkpoint's own coarse alpha and residual, enlarged bilinearly: what its refiner
  started from.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compositing.shards.reader import Sample
from training.evaluation.methods import Prediction, Remembered, one_thread
from training.network import BaseNetwork, RefineNetwork
from training.network.resize import pad_to_multiple, resize
from training.network.weights import load_base, load_refine

LEARNED = ("base", "refine", "refine_coarse")


class Learned:
    """One of the three methods of a pair of networks; those of one :class:`Networks` share its forward passes."""

    def __init__(self, name: str, networks: "Networks", output: str) -> None:
        """``name``: as tables call it; ``output``: which of LEARNED it is."""
        self.name = name
        self._networks, self._output = networks, output

    def predict(self, samples: Sequence[Sample]) -> list[Prediction]:
        """Run the networks, or take what they said of the same samples just before."""
        return self._networks.predict(samples)[self._output]


class Networks:
    """A base and a refine network behind samples; what they said of the last samples is kept."""

    def __init__(self, base: BaseNetwork | None, refine: RefineNetwork, device: str = "cpu", batch: int = 1) -> None:
        """``base``: None where only the refine network is asked; ``batch``: samples a forward pass, at most."""
        self._base = None if base is None else base.eval().to(device)
        self._refine = refine.eval().to(device)
        self._device, self._batch = device, batch
        self._answers = Remembered(self._ask)

    def predict(self, samples: Sequence[Sample]) -> dict[str, list[Prediction]]:
        """A prediction for each sample, by method; samples of one size run together."""
        return self._answers(samples)

    def _ask(self, samples: Sequence[Sample]) -> dict[str, list[Prediction]]:
        found: dict[str, list[Prediction]] = {}
        with one_thread():
            for batch in _batches(samples, self._batch):
                for output, predictions in self._forward(batch).items():
                    found.setdefault(output, []).extend(predictions)
        return found

    def _forward(self, samples: Sequence[Sample]) -> dict[str, list[Prediction]]:
        src, bgr = (_stack([getattr(s, layer) for s in samples], self._device) for layer in ("src", "bgr"))
        height, width = src.shape[-2:]
        frame = pad_to_multiple(torch.cat([src, bgr], dim=1), 4)
        whole = (frame.shape[-2], frame.shape[-1])
        with torch.no_grad():
            fine = self._refine(src, bgr)
            small = resize(frame, (fine.pha_sm.shape[-2], fine.pha_sm.shape[-1]))
            results = {
                "refine": (fine.pha, fine.fgr),
                "refine_coarse": _enlarge(fine.pha_sm, fine.fgr_sm, small[:, :3], frame[:, :3], whole),
            }
            if self._base is not None:
                alone = self._base(small[:, :3].contiguous(), small[:, 3:].contiguous())
                results["base"] = _enlarge(alone.pha, alone.fgr, small[:, :3], frame[:, :3], whole)
        return {
            output: [
                Prediction(alpha[0, :height, :width].numpy(), colour[:, :height, :width].numpy())
                for alpha, colour in zip(pha.cpu(), fgr.cpu(), strict=True)
            ]
            for output, (pha, fgr) in results.items()
        }


@lru_cache(maxsize=4)
def load_networks(base: Path | None, refine: Path, device: str, batch: int = 1) -> Networks:
    """Networks from files, ready to predict; the last few are kept for the next task of this process.

    Raises FileNotFoundError or ValueError naming the file.
    """
    return Networks(None if base is None else load_base(base), load_refine(refine), device, batch)


def _batches(samples: Sequence[Sample], most: int) -> list[list[Sample]]:
    """Runs of neighbours of one size."""
    runs: list[list[Sample]] = []
    for sample in samples:
        if runs and len(runs[-1]) < most and runs[-1][0].src.shape == sample.src.shape:
            runs[-1].append(sample)
        else:
            runs.append([sample])
    return runs


def _enlarge(pha: Tensor, fgr: Tensor, small: Tensor, src: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    # The residual is enlarged rather than the colour: the source's own detail stays.
    return resize(pha, size), (resize(fgr - small, size) + src).clamp(0, 1)


def _stack(images: Sequence[NDArray[np.uint8]], device: str) -> Tensor:
    batch = torch.from_numpy(np.stack(images)).to(device)
    return batch.permute(0, 3, 1, 2).float().div_(255)
