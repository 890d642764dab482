"""Metrics of a batch on its device against those of one image at a time."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from training.evaluation import metrics
from training.evaluation.metrics_batched import dtssd, largest_regions, spread_largest_regions, whole_images


def mattes(seed: int, count: int = 3, side: int = 40) -> torch.Tensor:
    """Soft blobs in several pieces."""
    noise = torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
    wide = torch.nn.functional.interpolate(noise, size=(side, side + 6), mode="bicubic")
    return (wide * 3 - 1).clamp(0, 1)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_each_frame_is_measured_as_alone(seed: int) -> None:
    pred, true, pred_prev, true_prev = (mattes(seed + i) for i in range(4))
    found = whole_images(pred, true)
    flicker = dtssd(pred, pred_prev, true, true_prev)
    for at in range(len(pred)):
        expected = metrics.whole_image(pred[at, 0].numpy(), true[at, 0].numpy())
        assert [float(value[at]) for value in found] == pytest.approx(list(expected), rel=1e-9)
        layers = (layer[at, 0].numpy() for layer in (pred, pred_prev, true, true_prev))
        assert float(flicker[at]) == pytest.approx(metrics.dtssd(*layers), rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 1), st.integers(1, 40), st.integers(1, 40))
def test_regions_spread_in_parallel_are_those_of_opencv(seed: int, share: float, height: int, width: int) -> None:
    masks = torch.from_numpy(np.random.default_rng(seed).random((4, height, width)) < share)
    assert torch.equal(spread_largest_regions(masks), largest_regions(masks))


def test_a_long_winding_region_is_found_whole() -> None:
    mask = torch.zeros(1, 41, 41, dtype=torch.bool)
    mask[:, ::2] = True
    mask[:, 1::4, -1] = mask[:, 3::4, 0] = True
    assert torch.equal(spread_largest_regions(mask), mask)


def test_constant_and_disjoint_mattes_have_their_limits() -> None:
    flat, half = torch.zeros(2, 1, 16, 16), torch.full((2, 1, 16, 16), 0.5)
    found = whole_images(half, flat)
    assert found.grad.tolist() == [0, 0]
    assert all(bool(value.isfinite().all()) for value in found)
    assert whole_images(flat, flat).conn.tolist() == [0, 0]


def test_wrong_input_names_itself() -> None:
    good = mattes(0)
    with pytest.raises(ValueError, match=r"expected \(B, 1, H, W\)"):
        whole_images(good[0], good[0])
    with pytest.raises(ValueError, match="uint8"):
        whole_images((good * 255).byte(), good)
    with pytest.raises(ValueError, match="1 of 5520 values are not finite"):
        whole_images(_spoiled(good), good)
    with pytest.raises(ValueError, match="resize or move"):
        whole_images(good, good[..., :-1])


def _spoiled(good: torch.Tensor) -> torch.Tensor:
    spoiled = good.clone()
    spoiled[0, 0, 0, 0] = torch.nan
    return spoiled
