"""A trained network in front of pictures: give the background once, then frame after frame."""

from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compositing.composite import composite_in
from compositing.light import bytes_to_linear, to_bytes, to_display
from training.network import RefineNetwork
from training.network.inference import for_inference
from training.network.weights import PUBLISHED_SPACE, load_refine, load_space

Bytes = NDArray[np.uint8]


class Matte(NamedTuple):
    """What a frame is made of."""

    alpha: Bytes
    """(H, W) uint8."""
    foreground: Bytes
    """(H, W, 3) RGB uint8, not multiplied by alpha."""


class MattingPredictor:
    """Runs a refine network on images of any size."""

    def __init__(self, network: RefineNetwork, device: str = "cpu", space: str = PUBLISHED_SPACE) -> None:
        """``space``: what alpha mixed in training, ``linear`` light or ``display`` values."""
        self.space = space
        self.network = for_inference(network).to(device)
        self.device = device
        self._background: Tensor | None = None

    @classmethod
    def from_pretrained(cls, path: str | Path, device: str = "cpu") -> Self:
        """Load weights that ``train_refine`` wrote. Raises FileNotFoundError or ValueError naming the file."""
        return cls(load_refine(Path(path)), device, load_space(Path(path)))

    def set_background(self, image: Bytes) -> None:
        """Take the captured background, (H, W, 3) RGB uint8, of the frames' size."""
        self._background = self._tensor(image)

    @torch.inference_mode()
    def predict(self, frame: Bytes) -> Matte:
        """Matte a frame, (H, W, 3) RGB uint8.

        Raises ValueError where no background was set, or one of another size.
        """
        if self._background is None:
            raise ValueError("no background yet; call set_background with a picture of the empty scene first")
        src = self._tensor(frame)
        if src.shape != self._background.shape:
            (height, width), (rows, columns) = src.shape[-2:], self._background.shape[-2:]
            raise ValueError(f"the frame is {width}x{height}, the background {columns}x{rows}; resize the background")
        found = self.network(src, self._background)
        alpha, foreground = (_bytes(layer[0]) for layer in (found.pha, found.fgr))
        return Matte(alpha[..., 0], foreground)

    def composite(self, matte: Matte, backdrop: Bytes) -> Bytes:
        """Lay a matte over another background, (H, W, 3) RGB uint8, as alpha was meant: in the space of training.

        Raises ValueError where the sizes differ.
        """
        if backdrop.shape != matte.foreground.shape:
            (height, width), (rows, columns) = matte.alpha.shape, backdrop.shape[:2]
            raise ValueError(f"the matte is {width}x{height}, the backdrop {columns}x{rows}; resize the backdrop")
        fgr, bgr = bytes_to_linear(matte.foreground), bytes_to_linear(backdrop)
        alpha = matte.alpha.astype(np.float32) / np.float32(255)
        return to_bytes(to_display(composite_in(self.space, fgr, alpha, bgr)))

    def _tensor(self, image: Bytes) -> Tensor:
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"expected an RGB image (H, W, 3) of uint8, got {image.shape} of {image.dtype}")
        pixels = torch.from_numpy(np.ascontiguousarray(image)).to(self.device)
        return pixels.permute(2, 0, 1)[None].float().div_(255)


def _bytes(layer: Tensor) -> Bytes:
    return np.asarray(layer.mul(255).round().byte().permute(1, 2, 0).cpu().numpy(), dtype=np.uint8)
