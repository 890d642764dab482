"""Networks small enough for tests, and not so plain that every pixel comes out alike."""

import torch

from training.network import build_refine
from training.network.matting import RefineNetwork


def uneven(scale=0.5, mode="sampling", pixels=320, kernel=3, difference="none") -> RefineNetwork:
    """A network whose error map is not the same everywhere and whose coarse alpha is soft."""
    network = build_refine("mobilenetv2", scale, mode, pixels, 0.1, kernel, difference).eval()
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.startswith(("decoder.conv4", "refiner")) and value.ndim != 1:
                value.add_(0.05 * torch.randn(value.shape, generator=generator))
        network.decoder.conv4.bias[0] += 0.5
        network.decoder.conv4.bias[4] += 0.1
        network.refiner.conv4.weight *= 0.1
        network.refiner.conv4.bias[0] += 0.5
    return network
