"""Everything a run needs to go on: weights, average, optimizer, step, record, and what it was made with.

One safetensors file a checkpoint, whose header holds the rest as JSON: loading one runs nothing that came as data.
Rates, the order of samples, augmentation and dropout hang on (seed, step) alone, so the step stands for all of them.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

from curation.identity import file_id, item_id
from curation.storage import writing
from training.config import TrainParams

KEPT = 3
VERSION = 1

log = logging.getLogger("cleanplate.train")


class ChangedError(ValueError):
    """A checkpoint was made with another configuration or other data; the message says which."""


class DamagedError(ValueError):
    """A checkpoint does not hold what was written."""


class Checkpoint(NamedTuple):
    """A run between two steps."""

    step: int
    """Steps done."""
    tensors: dict[str, Tensor]
    """As :func:`gather` names them."""
    record: dict[str, Any]
    """State of the :class:`training.watch.record.Record`."""
    scaler: dict[str, Any]
    """State of the loss scaler of 16-bit floats, empty without one."""
    made_with: dict[str, Any]
    """Configuration and data."""
    changes: tuple[dict[str, Any], ...] = ()
    """What was changed in mid-run: ``step``, and ``changed``, a line each."""
    partial: bool = False
    """Whether tensors may be missing or have other shapes, since the configuration changed."""


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write a checkpoint under its final name only when it is whole; the last three stay, older ones go."""
    path = folder / f"step-{checkpoint.step:08d}.safetensors"
    header = {name: value for name, value in checkpoint._asdict().items() if name != "tensors"}
    header["version"] = VERSION
    header["digest"] = _digest(checkpoint.tensors, header)
    with writing(path) as temporary:
        # One key: safetensors writes several in any order.
        save_file(checkpoint.tensors, temporary, metadata={"checkpoint": json.dumps(header, sort_keys=True)})
    for old in _all(folder)[:-KEPT]:
        old.unlink()
    return path


