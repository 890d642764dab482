"""The losses: known values, and the traps that made refine training crash."""

import math

import pytest
import torch
from torch import Tensor

from training.config import LossParams
from training.losses import PUBLISHED, base_losses, error_target, halve, laplacian, refine_losses, sobel
from training.network import BaseOutput, RefineOutput, build_base, build_refine


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


ALL = LossParams(pha=1, grad=1, fgr=1, err=1, lap=1, soft=1)


def drawn(seed: int, count: int = 3) -> tuple[BaseOutput, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    pha, true, err = torch.rand(3, count, 1, 24, 20, generator=generator)
    fgr, true_fgr = torch.rand(2, count, 3, 24, 20, generator=generator)
    return base_output(pha, fgr, err), true.round(decimals=1), true_fgr


def test_each_weight_scales_its_own_term_and_zero_leaves_it_out() -> None:
    out, pha, fgr = drawn(1)
    whole = base_losses(out, pha, fgr, ALL)
    assert set(whole) == {"pha", "grad", "fgr", "err", "lap"}
    for name in whole:
        half = base_losses(out, pha, fgr, ALL.model_copy(update={name: 0.5}))
        assert half[name].item() == pytest.approx(0.5 * whole[name].item())
        assert all(half[other].item() == whole[other].item() for other in whole if other != name)
        assert set(base_losses(out, pha, fgr, ALL.model_copy(update={name: 0}))) == set(whole) - {name}


def test_soft_pixels_count_more() -> None:
    true = torch.zeros(1, 1, 8, 8)
    true[..., :4] = 1
    true[..., 4] = 0.5
    off = base_output(torch.full_like(true, 0.25), torch.zeros(1, 3, 8, 8))
    twice = base_losses(off, true, torch.zeros(1, 3, 8, 8), PUBLISHED.model_copy(update={"soft": 2.0}))
    once = base_losses(off, true, torch.zeros(1, 3, 8, 8))
    assert (twice["pha"] - once["pha"]).item() == pytest.approx(2 * 0.25 / 8)


@pytest.mark.parametrize("params", [PUBLISHED, ALL])
def test_sample_weights_are_the_mean_of_the_samples_own_losses(params: LossParams) -> None:
    out, pha, fgr = drawn(2)
    weight = torch.tensor([1.0, 0.25, 0.0])
    whole = base_losses(out, pha, fgr, params, weight)
    singles = [
        base_losses(BaseOutput(*(layer[i : i + 1] for layer in out)), pha[i : i + 1], fgr[i : i + 1], params)
        for i in range(3)
    ]
    for name, value in whole.items():
        expected = sum(float(w) * single[name].item() for w, single in zip(weight, singles, strict=True)) / 3
        assert value.item() == pytest.approx(expected, rel=1e-5)
    plain, ones = base_losses(out, pha, fgr, params), base_losses(out, pha, fgr, params, torch.ones(3))
    assert all(ones[name].item() == pytest.approx(plain[name].item(), rel=1e-5) for name in plain)


def test_refine_takes_weights_at_both_sizes() -> None:
    network = build_refine("mobilenetv2", 0.5).eval()
    src, bgr = torch.rand(2, 2, 3, 32, 32)
    pha, fgr = torch.rand(2, 1, 32, 32), torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        out = network(src, bgr)
    whole = refine_losses(out, pha, fgr, ALL)
    names = {"pha", "grad", "fgr", "lap"}
    assert set(whole) == names | {f"{name}_sm" for name in names} | {"err"}
    assert all(value.item() == 0 for value in refine_losses(out, pha, fgr, ALL, torch.zeros(2)).values())
    halves = refine_losses(out, pha, fgr, ALL, torch.full((2,), 0.5))
    assert all(halves[name].item() == pytest.approx(0.5 * whole[name].item(), rel=1e-4) for name in whole)


def test_the_laplacian_pyramid_sees_every_scale() -> None:
    flat = torch.zeros(1, 1, 64, 64)
    assert laplacian(flat, flat).item() == 0
    # A constant is left over at the coarsest of five levels, which counts 16 times.
    assert laplacian(flat + 0.1, flat).item() == pytest.approx(1.6, rel=1e-4)
    checks = (torch.arange(64)[:, None] + torch.arange(64)).remainder(2)[None, None].float() - 0.5
    blocks = checks[..., :8, :8].repeat_interleave(8, 2).repeat_interleave(8, 3)
    # The finest checks are in the first level alone; wide ones cost more.
    assert laplacian(checks, flat).item() == pytest.approx(0.5, rel=0.1)
    assert laplacian(blocks, flat).item() > 2 * laplacian(checks, flat).item()
    for side in (1, 2, 3, 17):
        assert torch.isfinite(laplacian(torch.ones(1, 1, side, side), torch.zeros(1, 1, side, side)))


def test_smaller_levels_are_blurred_first() -> None:
    spike = torch.zeros(1, 1, 9, 9)
    spike[..., 4, 4] = 1.0
    shrunk = halve(spike)
    assert shrunk.shape[-2:] == (5, 5)
    assert shrunk[0, 0, 2, 2].item() == pytest.approx((6 / 16) ** 2)
    assert shrunk[0, 0, 2, 1].item() == pytest.approx(6 / 256)


@pytest.mark.parametrize("kind", ["base", "refine"])
def test_weights_of_samples(kind):
    torch.manual_seed(0)
    src, bgr, fgr = (torch.rand(3, 3, 32, 32) for _ in range(3))
    pha = torch.rand(3, 1, 32, 32)
    network = (build_refine("mobilenetv2") if kind == "refine" else build_base("mobilenetv2")).eval()
    losses = refine_losses if kind == "refine" else base_losses

    def terms(part, *weights):
        return losses(network(src[part], bgr[part]), pha[part], fgr[part], PUBLISHED, *weights)

    with torch.no_grad():
        plain, whole = terms(slice(None)), terms(slice(None), torch.ones(3))
        single = [terms(slice(i, i + 1)) for i in range(3)]
        some = terms(slice(None), torch.tensor([1.0, 0.5, 0.25]), torch.tensor([1.0, 0.0, 0.25]))
        alike = terms(slice(None), torch.tensor([1.0, 0.5, 0.25]))
    for name, value in plain.items():
        torch.testing.assert_close(whole[name], value)
        middle = 0.0 if name.startswith("fgr") else 0.5
        expected = (single[0][name] + middle * single[1][name] + 0.25 * single[2][name]) / 3
        torch.testing.assert_close(some[name], expected)
        torch.testing.assert_close(alike[name], expected + (0.5 - middle) * single[1][name] / 3)


def test_a_sample_without_a_foreground_teaches_none():
    fgr = torch.rand(2, 3, 8, 8, requires_grad=True)
    pha = torch.ones(2, 1, 8, 8)
    terms = base_losses(
        base_output(pha, fgr), pha, torch.rand(2, 3, 8, 8), PUBLISHED, torch.ones(2), torch.tensor([1.0, 0.0])
    )
    terms["fgr"].backward()
    assert fgr.grad[0].abs().min() > 0
    assert fgr.grad[1].abs().max() == 0
