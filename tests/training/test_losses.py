"""The losses: known values, and the traps that made refine training crash."""

import math

import pytest
import torch
from torch import Tensor

from training.losses import base_losses, error_target, refine_losses, sobel
from training.network import BaseOutput, RefineOutput, build_refine


def base_output(pha: Tensor, fgr: Tensor, err: Tensor | None = None) -> BaseOutput:
    return BaseOutput(pha, fgr, torch.zeros_like(pha) if err is None else err, pha.expand(-1, 32, -1, -1))


def test_a_perfect_result_costs_nothing() -> None:
    pha, fgr = torch.rand(2, 1, 16, 20), torch.rand(2, 3, 16, 20)
    terms = base_losses(base_output(pha, fgr), pha, fgr)
    assert set(terms) == {"pha", "grad", "fgr", "err"}
    assert all(value.item() == 0 for value in terms.values())


def test_each_term_measures_its_own() -> None:
    pha = torch.zeros(1, 1, 8, 8)
    pha[..., :4] = 1
    fgr = torch.full((1, 3, 8, 8), 0.5)
    out = base_output(torch.full_like(pha, 0.25), fgr + 0.1, torch.full_like(pha, 0.5))
    terms = base_losses(out, pha, fgr)
    assert terms["pha"].item() == pytest.approx(0.5 * 0.75 + 0.5 * 0.25)
    # Half of the pixels count, and all are averaged over.
    assert terms["fgr"].item() == pytest.approx(0.05, abs=1e-6)
    assert terms["err"].item() == pytest.approx(0.5 * 0.25**2 + 0.5 * 0.25**2)
    # A step of 1 across two columns: each sees 4 / 8 of it.
    assert terms["grad"].item() == pytest.approx((math.sqrt(0.25 + 1e-6) - 1e-3) * 2 / 8, rel=1e-4)


def test_sobel_is_the_slope_of_a_ramp() -> None:
    ramp = torch.arange(12.0).expand(1, 1, 10, 12) * 0.01
    slope = sobel(ramp)
    torch.testing.assert_close(slope[..., 1:-1], torch.full((1, 1, 10, 10), math.sqrt(1e-4 + 1e-6)))
    torch.testing.assert_close(sobel(ramp.transpose(2, 3)), slope.transpose(2, 3))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_flat_mattes_have_finite_gradients(dtype: torch.dtype) -> None:
    pha = torch.zeros(1, 1, 8, 8, dtype=dtype, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        terms = base_losses(base_output(pha, pha.expand(-1, 3, -1, -1)), torch.ones(1, 1, 8, 8), torch.ones(1, 3, 8, 8))
        assert {value.dtype for value in terms.values()} == {torch.float32}
    sum(terms.values()).backward()
    assert pha.grad is not None
    assert torch.isfinite(pha.grad).all()


def test_the_error_target_does_not_train_alpha() -> None:
    pha = torch.full((1, 1, 8, 8), 0.3, requires_grad=True)
    err = torch.zeros(1, 1, 8, 8, requires_grad=True)
    assert not error_target(pha, torch.ones(1, 1, 8, 8)).requires_grad
    fgr = torch.zeros(1, 3, 8, 8)
    base_losses(base_output(pha, fgr, err), torch.ones(1, 1, 8, 8), fgr)["err"].backward()
    assert pha.grad is None
    assert err.grad is not None

    out = RefineOutput(torch.ones(1, 1, 32, 32), torch.ones(1, 3, 32, 32), pha, torch.ones(1, 3, 8, 8), err, err)
    refine_losses(out, torch.ones(1, 1, 32, 32), torch.ones(1, 3, 32, 32))["err"].backward()
    assert pha.grad is None


def test_refine_covers_both_sizes_and_odd_ones() -> None:
    network = build_refine("mobilenetv2", 0.25).train()
    src, bgr = torch.rand(2, 2, 3, 65, 71)
    pha, fgr = torch.rand(2, 1, 65, 71), torch.rand(2, 3, 65, 71)
    terms = refine_losses(network(src, bgr), pha, fgr)
    assert set(terms) == {"pha", "grad", "fgr", "pha_sm", "grad_sm", "fgr_sm", "err"}
    sum(terms.values()).backward()
    assert all(value.grad is not None for value in network.parameters())


def test_a_perfect_refine_result_costs_nothing_at_an_odd_size() -> None:
    pha, fgr = torch.full((1, 1, 30, 33), 0.5), torch.full((1, 3, 30, 33), 0.25)
    small = torch.full((1, 1, 8, 9), 0.5)
    out = RefineOutput(pha, fgr, small, torch.full((1, 3, 8, 9), 0.25), torch.zeros_like(small), small)
    assert sum(refine_losses(out, pha, fgr).values()).item() == pytest.approx(0, abs=1e-6)
