"""The running average of a network's weights."""

import copy

import torch

from training.network import BaseNetwork


class Average:
    """An exponential moving average of weights and batch-norm statistics, usually better than the last step's.

    The first steps count less (the decay grows as (1 + step) / (10 + step)), so that the initial weights fade quickly.
    """

    def __init__(self, network: BaseNetwork, decay: float) -> None:
        if not 0 < decay < 1:
            raise ValueError(f"ema is {decay}; expected a decay between 0 and 1, such as 0.999, or null")
        self.decay = decay
        self.network = copy.deepcopy(network).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, network: BaseNetwork, step: int) -> None:
        """Take in the weights after a step, counted from 0."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        current = network.state_dict()
        for name, value in self.network.state_dict().items():
            if value.is_floating_point():
                value.lerp_(current[name], share)
            else:
                value.copy_(current[name])
