"""Initial weights from which little training gets far.

Nothing here has read an image: what the networks are about to learn first is written down in their weights. The
captured background matters by its difference to the source; a matte that knows nothing yet is 0.5, and a foreground
that knows nothing is the source; a refiner that knows nothing leaves the coarse result as it is.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torchvision.models.mobilenetv2 import InvertedResidual
from torchvision.models.resnet import Bottleneck

from training.network.decoder import HIDDEN, Decoder
from training.network.difference import WideConv2d
from training.network.encoder import MobileNetV2Encoder, ResNetEncoder
from training.network.refiner import Refiner

Start = Literal["shaped", "published"]
"""How weights begin from scratch: ``shaped`` as described above, ``published`` as the published code's libraries draw
them."""

DIFFERENCE_SHARE = 0.5
"""Share of the first convolution's filters that see the difference of source and captured background."""

GENTLE = 0.1
"""Factor on the weights of the decoder's clamped outputs: they begin well inside [0, 1]."""

START_ALPHA = 0.5
START_ERROR = 0.1
"""Above 0: with an error of 0 everywhere the refiner would be given nothing to do."""

DIFFERENCE_SLOPE = 3.0
DIFFERENCE_FLOOR = 0.3
"""Alpha starts at ``DIFFERENCE_SLOPE`` times what the shown difference is above ``DIFFERENCE_FLOOR``."""

ALPHA_SPREAD = 0.35
"""Standard deviation of alpha among the pixels that are refined."""

RESIDUAL_SPREAD = 0.1
"""The same of the foreground residual."""

LIFT = 2.0
"""Standard deviations by which passed-through values are lifted above 0, so that ReLU lets them through."""


def initialise(network: nn.Module, seed: int, start: Start = "shaped") -> None:
    """Draw all weights of a base or refine network anew, in place.

    ``shaped``: convolutions are drawn after He et al. 2015; then the first one, the last ones and the refiner are
    shaped. ``published``: as PyTorch and torchvision draw them. The generator is the function's own: the global one is
    neither read nor moved, and the weights hang on ``seed`` alone. Weights for the difference of source and captured
    background, where the network is shown it, are 0, but for alpha's with ``shaped``.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, WideConv2d):
                module.extra.zero_()
        if start == "published":
            _as_published(network, generator)
            return
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                _draw(module, generator)
            elif isinstance(module, nn.BatchNorm2d):
                module.reset_parameters()
        for module in network.modules():
            if isinstance(module, MobileNetV2Encoder | ResNetEncoder):
                _see_differences(next(layer for layer in module.modules() if isinstance(layer, nn.Conv2d)).weight)
                _skip_blocks(module)
            elif isinstance(module, Decoder):
                _start_gently(module.conv4)
                if isinstance(module.conv4, WideConv2d):
                    _start_at_the_difference(module.conv4)
            elif isinstance(module, Refiner):
                _pass_through(module)


def _draw(convolution: nn.Conv2d, generator: torch.Generator) -> None:
    weight = convolution.weight
    outputs, _, height, width = weight.shape
    deviation = math.sqrt(2 / (outputs * height * width))
    # Drawn on the CPU: the numbers do not hang on the device.
    weight.copy_(torch.randn(weight.shape, generator=generator) * deviation)
    if convolution.bias is not None:
        convolution.bias.zero_()


def _as_published(network: nn.Module, generator: torch.Generator) -> None:
    """Encoder after He et al. 2015, but for its first convolution, which the published code replaced; the rest uniform.

    That is torchvision's choice, and PyTorch's own for a convolution: up to 1 / sqrt(inputs of one output).
    """
    kept: set[nn.Module] = set()
    for encoder in network.modules():
        if isinstance(encoder, MobileNetV2Encoder | ResNetEncoder):
            kept.update([layer for layer in encoder.modules() if isinstance(layer, nn.Conv2d)][1:])
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        elif isinstance(module, nn.Conv2d):
            if module in kept:
                _draw(module, generator)
                continue
            bound = 1 / math.sqrt(module.weight[0].numel())
            for parameter in (module.weight, module.bias):
                if parameter is not None:
                    parameter.copy_((2 * torch.rand(parameter.shape, generator=generator) - 1) * bound)


def _see_differences(weight: Tensor) -> None:
    """Let a share of the filters (C, 6, k, k) see ``src - bgr`` only: the background's weights are the negatives."""
    count = int(len(weight) * DIFFERENCE_SHARE)
    weight[:count, 3:] = -weight[:count, :3]


def _skip_blocks(encoder: nn.Module) -> None:
    """Start each residual block as its shortcut: a shallow network learns first (Goyal et al. 2017, section 5.1)."""
    for block in encoder.modules():
        if isinstance(block, Bottleneck):
            block.bn3.weight.zero_()
        elif isinstance(block, InvertedResidual) and block.use_res_connect:
            block.conv[-1].weight.zero_()


def _start_gently(last: nn.Conv2d) -> None:
    """Start alpha near 0.5, the foreground near the source and the error near 0.1."""
    assert last.bias is not None
    last.weight[:5] *= GENTLE
    last.bias[0] = START_ALPHA
    last.bias[4] = START_ERROR


def _start_at_the_difference(last: WideConv2d) -> None:
    """Start alpha at the mean difference around each pixel, stretched: a plain matte by difference."""
    assert last.bias is not None
    last.extra[0] = DIFFERENCE_SLOPE / last.extra[0].numel()
    last.bias[0] = -DIFFERENCE_SLOPE * DIFFERENCE_FLOOR


def _pass_through(refiner: Refiner) -> None:
    """Carry coarse alpha and residual through four channels of each layer to the output.

    Each batch norm takes mean and deviation away; what follows adds an assumed one again. With the running statistics
    set here (so in evaluation) the refiner gives back exactly what it was given, and in training nearly.
    """
    mean = torch.tensor([START_ALPHA, 0.0, 0.0, 0.0])
    spread = torch.tensor([ALPHA_SPREAD, RESIDUAL_SPREAD, RESIDUAL_SPREAD, RESIDUAL_SPREAD])
    # Channels of the first layer's input: hidden features, then alpha and residual.
    _carry(refiner.conv1, HIDDEN)
    _carry(refiner.conv2, 0)
    _carry(refiner.conv3, 0)
    _expect(refiner.bn1, mean, spread.square())
    _expect(refiner.bn2, torch.full((4,), LIFT), torch.ones(4))
    _expect(refiner.bn3, torch.full((4,), LIFT), torch.ones(4))
    last = refiner.conv4
    assert last.bias is not None
    last.weight.zero_()
    middle = last.weight.shape[-1] // 2
    for channel in range(4):
        last.weight[channel, channel, middle, middle] = spread[channel]
    last.bias.copy_(mean - LIFT * spread)


def _carry(convolution: nn.Conv2d, source: int) -> None:
    """Make the first four outputs copies of the four inputs from ``source`` on."""
    middle = convolution.weight.shape[-1] // 2
    convolution.weight[:4] = 0
    for channel in range(4):
        convolution.weight[channel, source + channel, middle, middle] = 1


def _expect(norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    """Set what a batch norm believes of its first four channels, and lift them above 0."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    norm.running_mean[:4] = mean
    norm.running_var[:4] = variance - norm.eps
    norm.bias[:4] = LIFT
