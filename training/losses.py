"""The losses of both networks: pure functions that return named, weighted terms; the loss is their sum.

Everything is computed in float32 with autocast off: bfloat16 has no value between 0.996 and 1, and 1e-6 vanishes
beside 1 in half precision. Source: Lin et al. 2021, section 4.3, and the published script, whose loss
:data:`PUBLISHED` is; the Laplacian pyramid is Hou and Liu 2019, section 3.3, in Forte and Pitie's five levels (2020).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from training.config import LossParams
from training.network.matting import BaseOutput, RefineOutput
from training.network.resize import pad_to_multiple, resize

SOBEL_EPSILON = 1e-6
"""Added under the root of the gradient's magnitude: without it the root's gradient at 0 is infinite, and 0 times
infinity is NaN on every flat part of a matte."""


PUBLISHED = LossParams(pha=1.0, grad=1.0, fgr=1.0, err=1.0, lap=0.0, soft=0.0)
"""The published weights."""

LAPLACIAN_LEVELS = 5
"""Levels of the pyramid at most; a matte that is smaller than 16 pixels a side has fewer."""


def base_losses(
    out: BaseOutput,
    pha: Tensor,
    fgr: Tensor,
    params: LossParams = PUBLISHED,
    weight: Tensor | None = None,
    fgr_weight: Tensor | None = None,
) -> dict[str, Tensor]:
    """The terms of the base network's loss.

    Args:
        out: what the network gave, (B, ., H, W).
        pha: (B, 1, H, W) true alpha in [0, 1].
        fgr: (B, 3, H, W) true foreground in [0, 1]; counts only where alpha is above 0.
        params: the weight of each term; those of weight 0 are not computed and not returned.
        weight: (B,) what each sample counts, not negative; None: 1 each. A batch's terms are the samples' terms times
            these, over the number of samples: half weights give half the loss.
        fgr_weight: (B,) the same for the foreground's terms, 0 where it is not known; None: as ``weight``.

    Returns:
        Scalars, float32, weighted: ``pha``, ``grad``, ``fgr``, ``err`` and ``lap``.
    """
    with torch.autocast(pha.device.type, enabled=False):
        pred, true = out.pha.float(), pha.float()
        weights = _Weights(weight, weight if fgr_weight is None else fgr_weight)
        terms = _matte_terms(pred, out.fgr.float(), true, fgr.float(), params, weights, "")
        if params.err:
            off = (out.err.float() - error_target(pred, true)).square()
            terms["err"] = params.err * _mean(off, weight)
        return terms


def refine_losses(
    out: RefineOutput,
    pha: Tensor,
    fgr: Tensor,
    params: LossParams = PUBLISHED,
    weight: Tensor | None = None,
    fgr_weight: Tensor | None = None,
) -> dict[str, Tensor]:
    """The terms of the refine network's loss, at full and at coarse size.

    Args:
        out: what the network gave; coarse maps cover the frame padded to multiples of 4, and so does the truth here.
        pha: (B, 1, H, W) true alpha in [0, 1].
        fgr: (B, 3, H, W) true foreground in [0, 1]; counts only where alpha is above 0.
        params: the weight of each term, at both sizes alike.
        weight: (B,) what each sample counts, as in :func:`base_losses`.
        fgr_weight: (B,) the same for the foreground's terms, 0 where it is not known; None: as ``weight``.

    Returns:
        Scalars, float32, weighted: ``pha``, ``grad``, ``fgr``, ``lap`` at full size, ``pha_sm``, ``grad_sm``,
        ``fgr_sm``, ``lap_sm`` at coarse size, and ``err``.
    """
    with torch.autocast(pha.device.type, enabled=False):
        true_pha, true_fgr = pha.float(), fgr.float()
        padded_pha = pad_to_multiple(true_pha, 4)
        small = (out.pha_sm.shape[-2], out.pha_sm.shape[-1])
        full = (padded_pha.shape[-2], padded_pha.shape[-1])
        weights = _Weights(weight, weight if fgr_weight is None else fgr_weight)
        terms = _matte_terms(out.pha.float(), out.fgr.float(), true_pha, true_fgr, params, weights, "")
        small_pha, small_fgr = resize(padded_pha, small), resize(pad_to_multiple(true_fgr, 4), small)
        terms |= _matte_terms(out.pha_sm.float(), out.fgr_sm.float(), small_pha, small_fgr, params, weights, "_sm")
        if params.err:
            target = error_target(resize(out.pha_sm.float(), full), padded_pha)
            terms["err"] = params.err * _mean((resize(out.err_sm.float(), full) - target).square(), weight)
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


def laplacian(pred: Tensor, true: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean absolute difference of two mattes' Laplacian pyramids, level ``k`` counted ``2 ** k`` times.

    A level's coefficients are few where they are coarse: the factor makes up for half of that. ``pred``, ``true``:
    (B, 1, H, W); ``weight``: (B,) or None.
    """
    # The pyramid is linear: that of the difference is the difference of the two.
    rest = pred - true
    total: Tensor = rest.new_zeros(())
    for level in range(LAPLACIAN_LEVELS):
        size = (rest.shape[-2], rest.shape[-1])
        if level == LAPLACIAN_LEVELS - 1 or min(size) < 2:
            return total + float(1 << level) * _mean(rest.abs(), weight)
        smaller = halve(rest)
        total = total + float(1 << level) * _mean((rest - resize(smaller, size)).abs(), weight)
        rest = smaller
    return total


def halve(x: Tensor) -> Tensor:
    """Blur (B, 1, H, W) by the binomial 1 4 6 4 1 and take every second pixel."""
    # Slices, as in :func:`sobel`: a convolution on one channel is slower here too.
    padded = F.pad(x, (2, 2, 2, 2), mode="replicate")
    height, width = x.shape[-2:]
    columns = [padded[..., k : k + width : 2] for k in range(5)]
    across = (columns[0] + columns[4] + 4 * (columns[1] + columns[3]) + 6 * columns[2]) / 16
    rows = [across[..., k : k + height : 2, :] for k in range(5)]
    return (rows[0] + rows[4] + 4 * (rows[1] + rows[3]) + 6 * rows[2]) / 16


class _Weights(NamedTuple):
    all: Tensor | None
    fgr: Tensor | None


def _matte_terms(
    pha: Tensor,
    fgr: Tensor,
    true_pha: Tensor,
    true_fgr: Tensor,
    params: LossParams,
    weights: _Weights,
    suffix: str,
) -> dict[str, Tensor]:
    terms: dict[str, Tensor] = {}
    if params.pha:
        off = (pha - true_pha).abs()
        if params.soft:
            off = off * (1 + params.soft * ((true_pha > 0) & (true_pha < 1)))
        terms["pha"] = params.pha * _mean(off, weights.all)
    if params.grad:
        terms["grad"] = params.grad * _mean((sobel(pha) - sobel(true_pha)).abs(), weights.all)
    if params.fgr:
        # Averaged over all pixels, masked ones too: the published weight of the foreground against alpha.
        mask = (true_pha > 0).float()
        terms["fgr"] = params.fgr * _mean((fgr * mask - true_fgr * mask).abs(), weights.fgr)
    if params.lap:
        terms["lap"] = params.lap * laplacian(pha, true_pha, weights.all)
    return {f"{name}{suffix}": value for name, value in terms.items()}


def _mean(x: Tensor, weight: Tensor | None) -> Tensor:
    if weight is None:
        return x.mean()
    return (x.mean(dim=(1, 2, 3)) * weight.to(x)).mean()
