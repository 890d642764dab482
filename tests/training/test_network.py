"""The networks against the published implementation's measured outputs, and against what crashed it."""

import gzip
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.network import BaseNetwork, RefineNetwork, build_base, build_refine, patches
from training.network.clamp import clamp01
from training.network.inference import for_inference
from training.network.initial import initialise

GOLDEN = Path(__file__).parent / "golden"
CASES = json.loads((GOLDEN / "networks.json").read_text())
KEYS = json.loads(gzip.decompress((GOLDEN / "keys.json.gz").read_bytes()))
STEP = 3  # as in make_golden.py


def golden_weights(network: nn.Module, salt: str) -> dict[str, Tensor]:
    state = {}
    for name, value in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            state[name] = torch.zeros_like(value)
            continue
        seed = zlib.crc32((salt + name).encode())
        x = np.random.default_rng(seed).standard_normal(tuple(value.shape)).astype(np.float32)
        if name.endswith("running_var"):
            x = 1 + 0.1 * np.abs(x)
        elif name.endswith("running_mean"):
            x = 0.05 * x
        elif x.ndim == 1:
            x = 1 + 0.1 * x if name.endswith("weight") else 0.05 * x
        else:
            x = x * np.float32(np.sqrt(1.6 / np.prod(x.shape[1:])))
        state[name] = torch.from_numpy(x.astype(np.float32))
    for name in ("decoder.conv4.weight", "refiner.conv4.weight"):
        if name in state:
            state[name] *= 0.25
    state["decoder.conv4.bias"][0] = 0.5
    state["decoder.conv4.bias"][4] = 0.1
    if "refiner.conv4.bias" in state:
        state["refiner.conv4.bias"][0] = 0.5
    return state


