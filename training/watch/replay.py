"""A step that went wrong, taken again and watched layer by layer."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.devices.device import build_fabric, choose_device, reproducible
from training.loop import rebuild
from training.samples.data import Images, dropout_seed, micro_batches, to_images
from training.watch.divergence import Incident


class Layer(NamedTuple):
    """What a module gave in the forward pass."""

    name: str
    kind: str
    """Its class."""
    shape: tuple[int, ...]
    largest: float
    """Largest magnitude among the finite values of the output."""
    entered: float
    """The same of what went in."""
    broken: float
    """Share of the output that is not finite, 0 to 1."""
    samples: list[int]
    """Of the batch, counted from 0: those with such values; empty where the output has no place for each sample."""


class Gradient(NamedTuple):
    """The gradient of a part of the network, before clipping."""

    part: str
    norm: float
    """Euclidean, over the finite values."""
    largest: float
    """Largest magnitude among the finite values."""
    where: str
    """The parameter that it belongs to; one with values that are not finite where there is one."""
    broken: float
    """Share that is not finite, 0 to 1."""


class Taken(NamedTuple):
    """What a step did at one precision."""

    precision: str
    terms: dict[str, float]
    """The loss terms and their ``total``."""
    samples: list[dict[str, float]]
    """The same of each sample alone, from the forward pass of them all."""
    first: Layer | None
    """The first layer whose output is not finite."""
    largest: Layer
    """The layer with the largest output."""
    gradients: list[Gradient]
    """By part, the largest first."""
    pulls: list[float]
    """For each sample the largest magnitude of the loss's gradient at the network's outputs; may be no number."""
    pha: Tensor
    """(B, 1, H, W) float32: predicted alpha."""


def precisions(incident: Incident, device: str) -> list[str]:
    """The run's precision, where the device has it, and float32."""
    run = incident.params.precision
    return list(dict.fromkeys([run, "32-true"] if run != "16-mixed" or device == "cuda" else ["32-true"]))


def replay(incident: Incident, accelerator: str = "auto") -> list[Taken]:
    """Take a step again at each of :func:`precisions`, with its weights, crops and dropout masks.

    Raises ValueError for an accelerator that is not there.
    """
    device, _ = choose_device(accelerator)
    return [take(incident, precision, device) for precision in precisions(incident, device)]


def broken_weights(weights: Mapping[str, Tensor]) -> list[str]:
    """Names of the weights that were not finite before the step already.

    Batch norm's running statistics do not count: the step that went wrong has moved them, and training reads none.
    """
    own = {name: value for name, value in weights.items() if "running_" not in name and value.is_floating_point()}
    return [name for name, value in own.items() if not value.isfinite().all()]


