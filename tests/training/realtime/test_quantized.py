"""Convolutions of bytes, wherever the processor multiplies them."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.networks import uneven
from tests.training.realtime.test_runtime import expected, pictures
from training.realtime import kernels, precision, tables
from training.realtime.precision import multiplies_bytes, type_of
from training.realtime.quantized import QuantizedConv, steps
from training.realtime.runtime import Runtime

bytes_only = pytest.mark.skipif(not multiplies_bytes(), reason="this processor does not multiply bytes")


@pytest.mark.parametrize(("least", "most"), [(0.0, 3.0), (-1.5, 4.0), (-2.0, -1.0), (0.0, 0.0)])
def test_zero_is_a_byte_of_its_own(least, most):
    cut = steps(least, most)
    assert 1 <= cut.zero <= 255
    for value in (least, most, 0.0):
        byte = round(value / cut.scale) + cut.zero
        assert 0 <= byte <= 255
        assert abs(cut.scale * (byte - cut.zero) - value) <= cut.scale


@bytes_only
def test_convolves_bytes_within_their_steps():
    generator = torch.Generator().manual_seed(2)
    weight, bias = 0.1 * torch.randn(7, 20, 3, 3, generator=generator), torch.randn(7, generator=generator)
    conv = QuantizedConv(weight, bias, padding=2, dilation=2, relu=True)
    for scale in (1, 40):  # the second call takes weights laid out for the first
        x = scale * torch.randn(1, 20, 14, 17, generator=generator)
        cut = steps(float(x.min()), float(x.max()))
        cut_up = (x / cut.scale + cut.zero).round().to(torch.uint8).contiguous(memory_format=torch.channels_last)
        found = conv(cut_up, cut)
        plain = F.relu(F.conv2d(x, weight, bias, padding=2, dilation=2))
        assert (found - plain).abs().max() < 0.03 * plain.max()
        assert (found - plain)[..., 0, :].abs().max() < 0.03 * plain.max()  # 0 beyond the border, not byte 0


def test_joins_what_it_enlarges_in_bytes():
    rng = np.random.default_rng(5)
    maps = rng.random((5, 7, 4)).astype(np.float32)
    small = (rng.random((11, 14, 3)) - 0.4).astype(np.float32)
    cut = steps(-0.4, 1)
    out = np.zeros((11, 14, 7), np.uint8)
    axes = *tables.taps(5, 11), *tables.taps(7, 14)
    share = np.float32(1 / cut.scale)
    kernels.join_bytes(maps, small, *axes, share, cut.zero, out, 0, 6)
    kernels.join_bytes(maps, small, *axes, share, cut.zero, out, 6, 11)
    up = F.interpolate(torch.from_numpy(maps).permute(2, 0, 1)[None], (11, 14), mode="bilinear", align_corners=False)
    plain = np.concatenate([up[0].permute(1, 2, 0).numpy(), small], axis=2)
    assert np.abs(cut.scale * (out.astype(float) - cut.zero) - plain).max() <= 0.51 * cut.scale


@bytes_only
@pytest.mark.parametrize("size", [(64, 96), (75, 101)])  # the last step doubles exactly, or not
def test_keeps_near_the_network(size):
    network = uneven()
    src, bgr = pictures(*size)
    alpha, _, _ = expected(network, src, bgr)
    results = []
    for threads in (1, 2):
        runtime = Runtime(network, *size, "int8", threads)
        runtime.set_background(bgr)
        results.append(runtime(src).alpha.copy())
    apart = np.abs(results[0] - alpha)
    assert apart.max() > 0.51  # or nothing was done in bytes
    assert apart.mean() < 2
    assert np.abs(results[0].astype(int) - results[1]).max() <= 1


def test_says_where_bytes_are_not_multiplied(monkeypatch):
    monkeypatch.setattr(precision, "cpu_flags", lambda: ["avx2"])
    with pytest.raises(ValueError, match=r"int8 needs.*avx512_vnni.*take float32"):
        type_of("int8")
    with pytest.raises(ValueError, match="'int4' is none of float32"):
        type_of("int4")
