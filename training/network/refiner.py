"""The refiner: solves alpha and foreground again at full size, only where the coarse error is large."""

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.jit._trace import is_tracing
from torch.nn import functional as F

from training.network import patches
from training.network.decoder import HIDDEN
from training.network.norm import BatchNorm, relu
from training.network.resize import resize

RefineMode = Literal["sampling", "thresholding", "full"]


class Refiner(nn.Module):
    """Two convolutions at half size, two at full size, on patches of 4 x 4 pixels with the margin they need.

    Source: Lin et al. 2021, section 4.2. No padding inside the convolutions; outside the frame everything is 0.
    """

    def __init__(
        self, mode: RefineMode, sample_pixels: int = 80_000, threshold: float = 0.1, kernel_size: int = 3
    ) -> None:
        super().__init__()
        if mode not in get_args(RefineMode):
            raise ValueError(f"refine_mode: {mode!r} is none of {', '.join(get_args(RefineMode))}")
        if kernel_size not in (1, 3):
            raise ValueError(f"refine_kernel_size: {kernel_size} is neither 1 nor 3")
        if sample_pixels < 16:
            raise ValueError(f"refine_sample_pixels: {sample_pixels} is less than the 16 pixels of one patch")
        self.mode = mode
        self.sample_pixels = sample_pixels
        self.threshold = threshold
        self.kernel_size = kernel_size
        # Each 3x3 convolution eats one pixel a side: two at half size after a margin of 3 leave 4 x 4, doubled to
        # 8 x 8, of which two at full size leave the 4 x 4 that are written back.
        self.half_margin = 3 if kernel_size == 3 else 0
        self.full_margin = 2 if kernel_size == 3 else 0
        self.conv1 = nn.Conv2d(HIDDEN + 4 + 6, 24, kernel_size, bias=False)
        self.bn1 = BatchNorm(24)
        self.conv2 = nn.Conv2d(24, 16, kernel_size, bias=False)
        self.bn2 = BatchNorm(16)
        self.conv3 = nn.Conv2d(16 + 6, 12, kernel_size, bias=False)
        self.bn3 = BatchNorm(12)
        self.conv4 = nn.Conv2d(12, 4, kernel_size)

    def forward(self, frames: Sequence[Tensor], coarse: Tensor, err: Tensor, hid: Tensor) -> tuple[Tensor, Tensor]:
        """Refine a coarse result.

        Args:
            frames: source and captured background, (B, 3, H, W) each; H and W multiples of 4.
            coarse: (B, 4, h, w) coarse alpha and foreground residual.
            err: (B, 1, h, w) coarse error.
            hid: (B, 32, h, w) hidden features.

        Returns:
            Alpha and foreground residual (B, 4, H, W), not clamped, and the refinement map (B, 1, H / 4, W / 4):
            1 where a patch was solved again.
        """
        height, width = frames[0].shape[-2:]
        half = (height // 2, width // 2)
        quarter = (height // 4, width // 4)
        err_qt = resize(err.detach(), quarter)
        up = resize(coarse, (height, width))
        if self.mode == "full":
            frame = torch.cat(list(frames), dim=1)
            details = (resize(hid, half), resize(coarse, half), resize(frame, half))
            return self._everywhere(frame, details), torch.ones_like(err_qt)
        chosen = self._choose(err_qt)
        ref = patches.marked(chosen, err_qt)
        if self._may_skip():
            chosen = patches.drop_unkept(chosen)
            if not chosen.cells.numel():
                return up, ref
            if not torch.is_grad_enabled():
                return self._quickly(up.contiguous(), frames, coarse, hid, chosen), ref
        cells = chosen.cells
        frame = torch.cat(list(frames), dim=1)
        details = (resize(hid, half), resize(coarse, half), resize(frame, half))
        x = torch.cat([patches.cut(detail, cells, quarter, 2, self.half_margin).float() for detail in details], dim=1)
        y = patches.cut(frame, cells, quarter, 4, self.full_margin)
        return patches.paste(up, self._solve(x, y), chosen), ref

    def _quickly(
        self, up: Tensor, frames: Sequence[Tensor], coarse: Tensor, hid: Tensor, chosen: patches.Chosen
    ) -> Tensor:
        """The same for prediction, where no gradient is asked for: only what the chosen patches show is enlarged."""
        cells = chosen.cells
        height, width = up.shape[-2:]
        half, quarter = (height // 2, width // 2), (height // 4, width // 4)
        details = (hid.float(), coarse)
        small = [resize(frame, half) for frame in frames]
        if self.half_margin and (coarse.shape[-2], coarse.shape[-1]) == quarter:
            x = patches.take_doubled(details, cells, quarter, more=sum(frame.shape[1] for frame in frames))
            x[..., HIDDEN + 4 :] = patches.take(small, cells, quarter, 2, self.half_margin)
        else:
            enlarged = [resize(detail, half) for detail in details]
            x = patches.take([*enlarged, *small], cells, quarter, 2, self.half_margin)
        y = patches.take(frames, cells, quarter, 4, self.full_margin)
        solved = self._solve(x.permute(0, 3, 1, 2), y.permute(0, 3, 1, 2))
        return patches.put(up, solved, chosen)

    def _choose(self, err_qt: Tensor) -> patches.Chosen:
        if self.mode == "sampling":
            return patches.most_uncertain(err_qt, self.sample_pixels // 16)
        return patches.above(err_qt, self.threshold)

    def _may_skip(self) -> bool:
        """Whether the patches that are not written back may be left out.

        In training they stay: each rank then solves as many as the others, and every parameter has a gradient.
        Compiled and exported graphs keep them for a shape that does not depend on the data.
        """
        return not (self.training or torch.compiler.is_compiling() or is_tracing())  # type: ignore[no-untyped-call]

    def _solve(self, x: Tensor, y: Tensor) -> Tensor:
        """Half-size and full-size crops with margins -> alpha and residual, (N, 4, size, size), float32."""
        x = relu(self.bn1(self.conv1(x)))
        x = relu(self.bn2(self.conv2(x)))
        x = F.interpolate(x, size=(y.shape[-2], y.shape[-1]), mode="nearest")
        x = relu(self.bn3(self.conv3(torch.cat([x, y.to(x.dtype)], dim=1))))
        out: Tensor = self.conv4(x)
        return out.float()

    def _everywhere(self, frame: Tensor, details: tuple[Tensor, ...]) -> Tensor:
        """Every patch at once: the same convolutions over the whole frame."""
        x = torch.cat([patches.pad_frame(detail.float(), self.half_margin) for detail in details], dim=1)
        return self._solve(x, patches.pad_frame(frame, self.full_margin))
