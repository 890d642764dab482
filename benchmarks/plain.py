"""What one writes first: the named alternatives that the benchmarks compare with."""

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from training.network import RefineNetwork


@torch.no_grad()
def refine(network: RefineNetwork, src: Tensor, bgr: Tensor) -> tuple[Tensor, Tensor]:
    """Alpha and foreground of a refine network in ``sampling`` mode, its refiner fed the obvious way.

    Layers and weights are the network's own. Whole frames are enlarged, concatenated and padded, unfolded into a view
    of all patches, and the chosen ones picked from it.
    """
    refiner = network.refiner
    frame = torch.cat([src, bgr], dim=1)
    height, width = frame.shape[-2:]
    small = _resize(frame, int(height * network.backbone_scale), int(width * network.backbone_scale))
    features = network.backbone(small)
    x = network.aspp(features.stride16)
    decoder = network.decoder
    for name, shortcut in (("1", features.stride8), ("2", features.stride4), ("3", features.stride2)):
        x = torch.cat([_resize(x, *shortcut.shape[-2:]), shortcut], dim=1)
        x = F.relu(getattr(decoder, f"bn{name}")(getattr(decoder, f"conv{name}")(x)))
    x = decoder.conv4(torch.cat([_resize(x, *small.shape[-2:]), small], dim=1))
    pha, residual, err, hid = x[:, :1].clamp(0, 1), x[:, 1:4], x[:, 4:5].clamp(0, 1), x[:, 5:].relu()

    error = _resize(err, height // 4, width // 4)
    chosen = torch.zeros_like(error).flatten(1)
    best = error.flatten(1).topk(refiner.sample_pixels // 16, dim=1)
    chosen.scatter_(1, best.indices, (best.values > 0).float())
    sample, row, column = chosen.view_as(error)[:, 0].nonzero(as_tuple=True)

    half = torch.cat([hid, pha, residual, src, bgr][:3], dim=1)
    half = torch.cat([_resize(half, height // 2, width // 2), _resize(frame, height // 2, width // 2)], dim=1)
    crops = F.pad(half, (3, 3, 3, 3)).unfold(2, 8, 2).unfold(3, 8, 2)[sample, :, row, column]
    crops = F.relu(refiner.bn1(refiner.conv1(crops)))
    crops = F.relu(refiner.bn2(refiner.conv2(crops)))
    fine = F.pad(frame, (2, 2, 2, 2)).unfold(2, 8, 4).unfold(3, 8, 4)[sample, :, row, column]
    crops = torch.cat([F.interpolate(crops, size=(8, 8), mode="nearest"), fine], dim=1)
    crops = refiner.conv4(F.relu(refiner.bn3(refiner.conv3(crops))))

    out = _resize(torch.cat([pha, residual], dim=1), height, width)
    table = out.view(len(out), 4, height // 4, 4, width // 4, 4).permute(0, 2, 4, 1, 3, 5).contiguous()
    table[sample, row, column] = crops
    out = table.permute(0, 3, 1, 4, 2, 5).reshape(out.shape)
    return out[:, :1].clamp(0, 1), (out[:, 1:] + src).clamp(0, 1)


def _resize(x: Tensor, height: int, width: int) -> Tensor:
    return F.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)


def whole_image(pred: np.ndarray, true: np.ndarray) -> tuple[float, float, float, float]:
    """MAD, MSE, gradient and connectivity in NumPy and SciPy, an image at a time."""
    difference = np.abs(pred - true)
    gradient = (_gradient(pred) - _gradient(true)) ** 2
    return (
        1e3 * float(difference.mean()),
        1e3 * float((difference**2).mean()),
        1e-3 * float(gradient.sum()),
        1e-3 * _connectivity(pred, true),
    )


def _gradient(matte: np.ndarray) -> np.ndarray:
    low, high = matte.min(), matte.max()
    matte = (matte - low) / (high - low)
    offset = np.arange(-4, 5)
    bell = np.exp(-(offset**2) / (2 * 1.4**2))
    kernel = np.outer(bell, -offset * bell)
    kernel /= np.sqrt((kernel**2).sum())
    across = ndimage.correlate(matte, kernel, mode="nearest")
    down = ndimage.correlate(matte, kernel.T, mode="nearest")
    return np.sqrt(across**2 + down**2)


def _connectivity(pred: np.ndarray, true: np.ndarray) -> float:
    level = -np.ones_like(true)
    for step in range(1, 11):
        both = (pred >= step / 10 - 1e-6) & (true >= step / 10 - 1e-6)
        labels, count = ndimage.label(both)
        sizes = ndimage.sum(both, labels, range(1, count + 1))
        body = labels == 1 + int(np.argmax(sizes)) if count else np.zeros_like(both)
        level[(level == -1) & ~body] = (step - 1) / 10
    level[level == -1] = 1
    far = [np.where(matte - level >= 0.15, matte - level, 0) for matte in (pred, true)]
    return float(np.abs(far[0] - far[1]).sum())
