"""The refine network on a GPU, a frame of bytes at a time, without waiting for it in between.

Written for CUDA and not yet measured on it: no machine of the project has had one. On the CPU, where the tests run it,
nothing is compiled or captured.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.network import RefineNetwork
from training.network.inference import for_inference

Bytes = NDArray[np.uint8]


class GpuResult(NamedTuple):
    """What a frame is made of, on the device; the next frame overwrites it."""

    alpha: Tensor
    """(H, W) uint8."""
    foreground: Tensor
    """(H, W, 3) RGB uint8, not multiplied by alpha."""


class _FromBytes(nn.Module):
    """Bytes to bytes in one graph: conversions and clamps fuse with what is next to them."""

    def __init__(self, network: RefineNetwork, dtype: torch.dtype) -> None:
        super().__init__()
        self.network = network
        self.dtype = dtype

    def forward(self, frame: Tensor, bgr: Tensor) -> tuple[Tensor, Tensor]:
        src = frame.permute(2, 0, 1)[None].float().div(255)
        with torch.autocast(frame.device.type, self.dtype, enabled=self.dtype != torch.float32):
            found = self.network(src, bgr)
        alpha = found.pha[0, 0].mul(255).round().to(torch.uint8)
        return alpha, found.fgr[0].permute(1, 2, 0).mul(255).round().to(torch.uint8)


class GpuRuntime:
    """Mattes frames of one size against one captured background.

    Half precision by autocast, compiled into CUDA graphs. Compiled, the refiner solves a fixed number of patches, so
    that nothing on the way asks the device for a number: the host hands over the next frame while this one is worked
    on. Mode ``thresholding``, whose patches hang on the picture, is refused.
    """

    def __init__(self, network: RefineNetwork, device: str = "cuda", dtype: torch.dtype = torch.float16) -> None:
        """Copy a network to a device. Raises ValueError for mode ``thresholding``."""
        if network.refiner.mode == "thresholding":
            raise ValueError("refine_mode 'thresholding' waits for the device in every frame; use 'sampling' or 'full'")
        self.device = torch.device(device)
        self.cuda = self.device.type == "cuda"
        module: nn.Module = _FromBytes(for_inference(network), dtype if self.cuda else torch.float32).to(self.device)
        # reduce-overhead captures CUDA graphs; the CPU has none, and compiling there takes a minute for nothing.
        self._run = torch.compile(module, mode="reduce-overhead", fullgraph=True) if self.cuda else module
        self._background: Tensor | None = None
        self._frame: Tensor | None = None
        self._pinned: list[Tensor] = []
        self._left: list[torch.cuda.Event] = []
        self._next = 0

    def set_background(self, image: Bytes) -> None:
        """Take the captured background, (H, W, 3) RGB uint8, of the frames' size."""
        made = torch.from_numpy(np.ascontiguousarray(image)).to(self.device)
        self._background = made.permute(2, 0, 1)[None].float().div(255)
        self._frame = torch.empty_like(made)
        # Two, in turn: one is written while the copy of the other may still be on its way.
        self._pinned = [torch.empty(made.shape, dtype=torch.uint8, pin_memory=self.cuda) for _ in range(2)]
        self._left = [torch.cuda.Event() for _ in self._pinned] if self.cuda else []  # type: ignore[no-untyped-call]

    @torch.inference_mode()
    def __call__(self, frame: Bytes) -> GpuResult:
        """Start on a frame, (H, W, 3) RGB uint8; reading the result waits for it.

        Raises ValueError where no background was set, or one of another size.
        """
        if self._background is None or self._frame is None:
            raise ValueError("no background yet; call set_background with a picture of the empty scene first")
        if frame.shape != tuple(self._frame.shape) or frame.dtype != np.uint8:
            raise ValueError(
                f"the frame is {frame.dtype} of {frame.shape}, expected uint8 of {tuple(self._frame.shape)}, the "
                "background's; resize one of them"
            )
        turn, self._next = self._next, 1 - self._next
        if self.cuda:
            self._left[turn].synchronize()  # the copy of the frame before last: long over
        self._pinned[turn].numpy()[...] = frame
        self._frame.copy_(self._pinned[turn], non_blocking=True)
        if self.cuda:
            self._left[turn].record()
        return GpuResult(*self._run(self._frame, self._background))
