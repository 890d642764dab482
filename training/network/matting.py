"""The two networks: base alone, and base with refiner."""

from fractions import Fraction
from typing import Any, NamedTuple, Self, TypeVar

import torch
from torch import Tensor, nn

from training.network.aspp import ASPP
from training.network.clamp import clamp01
from training.network.decoder import Decoder
from training.network.difference import CHANNELS, show
from training.network.difference import Kind as Difference
from training.network.encoder import Backbone, build_encoder
from training.network.initial import initialise
from training.network.refiner import RefineMode, Refiner
from training.network.resize import pad_to_least, pad_to_multiple, resize

LEAST_SIDE = 16
"""Pixels a side that the encoder gets at least. With fewer, features are one pixel wide before a strided 3x3
convolution, and oneDNN's bfloat16 weight gradient for that shape is uninitialised memory (torch 2.14.1)."""


class BaseOutput(NamedTuple):
    """What the base network gives, at the size of its input."""

    pha: Tensor
    """(B, 1, H, W) alpha in [0, 1]."""
    fgr: Tensor
    """(B, 3, H, W) foreground in [0, 1]."""
    err: Tensor
    """(B, 1, H, W) expected error of alpha in [0, 1]."""
    hid: Tensor
    """(B, 32, H, W) hidden features, not negative; (B, 0, H, W) where they were not asked for."""


class RefineOutput(NamedTuple):
    """What the refine network gives; coarse maps (``_sm``) cover the frame padded to multiples of 4."""

    pha: Tensor
    """(B, 1, H, W) alpha in [0, 1]."""
    fgr: Tensor
    """(B, 3, H, W) foreground in [0, 1]."""
    pha_sm: Tensor
    """(B, 1, h, w) coarse alpha in [0, 1], at ``backbone_scale``."""
    fgr_sm: Tensor
    """(B, 3, h, w) coarse foreground in [0, 1]."""
    err_sm: Tensor
    """(B, 1, h, w) expected error of the coarse alpha in [0, 1]."""
    ref_sm: Tensor
    """(B, 1, H / 4, W / 4), rounded up: 1 where a patch was solved again, 0 elsewhere."""


class _Coarse(NamedTuple):
    pha: Tensor
    residual: Tensor
    err: Tensor
    hid: Tensor


