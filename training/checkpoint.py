"""Everything a run needs to go on: weights, average, optimizer, step, record, and what it was made with.

One safetensors file a checkpoint, whose header holds the rest as JSON: loading one runs nothing that came as data.
Rates, the order of samples, augmentation and dropout hang on (seed, step) alone, so the step stands for all of them.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from curation.storage import writing

KEPT = 2
VERSION = 1


class Checkpoint(NamedTuple):
    """A run between two steps."""

    step: int
    """Steps done."""
    tensors: dict[str, Tensor]
    """As :func:`gather` names them."""
    record: dict[str, Any]
    """State of the :class:`training.record.Record`."""
    scaler: dict[str, Any]
    """State of the loss scaler of 16-bit floats, empty without one."""
    made_with: dict[str, Any]
    """Configuration and data."""


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint under its final name only when it is whole; the last two stay, older ones go."""
    path = folder / f"step-{checkpoint.step:08d}.safetensors"
    header = {name: value for name, value in checkpoint._asdict().items() if name != "tensors"}
    header["version"] = VERSION
    with writing(path) as temporary:
        # One key: safetensors writes several in any order.
        save_file(checkpoint.tensors, temporary, metadata={"checkpoint": json.dumps(header, sort_keys=True)})
    for old in _all(folder)[:-KEPT]:
        old.unlink()
    return path


def _all(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-????????.safetensors"))


def newest(folder: Path) -> Path | None:
    """The checkpoint to go on from, or None."""
    return next(reversed(_all(folder)), None)


def newest_step(folder: Path) -> int:
    """Steps done according to the newest checkpoint, 0 without one."""
    path = newest(folder)
    return int(path.stem.removeprefix("step-")) if path else 0


def load(path: Path, made_with: Mapping[str, Any]) -> Checkpoint:
    """Read a checkpoint made with the same configuration and data.

    Raises:
        ValueError: it was made with others, which are named, or it is no checkpoint.
    """
    with safe_open(path, framework="pt") as file:
        text = (file.metadata() or {}).get("checkpoint")
        if text is None:
            raise ValueError(f"{path} is no training checkpoint; remove it to start over")
        header = json.loads(text)
        if header.pop("version") != VERSION:
            raise ValueError(f"{path} was written by another version of cleanplate; remove it to start over")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
    expected = json.loads(json.dumps(dict(made_with)))
    different = [
        f"{name} was {header['made_with'].get(name)!r}, now {expected.get(name)!r}"
        for name in sorted(set(expected) | set(header["made_with"]))
        if header["made_with"].get(name) != expected.get(name)
    ]
    if different:
        raise ValueError(f"{path} cannot be resumed: {'; '.join(different)}; remove {path.parent} to start over")
    return Checkpoint(tensors=tensors, **header)


def gather(network: nn.Module, optimizer: Optimizer, average: nn.Module | None) -> dict[str, Tensor]:
    """All tensors of a run by name: ``network.NAME``, ``average.NAME``, ``optimizer.PARAMETER.STATE``."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    if average is not None:
        tensors |= {f"average.{name}": value for name, value in average.state_dict().items()}
    for name, parameter in network.named_parameters():
        # A parameter that never had a gradient has no state.
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer.{name}.{key}"] = value
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}


def restore(tensors: Mapping[str, Tensor], network: nn.Module, optimizer: Optimizer, average: nn.Module | None) -> None:
    """Put back what :func:`gather` took, on the device and in the memory format of the network's parameters."""
    network.load_state_dict(_below(tensors, "network."))
    if average is not None:
        average.load_state_dict(_below(tensors, "average."))
    states = _below(tensors, "optimizer.")
    for name, parameter in network.named_parameters():
        state = _below(states, f"{name}.")
        # A moment must lie in memory as its parameter does: the fused update walks both without looking at strides.
        if state:
            optimizer.state[parameter] = {key: _like(parameter, value) for key, value in state.items()}


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _like(parameter: nn.Parameter, value: Tensor) -> Tensor:
    if value.ndim == 0:  # the count of steps
        return value.to(parameter.device)
    return torch.empty_like(parameter, requires_grad=False).copy_(value)