def golden_inputs(seed: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    low = torch.from_numpy(rng.random((1, 3, height // 8 + 2, width // 8 + 2)).astype(np.float32))
    bgr = F.interpolate(low, size=(height, width), mode="bicubic", align_corners=False).clamp(0, 1)
    texture = torch.from_numpy(rng.random((1, 3, height, width)).astype(np.float32))
    x, y = torch.linspace(-1, 1, width)[None], torch.linspace(-1, 1, height)[:, None]
    inside = (1.5 * x**2 + y**2 < 0.5).float()
    return bgr * (1 - inside) + texture * inside, bgr


def pair(*shape: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    batch, height, width = shape
    src, bgr = torch.rand((2, batch, 3, height, width), generator=torch.Generator().manual_seed(seed))
    return src, bgr


def loss_of(output: tuple[Tensor, ...]) -> Tensor:
    return sum((part.float() - 0.3).square().mean() for part in output)


def gradients(network: nn.Module, src: Tensor, bgr: Tensor, half: bool = False) -> dict[str, Tensor | None]:
    network.zero_grad(set_to_none=True)
    torch.manual_seed(0)  # dropout
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        output = network(src, bgr)
    loss_of(output).backward()
    return {name: value.grad for name, value in network.named_parameters()}


@pytest.fixture(scope="module")
def coarse() -> BaseNetwork:
    return build_base("mobilenetv2")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['case']}-{case['network']}-{case['backbone']}")
def test_agrees_with_the_published_network(case: dict) -> None:
    build = build_base if case["network"] == "base" else build_refine
    network = build(case["backbone"], **case["options"]).eval()
    names = [n for n in KEYS[case["backbone"]] if case["network"] == "refine" or not n.startswith("refiner.")]
    assert sorted(network.state_dict()) == sorted(names)
    assert len(names) == case["keys"]
    assert sum(value.numel() for value in network.parameters()) == case["params"]

    network.load_state_dict(golden_weights(network, case["salt"]))
    with torch.no_grad():
        output = network(*golden_inputs(case["seed"], case["h"], case["w"]))
    with np.load(GOLDEN / "networks.npz") as arrays:
        for name, stats in case["stats"].items():
            found = getattr(output, name)
            assert list(found.shape) == stats["shape"], name
            assert found.mean().item() == pytest.approx(stats["mean"], abs=1e-4), name
            assert found.std().item() == pytest.approx(stats["std"], abs=1e-4), name
            key = f"{case['case']}/{name}"
            if key not in arrays:
                continue
            if name == "ref_sm":
                np.testing.assert_array_equal(found.numpy(), arrays[key])
            else:
                first = int(arrays[f"{key}.first"])
                part = found.numpy()[:, :, first::STEP, first::STEP]
                np.testing.assert_allclose(part, arrays[key].astype(np.float32), atol=1e-3, rtol=0, err_msg=name)


@pytest.mark.parametrize(
    ("backbone", "count"), [("mobilenetv2", 5_006_839), ("resnet50", 40_247_703), ("resnet101", 59_239_831)]
)
def test_counts_the_published_parameters(backbone: str, count: int) -> None:
    with torch.device("meta"):
        network = RefineNetwork(backbone)
    assert sum(value.numel() for value in network.parameters()) == count


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"backbone": "vgg"}, "'vgg'"),
        ({"backbone_scale": 0.0}, "backbone_scale: 0.0"),
        ({"backbone_scale": 4}, "backbone_scale: 4"),
        ({"refine_mode": "some"}, "'some'"),
        ({"refine_sample_pixels": 8}, "refine_sample_pixels: 8"),
        ({"refine_kernel_size": 5}, "refine_kernel_size: 5"),
    ],
)
def test_a_wrong_option_names_itself(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_refine(**{"backbone": "mobilenetv2", **options})


def test_frames_that_differ_in_size_are_refused(coarse: BaseNetwork) -> None:
    src, _ = pair(1, 32, 32)
    with pytest.raises(ValueError, match="captured background"):
        coarse(src, src[..., :16])


@pytest.mark.parametrize("half", [False, True], ids=["float32", "bfloat16"])
@pytest.mark.parametrize("mode", ["sampling", "thresholding", "full"])
@pytest.mark.parametrize("shape", [(1, 5, 7), (2, 37, 50)], ids=str)
def test_learns_at_any_size_and_batch_with_the_same_gradients_twice(mode: str, shape: tuple, half: bool) -> None:
    network = build_refine("mobilenetv2", 0.25, mode).train().to(memory_format=torch.channels_last)
    src, bgr = pair(*shape)
    output = network(src, bgr)
    batch, height, width = shape
    assert output.pha.shape == (batch, 1, height, width)
    assert output.fgr.shape == (batch, 3, height, width)
    assert output.ref_sm.shape == (batch, 1, -(-height // 4), -(-width // 4))
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.0
    torch.use_deterministic_algorithms(True)
    try:
        first = gradients(network, src, bgr, half)
        again = gradients(network, src, bgr, half)
    finally:
        torch.use_deterministic_algorithms(False)
    for name, value in first.items():
        assert value is not None, name
        assert torch.isfinite(value).all(), name
        assert torch.equal(value, again[name]), name


def test_padding_changes_nothing_but_the_border() -> None:
    network = build_refine("mobilenetv2", refine_mode="full").eval()
    network.load_state_dict(golden_weights(network, "pad"))
    src, bgr = golden_inputs(3, 64, 96)
    with torch.no_grad():
        odd = network(src[..., :63, :94], bgr[..., :63, :94])
        by_hand = network(*(F.pad(x[..., :63, :94], (0, 2, 0, 1), mode="replicate") for x in (src, bgr)))
    for name in ("pha", "fgr"):
        assert torch.equal(getattr(odd, name), getattr(by_hand, name)[..., :63, :94])
    assert torch.equal(odd.pha_sm, by_hand.pha_sm)


def test_asking_for_more_patches_than_there_are_takes_all() -> None:
    src, bgr = pair(2, 64, 64)
    many, full = (build_refine("mobilenetv2", 0.5, mode, 10**9).eval() for mode in ("sampling", "full"))
    state = golden_weights(many, "all")
    state["decoder.conv4.bias"][4] = 1.0  # an error above 0 everywhere
    for network in (many, full):
        network.load_state_dict(state)
    with torch.no_grad():
        found, expected = many(src, bgr), full(src, bgr)
    assert found.err_sm.min() > 0
    assert found.ref_sm.min() == 1
    torch.testing.assert_close(found.pha, expected.pha, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.fgr, expected.fgr, atol=1e-5, rtol=0)


@pytest.mark.parametrize("mode", ["sampling", "thresholding"])
def test_no_patch_chosen_means_the_coarse_result_and_zero_gradients(mode: str) -> None:
    network = build_refine("mobilenetv2", 0.25, mode, refine_threshold=0.7)
    state = golden_weights(network, "none")
    state["decoder.conv4.weight"][4] = 0
    state["decoder.conv4.bias"][4] = 0  # the error is 0 everywhere
    network.load_state_dict(state)
    src, bgr = pair(2, 64, 64)
    for training in (False, True):
        network.train(training)
        output = network(src, bgr)
        assert output.ref_sm.max() == 0
        enlarged = F.interpolate(output.pha_sm, size=(64, 64), mode="bilinear", align_corners=False)
        torch.testing.assert_close(output.pha, enlarged)
    found = gradients(network.train(), src, bgr)
    for name, value in found.items():
        if name.startswith("refiner."):
            assert value is not None, name
            assert value.abs().max() == 0, name


def test_training_and_inference_refine_the_same_patches() -> None:
    network = build_refine("mobilenetv2", 0.25, "sampling", 16_000).eval()
    state = golden_weights(network, "same")
    state["decoder.conv4.bias"][4] = 0  # an error of 0 in many places
    network.load_state_dict(state)
    src, bgr = pair(1, 128, 128)
    with torch.no_grad():
        dropped = network(src, bgr)
        network.refiner.training = True  # keeps all patches; its batch norms stay in evaluation
        kept = network(src, bgr)
    assert 0 < dropped.ref_sm.sum() < 16_000 // 16
    torch.testing.assert_close(kept.pha, dropped.pha, atol=1e-6, rtol=0)
    assert torch.equal(kept.ref_sm, dropped.ref_sm)


@pytest.mark.parametrize("kernel", [3, 1])
@pytest.mark.parametrize(("scale", "shape"), [(0.25, (2, 64, 96)), (0.25, (1, 67, 90)), (0.5, (2, 48, 36))], ids=str)
@pytest.mark.parametrize("mode", ["sampling", "thresholding"])
def test_prediction_is_quicker_and_the_same(mode: str, scale: float, shape: tuple, kernel: int) -> None:
    network = build_refine("mobilenetv2", scale, mode, 1600, 0.11, kernel).eval()
    network.load_state_dict(golden_weights(network, "quick"))
    src, bgr = pair(*shape)
    expected = network(src, bgr)  # with a gradient: cut and paste
    assert 0 < expected.ref_sm.mean() < 1
    for quick in (network, for_inference(network)):
        with torch.no_grad():
            found = quick(src, bgr)
        for name in ("pha", "fgr", "ref_sm"):
            torch.testing.assert_close(getattr(found, name), getattr(expected, name).detach(), atol=2e-5, rtol=0)


@pytest.mark.parametrize("backbone", ["mobilenetv2", "resnet50"])
def test_inference_folds_every_batch_norm(backbone: str) -> None:
    network = build_refine(backbone).eval()
    made = for_inference(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in made.modules())
    assert sum(isinstance(module, nn.BatchNorm2d) for module in network.modules()) > 50
    assert sorted(network.state_dict()) == sorted(KEYS[backbone])


def test_only_the_chosen_patches_change() -> None:
    network = build_refine("mobilenetv2", 0.25, "sampling", 800).eval()
    network.load_state_dict(golden_weights(network, "chosen"))
    src, bgr = pair(1, 96, 128)
    with torch.no_grad():
        output = network(src, bgr)
    enlarged = F.interpolate(output.pha_sm, size=(96, 128), mode="bilinear", align_corners=False)
    changed = F.max_pool2d((output.pha - enlarged).abs(), 4) > 1e-6
    assert torch.equal(changed, output.ref_sm > 0)
    assert int(output.ref_sm.sum()) == 50


def test_cut_sees_zeros_outside_and_paste_undoes_it() -> None:
    frame = torch.rand(2, 3, 8, 12)
    cells = torch.arange(2 * 2 * 3)
    crops = patches.cut(frame, cells, (2, 3), size=4, margin=2)
    padded = F.pad(frame, (2, 2, 2, 2))
    for cell in cells.tolist():
        sample, row, column = cell // 6, cell // 3 % 2, cell % 3
        expected = padded[sample, :, row * 4 : row * 4 + 8, column * 4 : column * 4 + 8]
        assert torch.equal(crops[cell], expected)
    back = patches.paste(torch.zeros_like(frame), crops[:, :, 2:6, 2:6], patches.Chosen(cells, None))
    assert torch.equal(back, frame)


def test_saturated_values_get_a_gradient_that_leads_back_and_none_that_leads_out() -> None:
    x = torch.tensor([-2.0, -2.0, 0.5, 3.0, 3.0], requires_grad=True)
    y = clamp01(x, recover=True)
    assert torch.equal(y.detach(), x.detach().clamp(0, 1))
    y.backward(torch.tensor([-1.0, 1.0, 1.0, 1.0, -1.0]))
    assert x.grad is not None
    assert x.grad.tolist() == [-1.0, 0.0, 1.0, 1.0, 0.0]


def test_an_all_black_matte_recovers() -> None:
    network = build_base("mobilenetv2").train()
    with torch.no_grad():
        network.decoder.conv4.bias[0] = -2.0
    optimizer = torch.optim.Adam(network.decoder.conv4.parameters(), lr=0.1)
    src, bgr = pair(2, 32, 32)
    assert network(src, bgr).pha.max() == 0
    for _ in range(20):
        optimizer.zero_grad()
        (network(src, bgr).pha - 1).abs().mean().backward()
        optimizer.step()
    assert network(src, bgr).pha.mean() > 0.3


def test_captures_as_one_graph_and_gives_the_same() -> None:
    network = build_refine("mobilenetv2", refine_sample_pixels=1600).eval()
    src, bgr = pair(1, 64, 96)
    with torch.no_grad():
        captured = torch.compile(network, backend="eager", fullgraph=True)(src, bgr)
        for found, expected in zip(captured, network(src, bgr), strict=True):
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_building_and_initialising_draws_nothing_from_the_global_generator() -> None:
    before = torch.get_rng_state()
    one, other = build_refine("mobilenetv2"), build_refine("mobilenetv2")
    assert torch.equal(torch.get_rng_state(), before)
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name
    initialise(other, seed=1)
    assert not torch.equal(one.decoder.conv1.weight, other.decoder.conv1.weight)


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("backbone", ["mobilenetv2", "resnet50"])
def test_starts_near_half_sees_differences_and_refines_nothing_away(backbone: str, kernel_size: int) -> None:
    network = build_refine(backbone, 0.5, "full", refine_kernel_size=kernel_size)
    src, bgr = pair(2, 64, 64, seed=1)
    with torch.no_grad():
        start = network.train()(src, bgr)
        assert (start.pha_sm - 0.5).abs().mean() < 0.15
        assert (start.fgr - src).abs().mean() < 0.15
        assert start.err_sm.mean() > 0.05
        initialise(network, seed=0)
        output = network.eval()(src, bgr)
    # The coarse alpha is as it was; each of its pixels is now four.
    doubled = F.interpolate(output.pha_sm, scale_factor=2, mode="nearest")
    torch.testing.assert_close(output.pha, doubled, atol=1e-5, rtol=0)
    first = next(module for module in network.backbone.modules() if isinstance(module, nn.Conv2d)).weight
    opposed = (first[:, 3:] == -first[:, :3]).all(dim=(1, 2, 3)).float().mean()
    assert 0.3 <= opposed <= 0.8
    assert all(torch.isfinite(value).all() for value in network.state_dict().values())
