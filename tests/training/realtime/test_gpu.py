"""On the CPU, where the graph is not compiled: conversions and refusals, not speed."""

import numpy as np
import pytest
import torch

from training.network import build_refine
from training.realtime.gpu import GpuRuntime


def test_gives_what_the_network_gives():
    network = build_refine("mobilenetv2", 0.5, "sampling", 160).eval()
    src, bgr = np.random.default_rng(5).integers(0, 256, (2, 37, 50, 3)).astype(np.uint8)
    runtime = GpuRuntime(network, "cpu")
    runtime.set_background(bgr)
    runtime(bgr)
    found = runtime(src)
    layers = [torch.from_numpy(p).permute(2, 0, 1)[None].float() / 255 for p in (src, bgr)]
    with torch.no_grad():
        expected = network(*layers)
    assert np.abs(found.alpha.numpy() - 255 * expected.pha[0, 0].numpy()).max() < 0.51
    assert np.abs(found.foreground.numpy() - 255 * expected.fgr[0].permute(1, 2, 0).numpy()).max() < 0.51


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match="thresholding"):
        GpuRuntime(build_refine("mobilenetv2", 0.5, "thresholding"), "cpu")
    runtime = GpuRuntime(build_refine("mobilenetv2"), "cpu")
    frame = np.zeros((32, 40, 3), np.uint8)
    with pytest.raises(ValueError, match="set_background"):
        runtime(frame)
    runtime.set_background(frame)
    with pytest.raises(ValueError, match=r"\(32, 36, 3\).*\(32, 40, 3\)"):
        runtime(frame[:, :36])
