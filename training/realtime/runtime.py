"""The refine network on a CPU, a frame of bytes at a time, in a fraction of the eager network's time.

The result is the network's within rounding. What is done otherwise:

- What hangs on the captured background alone is computed once.
- The decoder's last step convolves the small map, not the enlarged one (:mod:`training.realtime.laststep`), and its
  hidden features, six sevenths of its products, are computed only where a chosen patch looks.
- Neighbouring patches are solved as one block: of the products of a lone patch nine tenths are margin.
- Enlarging, adding the source, clamping and rounding to bytes are one compiled pass over the frame.
- Convolutions apply their activation while they write (:mod:`training.realtime.fused`).
- Convolutions in bfloat16, where the processor multiplies it, and on request the largest in bytes
  (:mod:`training.realtime.quantized`).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.network import RefineNetwork
from training.network.decoder import HIDDEN, SEEN
from training.network.difference import show
from training.network.inference import for_inference
from training.network.matting import LEAST_SIDE
from training.network.resize import pad_to_least, resize
from training.realtime import kernels, tables
from training.realtime.decoding import FloatDecoder, FloatTiles
from training.realtime.fused import FusedConv, fuse
from training.realtime.laststep import LastStep
from training.realtime.precision import Precision, best_precision, encoder_in, type_of
from training.realtime.quantized import ByteASPP, ByteDecoder, ByteLastStep, ByteTiles

Bytes = NDArray[np.uint8]
Float = NDArray[np.float32]

TILE = 8
"""Pixels a side of the squares in which hidden features are computed."""

AT_ONCE = 1024
"""Blocks that are solved in one go: bounds the memory of mode ``full``."""


class Coarse(NamedTuple):
    """What the base gives of a frame."""

    solved: Float
    """(4, h, w): alpha in [0, 1] and foreground residual."""
    err: Tensor
    """(1, 1, h, w) in [0, 1]."""
    maps: Float
    """(h / 2, w / 2, C): what the decoder's last step enlarges."""
    shown: Float
    """(h, w, 6 or more): what the encoder saw."""


class Result(NamedTuple):
    """What a frame is made of. The arrays are the runtime's own: its next frame overwrites them."""

    alpha: Bytes
    """(H, W) uint8."""
    foreground: Bytes
    """(H, W, 3) RGB uint8, not multiplied by alpha."""
    refined: NDArray[np.bool_]
    """(H / 4, W / 4), rounded up: the cells of 4 x 4 pixels that were solved again."""


