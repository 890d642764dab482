"""What crashes the training of a refinement network, a test a cause: the obvious code fails, this does not.

The causes and their evidence are told in docs/refinement-crashes.md, which names these tests.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compositing.shards.reader import Sample
from training.losses import error_target, sobel
from training.network import build_base, build_refine, patches
from training.network.clamp import clamp01
from training.network.norm import BatchNorm
from training.network.refiner import Refiner
from training.samples.data import Order, Steps, crop_size, to_batch, to_images

HERE = Path(__file__).resolve().parent


def test_more_patches_than_there_are() -> None:
    error = torch.rand(1, 1, 16, 16)
    with pytest.raises(RuntimeError, match="out of range"):
        error.flatten(1).topk(80_000 // 16)
    assert len(patches.most_uncertain(error, 80_000 // 16).cells) == 16 * 16


@pytest.mark.parametrize("mode", ["sampling", "thresholding", "full"])
def test_sides_that_are_no_multiples_of_four(mode: str) -> None:
    network = build_refine("mobilenetv2", 0.25, mode).train()
    src, bgr = torch.rand(2, 1, 3, 67, 89)
    with pytest.raises(RuntimeError):  # cells of 4 x 4 do not tile the frame
        src.reshape(1, 3, 67 // 4, 4, 89 // 4, 4)
    assert network(src, bgr).pha.shape == (1, 1, 67, 89)


def test_a_batch_of_one() -> None:
    pooled = torch.rand(1, 8, 1, 1)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        nn.BatchNorm2d(8).train()(pooled)
    assert BatchNorm(8).train()(pooled).shape == pooled.shape
    build_base("mobilenetv2").train()(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32))
    # And the order never gives one: what is left of an epoch runs on into the next.
    assert {len(step) for step in Steps(Order(1, 9), batch=4, crop=(32, 32), first=0, last=20)} == {4}


@pytest.mark.parametrize("mode", ["sampling", "thresholding"])
def test_no_patch_selected(mode: str) -> None:
    refiner = Refiner(mode, threshold=0.7)  # type: ignore[arg-type]
    frame, coarse, err, hid = (
        torch.rand(1, 6, 32, 32),
        torch.rand(1, 4, 8, 8),
        torch.zeros(1, 1, 8, 8),
        torch.rand(1, 32, 8, 8),
    )
    cells = torch.nonzero(err.flatten() > 0)[:, 0]
    with pytest.raises((ValueError, RuntimeError)):  # no sample for batch norm, or no gradient at all
        naive = refiner.bn1(refiner.conv1(patches.cut(torch.rand(1, 42, 16, 16), cells, (8, 8), 2, 3)))
        naive.sum().backward()
        raise ValueError("no gradient") if not refiner.conv2.weight.grad else AssertionError
    refiner.zero_grad(set_to_none=True)
    fine, ref = refiner((frame,), coarse.requires_grad_(), err, hid)
    assert ref.max() == 0
    fine.sum().backward()
    assert all(value.grad is not None for value in refiner.parameters())
    assert all(not value.grad.any() for value in refiner.parameters())


def start(rank: int, folder: Path, variant: str) -> "subprocess.Popen[str]":
    command = [sys.executable, str(HERE / "two_ranks.py"), str(rank), str(folder), variant]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=HERE.parent.parent,
    )  # fmt: skip


def test_a_rank_that_selects_no_patch_and_one_that_validates_alone(tmp_path: Path) -> None:
    ranks = [start(rank, tmp_path, "ours") for rank in range(2)]
    said = [rank.communicate(timeout=120) for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], said
    # Both ranks hold the same weights after it.
    assert said[0][0] == said[1][0]
    assert said[0][0].startswith("done")


def test_leaving_the_refiner_out_on_one_rank_stops_both(tmp_path: Path) -> None:
    ranks = [start(rank, tmp_path, "naive") for rank in range(2)]
    try:
        _, error = ranks[1].communicate(timeout=120)
        assert ranks[1].returncode != 0
        assert "Expected to have finished reduction" in error
    finally:
        for rank in ranks:
            rank.kill()
            rank.communicate()


def test_an_error_target_that_trains_alpha() -> None:
    pha = torch.full((1, 1, 8, 8), 0.3, requires_grad=True)
    err, true = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    F.mse_loss(err, (pha - true).abs()).backward()
    assert pha.grad is not None
    assert pha.grad.any()  # pushed towards the truth or away from it, as the error map has it
    assert not error_target(pha, true).requires_grad


def learn(black: Tensor, recover: bool) -> float:
    """Train a matte that starts below 0 towards white by gradient descent; its mean in the end."""
    raw = black.clone().requires_grad_()
    optimizer = torch.optim.SGD([raw], lr=20)
    for _ in range(50):
        optimizer.zero_grad()
        (clamp01(raw, recover) - 1).square().mean().backward()
        optimizer.step()
    return float(clamp01(raw.detach(), recover).mean())


def test_an_all_black_matte_that_never_recovers() -> None:
    black = torch.full((1, 1, 8, 8), -1.0)
    assert learn(black, recover=False) == 0
    assert learn(black, recover=True) > 0.99


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_root_of_a_flat_gradient(dtype: torch.dtype) -> None:
    def naive(x: Tensor, epsilon: float) -> Tensor:
        dx, dy = x[..., 1:, 1:] - x[..., 1:, :-1], x[..., 1:, 1:] - x[..., :-1, 1:]
        return torch.sqrt(dx.square() + dy.square() + epsilon)

    def gradient_of(magnitude: Tensor, flat: Tensor) -> Tensor:
        magnitude.sum().backward()
        assert flat.grad is not None
        return flat.grad

    # 1e-8 is 0 in half precision.
    flat = torch.full((1, 1, 8, 8), 0.5, dtype=dtype, requires_grad=True)
    assert gradient_of(naive(flat, 0.0 if dtype == torch.float32 else 1e-8), flat).isnan().any()
    flat = torch.full((1, 1, 8, 8), 0.5, dtype=dtype, requires_grad=True)
    assert gradient_of(sobel(flat.float()), flat).isfinite().all()


def test_no_library_whose_functions_move(root: Path) -> None:
    """Benchmarks may compare with it; what trains, renders or ships may not need it."""
    named = re.compile(r"^\s*(import|from) kornia", re.MULTILINE)
    files = [file for room in ("training", "compositing", "pipelines") for file in root.glob(f"{room}/**/*.py")]
    assert len(files) > 100
    assert not [file for file in files if named.search(file.read_text(encoding="utf-8"))]
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {name: needs for name, needs in project["optional-dependencies"].items() if name != "dev"}
    needed = [*project["dependencies"], *(need for needs in extras.values() for need in needs)]
    assert not [name for name in needed if name.startswith("kornia")]


def test_few_crop_sizes_at_2048() -> None:
    sizes = {crop_size((1024, 2048), 1, step) for step in range(3000)}
    published = {tuple(4 * np.random.default_rng(step).integers(256, 512, 2)) for step in range(3000)}
    assert len(published) > 2500
    assert len(sizes) == 17 * 17
    assert {side for size in sizes for side in size} == set(range(1024, 2049, 64))


def test_samples_cross_processes_as_bytes() -> None:
    side = 256
    layer, pha = np.zeros((side, side, 3), np.uint8), np.zeros((side, side), np.uint8)
    batch = to_batch([Sample(layer, layer, layer, pha, {})], [0])
    crossing = sum(value.nbytes for value in batch[:4])
    floats = sum(value.nbytes for value in to_images(batch)[:4])
    assert crossing * 4 == floats
    # At 2048: 42 MB a sample, where the floats were 168.
    assert crossing * (2048 // side) ** 2 < 42e6