def take(incident: Incident, precision: str, device: str) -> Taken:
    """Take a step again at one precision on ``cpu`` or ``cuda``."""
    # A layer whose results are computed twice, or that was compiled away, cannot be watched.
    changes = {"precision": precision, "compile": False, "checkpointing": False, "devices": 1, "diverge": None}
    params = incident.params.model_copy(update=changes)
    with reproducible(device, params.threads):
        run = rebuild(incident.kind, params, build_fabric(params, device))  # type: ignore[arg-type]
        run.network.load_state_dict(incident.weights)
        watched = _Watched(run.network, len(incident.batch.positions) // params.accumulate)
        outputs: list[Any] = []
        catch = run.module.register_forward_hook(lambda module, given, out: outputs.append(out))
        torch.manual_seed(dropout_seed(params.seed, incident.step))
        terms: dict[str, float] = {}
        samples: list[dict[str, float]] = []
        pulls: list[float] = []
        for part in micro_batches(to_images(incident.batch, run.fabric.device), params.accumulate):
            found = run.losses(part)
            total = torch.stack(list(found.values())).sum()
            for name, value in [*found.items(), ("total", total)]:
                terms[name] = terms.get(name, 0.0) + float(value.detach()) / params.accumulate
            pull = _Pull(outputs[-1], len(part.pha))
            run.fabric.backward(total / params.accumulate)
            pulls += pull.largest
            samples += _alone(run, outputs[-1], part)
            watched.first_sample += len(part.pha)
        catch.remove()
        # Takes the loss scaler's factor away again, and changes nothing else.
        run.fabric.clip_gradients(run.module, run.stepper, max_norm=math.inf, error_if_nonfinite=False)
        pha = torch.cat([out.pha.detach().float().cpu() for out in outputs])
        assert watched.largest is not None
        return Taken(precision, terms, samples, watched.first, watched.largest, _gradients(run.network), pulls, pha)


class _Watched:
    """Notes of each module what comes out of it."""

    def __init__(self, network: nn.Module, batch: int) -> None:
        self.first: Layer | None = None
        self.largest: Layer | None = None
        self.first_sample = 0
        self._batch = batch
        for name, module in network.named_modules():
            module.register_forward_hook(self._hook(name or "outputs"))

    def _hook(self, name: str) -> Any:
        def note(module: nn.Module, given: tuple[Any, ...], out: Any) -> None:
            for tensor in _tensors(out):
                bad = ~tensor.detach().isfinite()
                largest = _largest(tensor)
                broken = float(bad.float().mean())
                # Children report before the module that holds them: what it only passes on is not new.
                breaks = broken > 0 and self.first is None
                if not breaks and self.largest is not None and largest <= self.largest.largest:
                    continue
                samples = []
                if len(tensor) == self._batch:
                    rows = bad.flatten(1).any(1).nonzero().flatten().tolist()
                    samples = [self.first_sample + row for row in rows]
                entered = max((_largest(each) for each in _tensors(given)), default=0.0)
                kind = type(module).__name__
                layer = Layer(name, kind, tuple(tensor.shape), largest, entered, broken, samples)
                if breaks:
                    self.first = layer
                if self.largest is None or largest > self.largest.largest:
                    self.largest = layer

        return note


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        if value.is_floating_point() and value.numel():
            yield value
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _tensors(each)


def _largest(tensor: Tensor) -> float:
    return float(tensor.detach().float().nan_to_num(0.0, 0.0, 0.0).abs().max())


class _Pull:
    """Notes the gradient that reaches a network's outputs, sample by sample."""

    def __init__(self, out: Any, count: int) -> None:
        self.largest = [0.0] * count
        for tensor in _tensors(out):
            if tensor.requires_grad and len(tensor) == count:
                tensor.register_hook(self._note)  # type: ignore[no-untyped-call]

    def _note(self, gradient: Tensor) -> None:
        for sample, each in enumerate(gradient.detach().float().abs().flatten(1).amax(1).tolist()):
            if math.isnan(each) or each > self.largest[sample]:
                self.largest[sample] = each


@torch.no_grad()
def _alone(run: Any, out: Any, images: Images) -> list[dict[str, float]]:
    """The loss of each sample: the network's outputs stay those of the whole batch, whose statistics they share."""
    module = run.module
    found = []
    try:
        for at in range(len(images.pha)):
            one = type(out)(*(tensor[at : at + 1].detach() for tensor in out))
            run.module = lambda *given, one=one, **options: one
            terms = {name: float(v) for name, v in run.losses(Images(*(each[at : at + 1] for each in images))).items()}
            found.append({**terms, "total": sum(terms.values())})
    finally:
        run.module = module
    return found


def _gradients(network: nn.Module) -> list[Gradient]:
    parts: dict[str, list[tuple[str, Tensor]]] = {}
    for name, parameter in network.named_parameters():
        if parameter.grad is not None:
            parts.setdefault(name.split(".")[0], []).append((name, parameter.grad.float()))
    found = []
    for part, members in parts.items():
        bad = {name: int((~grad.isfinite()).sum()) for name, grad in members}
        high = {name: _largest(grad) for name, grad in members}
        norm = math.sqrt(sum(float(g.nan_to_num(0.0, 0.0, 0.0).double().square().sum()) for _, g in members))
        where = max(high, key=lambda name: (bad[name] > 0, high[name]))
        share = sum(bad.values()) / sum(grad.numel() for _, grad in members)
        found.append(Gradient(part, norm, max(high.values()), where, share))
    return sorted(found, key=lambda each: (each.broken, each.norm), reverse=True)


def picture(incident: Incident, taken: Taken, sample: int) -> NDArray[np.uint8]:
    """A sample as the step saw it, side by side: source, background, foreground, true and predicted alpha.

    Returns (H, 5 W, 3) RGB uint8; what is no number in the prediction is magenta.
    """
    src, bgr, fgr, pha = (layer[sample].numpy() for layer in incident.batch[:4])
    predicted = taken.pha[sample, 0].numpy()
    grey = (np.nan_to_num(predicted.clip(0, 1)) * 255).round().astype(np.uint8)
    shown = np.repeat(grey[..., None], 3, axis=2)
    shown[~np.isfinite(predicted)] = (255, 0, 255)
    return np.concatenate([src, bgr, fgr, np.repeat(pha, 3, axis=2), shown], axis=1)