class Runtime:
    """Mattes frames of one size against one captured background, one frame after another.

    It owns its buffers: use one in each thread.
    """

    def __init__(
        self, network: RefineNetwork, height: int, width: int, precision: Precision | None = None, threads: int = 1
    ) -> None:
        """Copy a network's weights.

        Args:
            network: of any backbone, mode and scale; it is left as it is.
            height, width: of the frames.
            precision: None for what suits this processor, see :func:`best_precision`.
            threads: for the passes over the frame; the convolutions take ``torch.set_num_threads``.
        """
        if height < 1 or width < 1:
            raise ValueError(f"frames of {width}x{height} hold no pixel; give the camera's size")
        self.height, self.width = height, width
        self.precision = precision or best_precision()
        self.dtype = type_of(self.precision)
        self.threads = threads
        self._pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None
        self._plate: Bytes | None = None
        self._take_weights(network)
        self._take_sizes(*network._coarse_size(height + -height % 4, width + -width % 4))

    def _take_weights(self, network: RefineNetwork) -> None:
        made = for_inference(network)
        self.difference = network.difference
        encoder_in(made.backbone, network.backbone_name, self.precision)
        fuse(made.backbone)
        fuse(made.aspp)
        self.backbone = made.backbone
        self.refiner = made.refiner.to(self.dtype)
        self.solving = [
            FusedConv(conv, nn.ReLU()) for conv in (made.refiner.conv1, made.refiner.conv2, made.refiner.conv3)
        ]
        decoder = made.decoder
        convs = [decoder.conv1, decoder.conv2, decoder.conv3]
        weight, bias = decoder.conv4.weight.float(), decoder.conv4.bias
        assert bias is not None
        seen = weight[:SEEN], bias[:SEEN], self.dtype, weight.shape[1] - decoder.conv3.out_channels
        hidden = weight[SEEN:], bias[SEEN:]
        self.aspp: nn.Module | ByteASPP
        self.hidden: FloatTiles | ByteTiles
        self.decoder: FloatDecoder | ByteDecoder
        if self.precision == "int8":
            self.aspp = ByteASPP(made.aspp, self.dtype)
            self.decoder = ByteDecoder(convs, ByteLastStep(*seen), self._spread)
            self.hidden = ByteTiles(*hidden, self._spread)
        else:
            self.aspp = made.aspp.to(self.dtype)
            self.decoder = FloatDecoder(convs, LastStep(*seen), self.dtype)
            self.hidden = FloatTiles(*hidden, self.dtype, self._spread)
        self.encode = _array(torch.arange(256).float().div(255).to(self.dtype))

    def _take_sizes(self, h: int, w: int) -> None:
        height, width = self.height, self.width
        high, wide = height + -height % 4, width + -width % 4
        self.padded, self.size = (high, wide), (h, w)
        self.to_coarse = (*tables.taps(high, h, height - 1), *tables.taps(wide, w, width - 1))
        self.to_half = tables.taps(h, high // 2), tables.taps(w, wide // 2)
        rows, columns = tables.taps(h, high), tables.taps(w, wide)
        self.to_full = (*rows, *columns, *tables.side_by_side(columns, w, width))
        # As the network pads small maps, see LEAST_SIDE.
        least = max(h, LEAST_SIDE), max(w, LEAST_SIDE)
        self.small = np.zeros((h, w, 6), np.float32)
        self.hid = np.zeros((*least, HIDDEN), np.float32)
        self.alpha = np.zeros((height, width), np.uint8)
        self.fgr = np.zeros((height, width, 3), np.uint8)

    def set_background(self, image: Bytes) -> None:
        """Take the captured background, (H, W, 3) RGB uint8. Raises ValueError for another size or type."""
        self._plate = self._checked(image, "the captured background").copy()
        self._spread(self.size[0], kernels.shrink, self._plate, self.small, 3, *self.to_coarse)

    def __call__(self, frame: Bytes) -> Result:
        """Matte a frame, (H, W, 3) RGB uint8. Raises ValueError for another size or type, or without background."""
        return self.refine(frame, self.base(frame))

    @torch.inference_mode()
    def base(self, frame: Bytes) -> Coarse:
        """The first half of a call: the coarse result."""
        frame = self._checked(frame, "the frame")
        if self._plate is None:
            raise ValueError("no background yet; call set_background with a picture of the empty scene first")
        h, w = self.size
        self._spread(h, kernels.shrink, frame, self.small, 0, *self.to_coarse)
        shown = show(torch.from_numpy(self.small).permute(2, 0, 1)[None], self.difference)
        shown = pad_to_least(shown, LEAST_SIDE).contiguous(memory_format=torch.channels_last)
        features = self.backbone(shown)
        context = self.aspp(features.stride16.to(self.dtype))
        shortcuts = [features.stride8, features.stride4, features.stride2]
        found, maps = self.decoder(context, shortcuts, shown.to(self.dtype))
        raw = found[0, :, :h, :w].float()
        # Alpha is clamped before it is enlarged, as in the network.
        solved = torch.cat([raw[:1].clamp_(0, 1), raw[1:4]])
        return Coarse(
            solved=solved.contiguous().numpy(),
            err=raw[None, 4:].clamp(0, 1),
            maps=maps,
            shown=shown[0].permute(1, 2, 0).contiguous().numpy(),
        )

    @torch.inference_mode()
    def refine(self, frame: Bytes, coarse: Coarse) -> Result:
        """The second half: the result at full size, the most uncertain patches solved again."""
        self._spread(self.height, kernels.enlarge, coarse.solved, frame, self.alpha, self.fgr, *self.to_full)
        chosen = self._choose(coarse.err)
        if chosen.any():
            corners, side = tables.blocks(chosen)
            self._hide(coarse, corners * 2 - self.refiner.half_margin, 2 * (side + self.refiner.half_margin))
            table = np.ascontiguousarray(coarse.solved.transpose(1, 2, 0))
            for first in range(0, len(corners), AT_ONCE):
                self._solve(frame, table, corners[first : first + AT_ONCE], side, chosen)
        return Result(self.alpha, self.fgr, chosen)

    def _choose(self, err: Tensor) -> NDArray[np.bool_]:
        grid = (self.padded[0] // 4, self.padded[1] // 4)
        if self.refiner.mode == "full":
            return np.ones(grid, bool)
        flat = resize(err, grid).flatten()
        if self.refiner.mode == "thresholding":
            return np.asarray((flat > self.refiner.threshold).view(grid).numpy())
        values, index = flat.topk(min(self.refiner.sample_pixels // 16, len(flat)), sorted=False)
        chosen = np.zeros(len(flat), bool)
        chosen[index.numpy()] = (values > 0).numpy()
        return chosen.reshape(grid)

    def _hide(self, coarse: Coarse, corners: tables.Int, reach: int) -> None:
        """Fill in the hidden features that crops of ``reach`` pixels of half size look at."""
        height, width = coarse.shown.shape[:2]
        tiles = tables.covering(corners, reach, *self.to_half, (height, width), TILE)
        maps = coarse.maps
        enlarging = *tables.taps(maps.shape[0], height), *tables.taps(maps.shape[1], width)
        hid = self.hidden(maps, coarse.shown, enlarging, tiles - 1, TILE + 2)
        found = hid.permute(0, 2, 3, 1).float().contiguous().numpy()
        self._spread(len(tiles), kernels.put_tiles, found, tiles, self.hid)

    def _solve(self, frame: Bytes, table: Float, corners: tables.Int, side: int, chosen: NDArray[np.bool_]) -> None:
        """Solve blocks of cells and write those that were chosen."""
        assert self._plate is not None
        refiner, count = self.refiner, len(corners)
        edge = 2 * (side + refiner.half_margin)
        crops = torch.empty(count, edge, edge, refiner.conv1.in_channels)
        self._spread(
            count, kernels.half_crops, frame, self._plate, self.hid, table, *self.padded, corners * 2,
            refiner.half_margin, *self.to_half[0], *self.to_half[1], crops.numpy(),
        )  # fmt: skip
        first, second, third = self.solving
        x = second(first(crops.to(self.dtype).permute(0, 3, 1, 2))).permute(0, 2, 3, 1).contiguous()
        edge = 4 * side + 2 * refiner.full_margin
        fine = torch.empty(count, edge, edge, refiner.conv3.in_channels, dtype=self.dtype)
        self._spread(
            count, kernels.full_crops, frame, self._plate, *self.padded, corners * 4, refiner.full_margin,
            _array(x), self.encode, _array(fine),
        )  # fmt: skip
        y = refiner.conv4(third(fine.permute(0, 3, 1, 2)))
        solved = y.permute(0, 2, 3, 1).float().contiguous().numpy()
        self._spread(count, kernels.put_cells, solved, corners * 4, chosen, frame, self.alpha, self.fgr)

    def _spread(self, count: int, kernel: Callable[..., None], *arguments: Any) -> None:
        """Run a pass over ``count`` rows or patches, shared among the threads."""
        if self._pool is None or count < 2 * self.threads:
            kernel(*arguments, 0, count)
            return
        edges = [count * n // self.threads for n in range(self.threads + 1)]
        waiting = [self._pool.submit(kernel, *arguments, *edges[n : n + 2]) for n in range(1, self.threads)]
        kernel(*arguments, *edges[:2])
        for one in waiting:
            one.result()

    def _checked(self, image: Bytes, what: str) -> Bytes:
        if image.shape != (self.height, self.width, 3) or image.dtype != np.uint8:
            raise ValueError(
                f"{what} is {image.dtype} of {image.shape}, expected uint8 of ({self.height}, {self.width}, 3): "
                "resize it, or make a Runtime of its size"
            )
        return np.ascontiguousarray(image)


def _array(x: Tensor) -> NDArray[Any]:
    """The memory of a tensor as NumPy knows it: bfloat16 as the 16 bits it is."""
    return np.asarray((x.view(torch.int16) if x.dtype == torch.bfloat16 else x).numpy())