class BaseNetwork(nn.Module):
    """Encoder, ASPP and decoder: alpha, foreground, error and hidden features at the size of the input.

    Source: Lin et al. 2021, section 4.1. Any size of input works.
    """

    def __init__(self, backbone: Backbone, difference: Difference = "none") -> None:
        super().__init__()
        if difference not in CHANNELS:
            raise ValueError(f"difference: {difference!r} is none of {', '.join(CHANNELS)}")
        encoder = build_encoder(backbone, CHANNELS[difference])
        stride1, stride2, stride4, stride8, stride16 = encoder.widths
        self.backbone_name = backbone
        self.difference = difference
        self.frozen: frozenset[str] = frozenset()
        self.backbone = encoder
        self.aspp = ASPP(stride16)
        self.decoder = Decoder((stride8, stride4, stride2, stride1))

    @property
    def parts(self) -> list[str]:
        """What has rates of its own and can be frozen: ``backbone``, ``aspp``, ``decoder``, and ``refiner`` of some."""
        return [name for name, _ in self.named_children()]

    def freeze(self, *parts: str) -> None:
        """Let training leave parts alone: no gradients, no dropout, and batch norm keeps to its running statistics."""
        self.frozen = frozenset(parts)
        for part in self.frozen:
            self.get_submodule(part).requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Set the training mode; frozen parts stay in evaluation."""
        super().train(mode)
        for part in self.frozen:
            self.get_submodule(part).eval()
        return self

    def forward(self, src: Tensor, bgr: Tensor, hidden: bool = True) -> BaseOutput:
        """Matte ``src`` (B, 3, H, W) against the captured background ``bgr``, both RGB in [0, 1].

        ``hidden=False`` leaves out the hidden features, which only a refiner uses: a quarter of the work.

        Raises:
            ValueError: the two differ in shape, or are not (B, 3, H, W).
        """
        _check(src, bgr)
        coarse = self._coarse(torch.cat([src, bgr], dim=1), hidden)
        fgr = clamp01(coarse.residual + src, self.training)
        return BaseOutput(coarse.pha, fgr, coarse.err, coarse.hid)

    def _coarse(self, frame: Tensor, hidden: bool = True) -> _Coarse:
        """Coarse result of ``frame`` (B, 6, H, W); the residual is not clamped."""
        height, width = frame.shape[-2:]
        frame = show(frame, self.difference)
        features = self.backbone(pad_to_least(frame, LEAST_SIDE))
        raw = self.decoder(self.aspp(features.stride16), features, hidden)[:, :, :height, :width]
        # bfloat16 knows 128 values between 0.5 and 1: what is measured against truth leaves it here.
        pha, residual, err = raw[:, :5].float().split([1, 3, 1], dim=1)
        return _Coarse(clamp01(pha, self.training), residual, clamp01(err, self.training), raw[:, 5:].relu())


class RefineNetwork(BaseNetwork):
    """The base network on a smaller copy of the input, then the refiner at full size.

    Source: Lin et al. 2021, sections 4.1 and 4.2. Sides that are not multiples of 4 are padded with their last row
    or column, and the outputs cropped back.
    """

    def __init__(
        self,
        backbone: Backbone,
        backbone_scale: float = 0.25,
        refine_mode: RefineMode = "sampling",
        refine_sample_pixels: int = 80_000,
        refine_threshold: float = 0.1,
        refine_kernel_size: int = 3,
        difference: Difference = "none",
    ) -> None:
        super().__init__(backbone, difference)
        if not 0.01 <= backbone_scale <= 1:
            raise ValueError(
                f"backbone_scale: {backbone_scale} is not in [0.01, 1]; usual are 0.25 (HD) and 0.125 (4K)"
            )
        self.backbone_scale = backbone_scale
        # Integer arithmetic, so that an exported graph follows the size of its input.
        self._ratio = Fraction(backbone_scale).limit_denominator(1000)
        self.refiner = Refiner(refine_mode, refine_sample_pixels, refine_threshold, refine_kernel_size)

    def forward(self, src: Tensor, bgr: Tensor) -> RefineOutput:  # type: ignore[override]  # it gives more
        """Matte ``src`` (B, 3, H, W) against the captured background ``bgr``, both RGB in [0, 1].

        Raises:
            ValueError: the two differ in shape, or are not (B, 3, H, W).
        """
        _check(src, bgr)
        height, width = src.shape[-2:]
        frames = [pad_to_multiple(image, 4) for image in (src, bgr)]
        size = self._coarse_size(frames[0].shape[-2], frames[0].shape[-1])
        # Joined when they are small: at full size that takes a tenth of the whole forward pass.
        small = torch.cat([resize(frame, size) for frame in frames], dim=1)
        coarse = self._coarse(small.contiguous(memory_format=torch.channels_last))
        fine, ref_sm = self.refiner(frames, torch.cat([coarse.pha, coarse.residual], dim=1), coarse.err, coarse.hid)
        fine = fine[:, :, :height, :width]
        return RefineOutput(
            pha=clamp01(fine[:, :1], self.training),
            fgr=clamp01(fine[:, 1:] + src, self.training),
            pha_sm=coarse.pha,
            fgr_sm=clamp01(coarse.residual + small[:, :3], self.training),
            err_sm=coarse.err,
            ref_sm=ref_sm,
        )

    def _coarse_size(self, height: int, width: int) -> tuple[int, int]:
        over, under = self._ratio.numerator, self._ratio.denominator
        return max(1, height * over // under), max(1, width * over // under)


Network = TypeVar("Network", bound=BaseNetwork)


def build_base(backbone: Backbone, difference: Difference = "none") -> BaseNetwork:
    """The base network, initialised with seed 0 (see :func:`training.network.initial.initialise`).

    Args:
        backbone: ``mobilenetv2``, ``resnet50`` or ``resnet101``.
        difference: what it is shown beside source and captured background, see :mod:`training.network.difference`;
            ``none`` is the published network.

    Raises:
        ValueError: no such backbone or difference.
    """
    return _build(BaseNetwork, backbone, difference=difference)


def build_refine(
    backbone: Backbone,
    backbone_scale: float = 0.25,
    refine_mode: RefineMode = "sampling",
    refine_sample_pixels: int = 80_000,
    refine_threshold: float = 0.1,
    refine_kernel_size: int = 3,
    difference: Difference = "none",
) -> RefineNetwork:
    """The refine network, initialised with seed 0.

    Args:
        backbone: ``mobilenetv2``, ``resnet50`` or ``resnet101``.
        backbone_scale: size of the coarse pass against the input, in [0.01, 1].
        refine_mode: ``sampling`` solves the most uncertain patches again, ``thresholding`` those above a threshold,
            ``full`` all of them.
        refine_sample_pixels: sampling: pixels a sample, 16 a patch; more than there are means all.
        refine_threshold: thresholding: smallest error that is refined.
        refine_kernel_size: 3 or 1.
        difference: as in :func:`build_base`.

    Raises:
        ValueError: a value outside these; the message names it.
    """
    return _build(
        RefineNetwork,
        backbone,
        backbone_scale=backbone_scale,
        refine_mode=refine_mode,
        refine_sample_pixels=refine_sample_pixels,
        refine_threshold=refine_threshold,
        refine_kernel_size=refine_kernel_size,
        difference=difference,
    )


def _build(kind: type[Network], backbone: Backbone, **options: Any) -> Network:
    # On the meta device the layers' own initialisation costs nothing and draws nothing from the global generator.
    with torch.device("meta"):
        network = kind(backbone, **options)
    network.to_empty(device="cpu")
    initialise(network, seed=0)
    return network


def _check(src: Tensor, bgr: Tensor) -> None:
    if src.shape != bgr.shape or src.ndim != 4 or src.shape[1] != 3:
        raise ValueError(
            f"src {tuple(src.shape)} and bgr {tuple(bgr.shape)} must both be (B, 3, H, W); "
            "resize or align the captured background to the source first"
        )
