"""The variant that is shown how far source and captured background are apart."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from training import export
from training.network import RefineNetwork, build_base, build_refine, weights
from training.network.difference import CHANNELS, HALF, gain, show
from training.network.inference import for_inference
from training.network.initial import initialise

VARIANTS = [kind for kind in CHANNELS if kind != "none"]


def scene(seed: int, height: int = 64, width: int = 96) -> tuple[Tensor, Tensor]:
    """A background, and a source in which a square is something else: (1, 3, H, W) each."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, height // 8, width // 8, generator=generator) * 0.6 + 0.2
    bgr = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    src = bgr.clone()
    src[..., 16:48, 32:64] = torch.rand(1, 3, 32, 32, generator=generator)
    return src, bgr


def learned(kind: str, seed: int = 4) -> RefineNetwork:
    """A network with weights for every channel."""
    network = build_refine("mobilenetv2", 0.5, "sampling", 2048, difference=kind)
    generator = torch.Generator().manual_seed(seed)
    for name, value in network.named_parameters():
        if name.endswith(".extra"):
            value.data.copy_(torch.randn(value.shape, generator=generator) * 0.1)
    return network.eval()


def test_a_gain_is_found_beside_a_person_and_bounded() -> None:
    src, bgr = scene(1)
    factor = torch.tensor([1.15, 0.9, 1.05]).view(1, 3, 1, 1)
    given = bgr / factor
    torch.testing.assert_close(gain(src, given), factor, atol=0.02, rtol=0)
    assert gain(torch.ones_like(bgr), bgr * 0.01).max() == 2.0
    assert torch.isfinite(gain(src, torch.zeros_like(bgr))).all()


def test_what_is_shown() -> None:
    src, bgr = scene(2)
    frame = torch.cat([src, bgr], dim=1)
    assert show(frame, "none") is frame
    assert torch.equal(show(frame, "raw")[:, 6:], (src - bgr).abs())
    shown = show(torch.cat([src, torch.roll(bgr, 2, 3) / 1.1], dim=1), "matched")
    assert shown.shape[1] == 10
    assert 0 <= shown.min() <= shown.max() <= 1
    forgiven = shown[:, 9:]
    # Two pixels of shift and a gain away from the person leave nothing; the person stays.
    assert forgiven[..., 4:-4, 70:-4].mean() < 0.1
    assert forgiven[..., 16:48, 32:64].mean() > 0.4
    assert shown[:, 6:9, 4:-4, 70:-4].mean() > forgiven[..., 4:-4, 70:-4].mean()
    assert show(torch.cat([bgr + HALF, bgr], dim=1), "raw")[:, 6:].mean() == pytest.approx(HALF)


@pytest.mark.parametrize("kind", VARIANTS)
def test_published_weights_start_it_and_mean_the_same(kind: str) -> None:
    plain, variant = build_refine("mobilenetv2", 0.5).eval(), learned(kind)
    initialise(plain, seed=7)
    assert set(variant.state_dict()) - set(plain.state_dict()) == {
        "backbone.features.0.0.extra",
        "decoder.conv4.extra",
    }
    report = weights.load_into(variant, plain.state_dict())
    assert not report.missing
    src, bgr = scene(3)
    variant.refiner.sample_pixels = plain.refiner.sample_pixels
    with torch.no_grad():
        for found, expected in zip(variant(src, bgr), plain(src, bgr), strict=True):
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    with pytest.raises(ValueError, match=r"2 unknown \(backbone.features.0.0.extra, .*check 'backbone', 'difference'"):
        weights.load_into(plain, variant.state_dict())


@pytest.mark.parametrize("kind", VARIANTS)
def test_files_say_it_and_pickles_are_told_by_their_shapes(kind: str, tmp_path: Path) -> None:
    network = learned(kind)
    weights.save(network, tmp_path / "refine.safetensors")
    torch.save(network.state_dict(), tmp_path / "refine.pth")
    for name in ("refine.safetensors", "refine.pth"):
        again = weights.load_refine(tmp_path / name)
        assert again.difference == kind
        assert torch.equal(again.decoder.conv4.extra, network.decoder.conv4.extra)
        assert weights.load_base(tmp_path / name).difference == kind
    plain = build_base("mobilenetv2")
    weights.save(plain, tmp_path / "plain.safetensors")
    assert "difference" not in weights.describe(plain)
    assert weights.load_base(tmp_path / "plain.safetensors").difference == "none"


@pytest.mark.parametrize("backbone", ["mobilenetv2", "resnet50"])
def test_inference_folds_it_into_plain_convolutions(backbone: str) -> None:
    network = build_refine(backbone, 0.5, "full", difference="matched")
    initialise(network, seed=5)
    for name, value in network.named_parameters():
        if name.endswith(".extra"):
            value.data.uniform_(-0.1, 0.1)
    src, bgr = scene(5)
    with torch.no_grad():
        network.train()(src.repeat(2, 1, 1, 1), bgr.repeat(2, 1, 1, 1))  # statistics that are not 0 and 1
        made = for_inference(network)
        assert not any(name.endswith(".extra") for name, _ in made.named_parameters())
        for found, expected in zip(made(src, bgr), network.eval()(src, bgr), strict=True):
            torch.testing.assert_close(found, expected, atol=2e-4, rtol=0)


def test_both_weights_learn_and_hidden_features_may_be_left_out() -> None:
    network = build_base("mobilenetv2", "matched").train()
    initialise(network, seed=1)
    src, bgr = (image.repeat(2, 1, 1, 1) for image in scene(6))
    out = network(src, bgr, hidden=False)
    (out.pha.mean() + out.fgr.mean() + out.err.mean()).backward()
    for name, value in network.named_parameters():
        if name.endswith(".extra"):
            assert value.grad is not None
            assert value.grad.abs().sum() > 0, name


def test_it_starts_as_a_matte_by_difference() -> None:
    src, bgr = scene(8)
    with torch.no_grad():
        pha = build_base("mobilenetv2", "matched").eval()(src, bgr).pha
    inside = pha[..., 20:44, 36:60].mean()
    assert inside > 0.6
    assert pha[..., :8, :].mean() < 0.25


def test_an_unknown_difference_names_itself() -> None:
    with pytest.raises(ValueError, match="difference: 'squared' is none of none, raw, matched"):
        build_base("mobilenetv2", "squared")


@pytest.mark.slow
def test_exported_files_show_it_too(tmp_path: Path) -> None:
    network = learned("matched")
    pairs = [export.Pair("scene", *scene(9, 128, 128)), *export.random_pairs(128, 128)]
    export.export_onnx(network, tmp_path / "refine.onnx", 128, 128)
    export.export_torchscript(network, tmp_path / "refine.pt", 128, 128)
    runners = (export.onnx_runner(tmp_path / "refine.onnx"), export.torchscript_runner(tmp_path / "refine.pt"))
    for run in runners:
        found = export.compare(network, run, pairs)
        assert found.pha_mean < 1e-4
        assert found.fgr_mean < 1e-4
    other = export.compare(network, runners[0], [export.Pair("larger", *scene(9, 160, 224))])
    assert other.pha_mean < 1e-4