def _digest(tensors: Mapping[str, Tensor], header: Mapping[str, Any]) -> str:
    """Hash what a checkpoint holds: the one bit that a disk loses among the weights would be trained on unseen."""
    as_read = json.loads(json.dumps(header))  # keys become words, which may sort otherwise
    digest = hashlib.blake2b(json.dumps(as_read, sort_keys=True).encode(), digest_size=16)
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(item_id(name, str(tensor.dtype), *tensor.shape).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _all(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-????????.safetensors"))


def newest(folder: Path) -> Path | None:
    """The checkpoint to go on from, or None."""
    return next(reversed(_all(folder)), None)


def newest_step(folder: Path) -> int:
    """Steps done according to the newest checkpoint, 0 without one."""
    path = newest(folder)
    return int(path.stem.removeprefix("step-")) if path else 0


def read(path: Path, tensors: bool = True) -> Checkpoint:
    """Read a checkpoint, whatever it was made with, with or without its tensors.

    Raises:
        ValueError: it is no checkpoint, its header is damaged, or it is of another version.
        DamagedError, SafetensorError: it is damaged; the first where only the content tells, which needs the tensors.
    """
    with safe_open(path, framework="pt") as file:
        text = (file.metadata() or {}).get("checkpoint")
        if text is None:
            raise ValueError(f"{path} is no training checkpoint; remove it to start over")
        header = _header(path, text)
        digest = header.pop("digest", None)
        found = {name: file.get_tensor(name) for name in file.keys()} if tensors else {}  # noqa: SIM118
    # Those of earlier releases have none.
    if tensors and digest is not None and digest != _digest(found, header):
        raise DamagedError(f"{path} does not hold what was written: bits changed; remove it to go on from another")
    del header["version"]
    header["changes"] = tuple(header.get("changes", ()))
    return Checkpoint(tensors=found, **header)


def _header(path: Path, text: str) -> dict[str, Any]:
    """The fields of a checkpoint that are no tensors, each of the kind that it must be."""
    try:
        header: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the header of {path} is damaged ({error}); remove it to start over") from error
    if not isinstance(header, dict) or header.get("version") != VERSION:
        raise ValueError(f"{path} was written by another version of cleanplate; remove it to start over")
    optional: dict[str, type] = {"changes": list, "partial": bool, "digest": str}
    kinds: dict[str, type] = {
        "version": int,
        "step": int,
        "record": dict,
        "scaler": dict,
        "made_with": dict,
        **optional,
    }
    odd = [name for name in header if not isinstance(header[name], kinds.get(name, type(None)))]
    odd += [name for name in kinds if name not in header and name not in optional]
    if odd:
        raise ValueError(f"the header of {path} has no fitting {', '.join(odd[:5])}; remove it to start over")
    return header


def newest_header(folder: Path) -> tuple[Path, Checkpoint] | None:
    """The newest checkpoint that is whole and can be read, without its tensors; None where there is none."""
    for path in reversed(_all(folder)):
        try:
            return path, read(path, tensors=False)
        except (SafetensorError, ValueError) as error:
            log.warning("%s is passed over: %s", path, error)
    return None


def load(path: Path, made_with: Mapping[str, Any]) -> Checkpoint:
    """Read a checkpoint made with the same configuration and data.

    Raises:
        ChangedError: it was made with others, which are named.
        ValueError, DamagedError, SafetensorError: as :func:`read`.
    """
    found = read(path)
    different = differences(found.made_with, made_with)
    if different:
        raise ChangedError(f"{path} cannot be resumed: {'; '.join(different)}; remove {path.parent} to start over")
    return found


def load_newest(folder: Path, made_with: Mapping[str, Any]) -> Checkpoint | None:
    """Read the newest checkpoint that is whole, or None where there is none. Raises as :func:`load`."""
    for path in reversed(_all(folder)):
        try:
            return load(path, made_with)
        except (DamagedError, SafetensorError) as error:
            # A file is renamed when it is whole, but a disk that loses power may still lose its end.
            log.warning("%s is damaged (%s); looking for the one before it", path, error)
    return None


def settings(kind: str, params: TrainParams, data: str, space: str, init: Path | None) -> dict[str, Any]:
    """What a run must have in common with a checkpoint to go on from it, as JSON values.

    ``data`` is the fingerprint of the samples; the weights that it starts from count by their content. Who computes is
    no part of it: any number of devices goes on with a checkpoint of any other.
    """
    begun = None if init is None else file_id(init)
    # Beside parameters named data, init and start.
    ours = {"kind": kind, "data_id": data, "space": space, "init_id": begun}
    return ours | params.model_dump(mode="json", exclude={"devices"})


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs, a line a key: ``rates.decoder: 0.001 -> 0.002``."""
    before, after = dict(_flat(json.loads(json.dumps(dict(old))))), dict(_flat(json.loads(json.dumps(dict(new)))))
    missing = object()

    def shown(values: Mapping[str, Any], name: str) -> str:
        return json.dumps(values[name]) if name in values else "(none)"

    return [
        f"{name}: {shown(before, name)} -> {shown(after, name)}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name, missing) != after.get(name, missing)
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def adopt(path: Path, folder: Path, made_with: Mapping[str, Any], changed: list[str], partial: bool) -> Path:
    """Copy a checkpoint of another run into ``folder``, as this run's own, noting what changed from here on."""
    found = read(path)
    changes = (*found.changes, {"step": found.step, "changed": changed}) if changed else found.changes
    return save(folder, found._replace(made_with=dict(made_with), changes=changes, partial=partial))


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


def restore(
    tensors: Mapping[str, Tensor],
    network: nn.Module,
    optimizer: Optimizer,
    average: nn.Module | None,
    partial: bool = False,
) -> None:
    """Put back what :func:`gather` took, on the device and in the memory format of the network's parameters.

    With ``partial`` only what fits by name and shape is put back, and the log says how much that is.

    Raises:
        ValueError: a tensor is missing or has another shape; with ``partial``: none of the network's fits.
    """
    _load(network, _below(tensors, "network."), partial, "weights")
    if average is not None:
        # An average that was switched on in mid-run starts from the weights.
        kept = _below(tensors, "average.") or (network.state_dict() if partial else {})
        _load(average, kept, partial, "averaged weights")
    states = _below(tensors, "optimizer.")
    learning = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    for name, parameter in network.named_parameters():
        state = _below(states, f"{name}.")
        if partial and (
            id(parameter) not in learning
            or any(value.ndim and value.shape != parameter.shape for value in state.values())
        ):
            continue
        # A moment must lie in memory as its parameter does: the fused update walks both without looking at strides.
        if state:
            optimizer.state[parameter] = {key: _like(parameter, value) for key, value in state.items()}


def _load(module: nn.Module, tensors: Mapping[str, Tensor], partial: bool, what: str) -> None:
    wanted = module.state_dict()
    fitting = {n: t for n, t in tensors.items() if n in wanted and wanted[n].shape == t.shape}
    if len(fitting) < len(wanted) or (len(fitting) < len(tensors) and not partial):
        odd = sorted((wanted.keys() | tensors.keys()) - fitting.keys())
        words = f"{len(fitting)} of {len(wanted)} {what} of the checkpoint fit, not {', '.join(odd[:3])}"
        if not partial or not fitting:
            raise ValueError(f"{words}{' and more' if len(odd) > 3 else ''}; set CLEANPLATE_RESUME=fresh to start over")
        log.warning("%s", words)
    module.load_state_dict(fitting, strict=False)


def _below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _like(parameter: nn.Parameter, value: Tensor) -> Tensor:
    if value.ndim == 0:  # the count of steps
        return value.to(parameter.device)
    return torch.empty_like(parameter, requires_grad=False).copy_(value)
