"""The losses of both networks: pure functions that return named terms; the loss is their sum.

Everything is computed in float32 with autocast off: bfloat16 has no value between 0.996 and 1, and 1e-6 vanishes
beside 1 in half precision. Source: Lin et al. 2021, section 4.3; numbers of the published script.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from training.network.matting import BaseOutput, RefineOutput
from training.network.resize import pad_to_multiple, resize

SOBEL_EPSILON = 1e-6
"""Added under the root of the gradient's magnitude: without it the root's gradient at 0 is infinite, and 0 times
infinity is NaN on every flat part of a matte."""


def base_losses(out: BaseOutput, pha: Tensor, fgr: Tensor) -> dict[str, Tensor]:
    """The terms of the base network's loss.

    Args:
        out: what the network gave, (B, ., H, W).
        pha: (B, 1, H, W) true alpha in [0, 1].
        fgr: (B, 3, H, W) true foreground in [0, 1]; counts only where alpha is above 0.

    Returns:
        Scalars, float32: ``pha``, ``grad``, ``fgr`` and ``err``.
    """
    with torch.autocast(pha.device.type, enabled=False):
        pred, true = out.pha.float(), pha.float()
        terms = _matte_terms(pred, out.fgr.float(), true, fgr.float(), "")
        terms["err"] = F.mse_loss(out.err.float(), error_target(pred, true))
        return terms


def refine_losses(out: RefineOutput, pha: Tensor, fgr: Tensor) -> dict[str, Tensor]:
    """The terms of the refine network's loss, at full and at coarse size.

    Args:
        out: what the network gave; coarse maps cover the frame padded to multiples of 4, and so does the truth here.
        pha: (B, 1, H, W) true alpha in [0, 1].
        fgr: (B, 3, H, W) true foreground in [0, 1]; counts only where alpha is above 0.

    Returns:
        Scalars, float32: ``pha``, ``grad``, ``fgr`` at full size, ``pha_sm``, ``grad_sm``, ``fgr_sm`` at coarse
        size, and ``err``.
    """
    with torch.autocast(pha.device.type, enabled=False):
        true_pha, true_fgr = pha.float(), fgr.float()
        padded_pha = pad_to_multiple(true_pha, 4)
        small = (out.pha_sm.shape[-2], out.pha_sm.shape[-1])
        full = (padded_pha.shape[-2], padded_pha.shape[-1])
        terms = _matte_terms(out.pha.float(), out.fgr.float(), true_pha, true_fgr, "")
        small_pha, small_fgr = resize(padded_pha, small), resize(pad_to_multiple(true_fgr, 4), small)
        terms |= _matte_terms(out.pha_sm.float(), out.fgr_sm.float(), small_pha, small_fgr, "_sm")
        err = resize(out.err_sm.float(), full)
        terms["err"] = F.mse_loss(err, error_target(resize(out.pha_sm.float(), full), padded_pha))
        return terms


def error_target(pha: Tensor, true: Tensor) -> Tensor:
    """What the error map should say: ``|pha - true|``, cut off from ``pha``.

    Were it not detached, as in the published refine script, the coarse alpha would be trained to be as wrong as its
    own error map says.
    """
    return (pha - true).abs().detach()


def sobel(x: Tensor) -> Tensor:
    """Magnitude of the Sobel gradient of ``x`` (B, C, H, W): kernels divided by 8, borders repeated."""
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    # Separable sums of slices: a convolution would be cast to half precision wherever autocast is on.
    across = padded[..., 2:] - padded[..., :-2]
    down = padded[..., 2:, :] - padded[..., :-2, :]
    x_gradient = (across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]) / 8
    y_gradient = (down[..., :-2] + 2 * down[..., 1:-1] + down[..., 2:]) / 8
    return torch.sqrt(x_gradient.square() + y_gradient.square() + SOBEL_EPSILON)


def _matte_terms(pha: Tensor, fgr: Tensor, true_pha: Tensor, true_fgr: Tensor, suffix: str) -> dict[str, Tensor]:
    # Averaged over all pixels, masked ones too: the published weight of the foreground against alpha.
    mask = (true_pha > 0).float()
    return {
        f"pha{suffix}": F.l1_loss(pha, true_pha),
        f"grad{suffix}": F.l1_loss(sobel(pha), sobel(true_pha)),
        f"fgr{suffix}": F.l1_loss(fgr * mask, true_fgr * mask),
    }
