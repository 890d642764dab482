import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.networks import uneven
from training.network.inference import for_inference
from training.network.resize import resize
from training.realtime import kernels, tables
from training.realtime.fused import FusedConv, fuse
from training.realtime.laststep import LastStep
from training.realtime.precision import best_precision, cpu_flags
from training.realtime.runtime import Runtime

RNG = np.random.default_rng(3)


def pictures(height, width):
    return RNG.integers(0, 256, (2, height, width, 3)).astype(np.uint8)


def expected(network, src, bgr):
    layers = [torch.from_numpy(p).permute(2, 0, 1)[None].float() / 255 for p in (src, bgr)]
    with torch.no_grad():
        found = network(*layers)
    alpha = 255 * found.pha[0, 0].numpy()
    return alpha, 255 * found.fgr[0].permute(1, 2, 0).numpy(), found.ref_sm[0, 0].numpy() > 0


@pytest.mark.parametrize(
    ("height", "width", "options"),
    [
        (64, 96, {}),  # the last step doubles exactly
        (75, 101, {}),  # no multiple of 4, no exact doubling
        (128, 128, {"scale": 0.25, "pixels": 1600}),  # one pixel a cell, neighbours in blocks
        (50, 70, {"scale": 1.0}),
        (20, 24, {"scale": 0.25}),  # less than the encoder's least side
        (48, 64, {"mode": "full"}),
        (48, 66, {"mode": "thresholding"}),
        (48, 64, {"kernel": 1}),
        (52, 60, {"difference": "matched"}),
    ],
)
def test_gives_what_the_network_gives(height, width, options):
    network = uneven(**options)
    src, bgr = pictures(height, width)
    alpha, fgr, refined = expected(network, src, bgr)
    assert alpha.std() > 2
    assert refined.any()
    for threads in (1, 2):
        runtime = Runtime(network, height, width, "float32", threads)
        runtime.set_background(bgr)
        found = runtime(src)
        assert np.array_equal(found.refined, refined)
        assert np.abs(found.alpha - alpha).max() < 0.51
        assert np.abs(found.foreground - fgr).max() < 0.51


def test_bfloat16_keeps_near():
    network = uneven(0.25, pixels=800)
    src, bgr = pictures(132, 160)
    alpha, _, refined = expected(network, src, bgr)
    runtime = Runtime(network, 132, 160, "bfloat16")
    runtime.set_background(bgr)
    found = runtime(src)
    apart = np.abs(found.alpha - alpha)
    assert apart.max() > 0.51  # or it would not be bfloat16
    assert apart.mean() < 2
    assert (found.refined & refined).sum() > 0.9 * refined.sum()


def test_frames_do_not_hang_on_those_before():
    network = uneven()
    src, bgr = pictures(40, 56)
    runtime = Runtime(network, 40, 56, "float32")
    runtime.set_background(bgr)
    first = [layer.copy() for layer in runtime(src)]
    runtime(bgr)
    runtime.set_background(src)
    runtime(bgr)
    runtime.set_background(bgr)
    for one, again in zip(first, runtime(src), strict=True):
        assert np.array_equal(one, again)


def test_says_what_is_wrong():
    runtime = Runtime(uneven(), 40, 56)
    src, bgr = pictures(40, 56)
    with pytest.raises(ValueError, match="set_background"):
        runtime(src)
    with pytest.raises(ValueError, match=r"background.*\(40, 52, 3\).*\(40, 56, 3\)"):
        runtime.set_background(bgr[:, :52])
    runtime.set_background(bgr)
    with pytest.raises(ValueError, match="float64"):
        runtime(src / 255)
    with pytest.raises(ValueError, match="0x56"):
        Runtime(uneven(), 56, 0)


@pytest.mark.parametrize("size", [(32, 44), (33, 44)])
def test_last_step_is_enlarging_then_convolving(size):
    generator = torch.Generator().manual_seed(1)
    weight, bias = (torch.randn(shape, generator=generator) for shape in ((5, 14, 3, 3), (5,)))
    x = torch.randn(1, 8, 16, 22, generator=generator)
    shortcut = torch.randn(1, 6, *size, generator=generator)
    plain = F.conv2d(torch.cat([resize(x, size), shortcut], dim=1), weight, bias, padding=1)
    assert torch.allclose(LastStep(weight, bias, torch.float32, 6)(x, shortcut), plain, atol=1e-4)


def test_blocks_cover_what_is_chosen():
    chosen = np.zeros((18, 23), bool)
    chosen[4:12, 8:20] = True
    chosen[17, 22] = True
    corners, side = tables.blocks(chosen)
    covered = np.zeros((40, 40), bool)
    for row, column in corners:
        covered[row : row + side, column : column + side] = True
    assert side == 4
    assert len(corners) % tables.FEW == 0
    assert covered[:18, :23][chosen].all()
    scattered = np.zeros((40, 40), bool)
    scattered[::4, ::4] = True
    assert tables.blocks(scattered).side == 1


def test_composites_to_the_nearest_byte():
    alpha = RNG.integers(0, 256, (9, 11)).astype(np.uint8)
    fgr, backdrop = pictures(9, 11)
    out = np.zeros_like(fgr)
    kernels.lay_over(alpha, fgr, backdrop, out, 0, 9)
    share = alpha[..., None] / 255
    assert np.abs(out - (share * fgr + (1 - share) * backdrop)).max() <= 0.5 + 1e-9


def test_takes_bfloat16_only_where_the_processor_has_it(tmp_path):
    assert best_precision(["avx2", "avx512_bf16"]) == "bfloat16"
    assert best_precision(["avx2", "avx512f"]) == "float32"
    said = tmp_path / "cpuinfo"
    said.write_text("processor : 0\nflags : fpu amx_bf16 avx2 sse4_1\n", encoding="utf-8")
    assert cpu_flags(said) == ["amx_bf16", "avx2", "sse4_1"]
    assert cpu_flags(tmp_path / "none") == []


def test_fused_activations_change_nothing():
    network = for_inference(uneven())
    x = torch.rand(1, 6, 64, 96)
    plain = [layer.clone() for layer in network.backbone(x)]
    fuse(network.backbone)
    assert any(isinstance(layer, FusedConv) for layer in network.backbone.modules())
    for one, other in zip(plain, network.backbone(x), strict=True):
        assert torch.allclose(one, other, atol=1e-5)
