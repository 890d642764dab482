"""Weights on disk: safetensors that say what network they are of, and published ``.pth`` files.

Nothing in a file is ever run: safetensors hold none, and pickles are read with ``weights_only``.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from curation.archives import refuse_bomb
from curation.storage import writing
from training.network.difference import CHANNELS
from training.network.encoder import Backbone
from training.network.matting import BaseNetwork, RefineNetwork, build_base, build_refine
from training.network.pretrained import adapt
from training.network.torchscript import is_torchscript, load_torchscript

HEADER = "cleanplate"
"""The one metadata key; safetensors writes several in any order, which would change the bytes from run to run."""

REFINER = "refiner."

EXTRA = ".extra"
"""How the names of weights end that see the difference of source and captured background."""

Network = TypeVar("Network", bound=BaseNetwork)

NEVER_MISSING = ("num_batches_tracked", EXTRA)

PUBLISHED_SPACE = "display"
"""What alpha mixed in the composites that the published weights were trained on."""


class Report(NamedTuple):
    """What became of each name when weights were put into a network; sorted."""

    matched: list[str]
    """In both, with the same shape: taken."""
    missing: list[str]
    """Only in the network: left as they were."""
    mismatched: list[str]
    """In both with different shapes, which are named: left as they were."""
    unexpected: list[str]
    """Only in the file: ignored."""

    @property
    def filled(self) -> frozenset[str]:
        """The parts of the network that were taken whole."""
        lost = {name.split(".")[0] for name in (*self.missing, *self.mismatched)}
        return frozenset(name.split(".")[0] for name in self.matched) - lost

    def __str__(self) -> str:
        """One line with the counts and the first names of what did not fit."""
        parts = [f"{len(self.matched)} tensors taken"]
        for name, names in (
            ("missing", self.missing),
            ("of another shape", self.mismatched),
            ("unknown", self.unexpected),
        ):
            if names:
                parts.append(f"{len(names)} {name} ({', '.join(names[:3])}{', ...' if len(names) > 3 else ''})")
        return ", ".join(parts)


def save(network: BaseNetwork, path: Path, metadata: Mapping[str, Any] | None = None) -> None:
    """Write a network's weights as safetensors, whole or not at all; the same weights and metadata give the same bytes.

    Args:
        network: what to save; what :func:`load_base` and :func:`load_refine` need to build it again goes along.
        path: the file, replaced by rename.
        metadata: JSON values to keep with it.
    """
    header = {"network": describe(network), "metadata": dict(metadata or {})}
    # Clones: safetensors refuses tensors that share memory, and wants them contiguous.
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in sorted(network.state_dict().items())}
    with writing(path) as temporary:
        save_file(tensors, temporary, metadata={HEADER: json.dumps(header, sort_keys=True)})


def describe(network: BaseNetwork) -> dict[str, Any]:
    """Kind and options of a network, as its builder takes them; JSON values."""
    # The published network is not called a variant: its files stay as they were.
    variant = {} if network.difference == "none" else {"difference": network.difference}
    if not isinstance(network, RefineNetwork):
        return {"kind": "base", "backbone": network.backbone_name, **variant}
    return {
        "kind": "refine",
        "backbone": network.backbone_name,
        **variant,
        "backbone_scale": network.backbone_scale,
        "refine_mode": network.refiner.mode,
        "refine_sample_pixels": network.refiner.sample_pixels,
        "refine_threshold": network.refiner.threshold,
        "refine_kernel_size": network.refiner.kernel_size,
    }


def load(path: Path) -> dict[str, Tensor]:
    """Read a state dict on the CPU, from ``.safetensors``, ``.pth``, ``.pt`` or ``.ckpt``, TorchScript files included.

    A state dict one level down (``state_dict``, ``model_state`` or ``model``) is found, and the ``module.`` that
    data-parallel training puts before each name is taken off.

    Raises:
        FileNotFoundError: no such file.
        ValueError: it holds no weights, or more than weights; the message says what to do.
    """
    if not path.is_file():
        raise FileNotFoundError(f"weights: {path} is missing; give the path of a .safetensors or .pth file")
    if path.suffix == ".safetensors":
        state = _load_safetensors(path)
    else:
        refuse_bomb(path)
        state = load_torchscript(path) if is_torchscript(path) else _load_pickle(path)
    if not state:
        raise ValueError(f"weights: {path} holds no tensors")
    for name, value in state.items():
        # One number with strides of 0 may stand for any shape: the first copy would fill the memory.
        if value.layout != torch.strided or value.numel() * value.element_size() > value.untyped_storage().nbytes():
            raise ValueError(f"weights: {path}: '{name}' {tuple(value.shape)} is not stored whole; save a plain copy")
    if all(name.startswith("module.") for name in state):
        state = {name.removeprefix("module."): value for name, value in state.items()}
    return state


def load_metadata(path: Path) -> dict[str, Any]:
    """What :func:`save` was given for ``metadata``; empty for files that it did not write."""
    found = _header(path).get("metadata") or {}
    return dict(found) if isinstance(found, dict) else {}


def load_space(path: Path) -> str:
    """What alpha mixes for a network's weights: ``linear`` light, or ``display`` values for files that do not say.

    Raises ValueError where the file names another space.
    """
    space = str(load_metadata(path).get("space", PUBLISHED_SPACE))
    if space not in ("linear", "display"):
        raise ValueError(
            f"weights: {path} mixes in space '{space}'; expected linear or display: train or fetch it again"
        )
    return space


def load_into(network: nn.Module, state: Mapping[str, Tensor] | Path, partial: bool = False) -> Report:
    """Put weights into a network, in place.

    Base weights go into a refine network, whose refiner then stays as it is, and refine weights into a base network.

    Args:
        network: the network.
        state: a state dict, or the file of one.
        partial: take what fits by name and shape and leave the rest; otherwise all but the refiner must fit.

    Returns:
        What became of each name. Never missing are a batch norm's ``num_batches_tracked``, which old files lack, and
        the weights of channels that the file's network was not shown (``extra``): they become 0, so that the network
        computes what the file's did.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the weights do not fit; nothing was changed.
    """
    given = load(state) if isinstance(state, Path) else state
    own = network.state_dict()
    fits = {name: name in given and given[name].shape == own[name].shape for name in own}
    report = Report(
        matched=sorted(name for name in own if fits[name]),
        missing=sorted(name for name in own if name not in given and not name.endswith(NEVER_MISSING)),
        mismatched=sorted(
            f"{name} {tuple(given[name].shape)} for {tuple(own[name].shape)}"
            for name in own
            if name in given and not fits[name]
        ),
        unexpected=sorted(name for name in given if name not in own),
    )
    _require_fit(report, partial, f"{state}" if isinstance(state, Path) else "these weights")
    taken = {name: given[name] for name in report.matched}
    for name in own:
        if name.endswith(EXTRA) and name not in given and name.removesuffix(EXTRA) + ".weight" in taken:
            taken[name] = torch.zeros_like(own[name])
    network.load_state_dict(taken, strict=False)
    return report


class Start(NamedTuple):
    """What training starts from."""

    words: str
    """One line: whose weights they are, what matched and what did not."""
    filled: frozenset[str]
    """The parts of the network that they fill; the others stay random."""


def start_from(network: BaseNetwork, path: Path) -> Start:
    """Put the weights that training starts from into a network: its own kind's, or an encoder's of another network.

    Raises:
        FileNotFoundError: no such file.
        ValueError: nothing in it fits, or it is of another one of this project's networks.
    """
    state = load(path)
    adapted = adapt(state)
    if adapted is None:
        try:
            report = load_into(network, state)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
        return Start(str(report), report.filled)
    report = load_into(network, adapted.state, partial=True)
    lost = [name for name in (*report.missing, *report.mismatched) if name.startswith("backbone.")]
    if lost:
        raise ValueError(
            f"weights: {path} is a {adapted.source}, which lacks {len(lost)} tensors of a {network.backbone_name} "
            f"({', '.join(lost[:3])}, ...); check 'backbone'"
        )
    unused = f"{len(adapted.unused)} have no place here"
    words = f"{adapted.source}, first convolution for 6 channels; {report}; {unused}"
    return Start(words, report.filled)


def convert(source: Path, path: Path) -> str:
    """Write any file of weights that is known here as safetensors.

    A whole network gets the header that builds it again. An encoder of another network stays as it was named:
    :func:`start_from` adapts it.

    Returns:
        What it holds, and where it can be used.

    Raises:
        ValueError: it holds no weights that are known here.
    """
    state = load(source)
    adapted = adapt(state)
    if adapted is not None:
        tensors = {name: value.contiguous().clone() for name, value in sorted(state.items())}
        with writing(path) as temporary:
            save_file(tensors, temporary)
        return f"{adapted.source}, {len(state)} tensors: for train_base.init"
    kind = _described(source, state)["kind"]
    network = load_refine(source) if kind == "refine" else load_base(source)
    save(network, path, {**load_metadata(source), "converted from": source.name})
    use = "train_base.init, train_refine.init and prediction" if kind == "refine" else "train_base.init"
    return f"{kind} network, {network.backbone_name}, {len(state)} tensors: for {use}"


def load_base(path: Path) -> BaseNetwork:
    """Build the base network a file is of, and fill it; of a refine file, its coarse part.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is of no such network.
    """
    state = load(path)
    found = _described(path, state)
    network = _built(path, lambda: build_base(found["backbone"], found.get("difference", "none")))
    _fill(network, state, path)
    return network


def load_refine(path: Path, **options: Any) -> RefineNetwork:
    """Build the refine network a file is of, and fill it.

    Args:
        path: the file.
        options: options of :func:`training.network.build_refine` that take the place of the file's own.

    Raises:
        FileNotFoundError: no such file.
        ValueError: the file is of no such network, or of a base network alone.
    """
    state = load(path)
    found = _described(path, state)
    if found.pop("kind", None) != "refine":
        raise ValueError(f"weights: {path} is of a base network, without a refiner; give the file of train_refine")
    network = _built(path, lambda: build_refine(**{**found, **options}))
    _fill(network, state, path)
    return network


def _built(path: Path, build: Callable[[], Network]) -> Network:
    """Build what a file's header describes: its words came as data."""
    try:
        return build()
    except (TypeError, KeyError) as error:
        raise ValueError(f"weights: the header of {path} describes no network known here: {error}") from error


def _fill(network: BaseNetwork, state: Mapping[str, Tensor], path: Path) -> None:
    try:
        load_into(network, state)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _require_fit(report: Report, partial: bool, source: str) -> None:
    if not report.matched:
        raise ValueError(f"weights: nothing in {source} fits this network: {report}")
    if partial:
        return
    lost = [name for name in report.missing if not name.startswith(REFINER)]
    # A refiner is taken whole or not at all.
    taken = any(name.startswith(REFINER) for name in report.matched)
    lost += [name for name in report.missing if name.startswith(REFINER) and taken]
    surplus = [name for name in report.unexpected if not name.startswith(REFINER)]
    if lost or surplus or report.mismatched:
        raise ValueError(
            f"weights: {source} are of another network: {report}; check 'backbone', 'difference' and the kernel size"
        )


def _described(path: Path, state: Mapping[str, Tensor]) -> dict[str, Any]:
    """Kind and options of the network: as the file says, or guessed from its names."""
    found = _header(path).get("network")
    if isinstance(found, dict) and found:
        return {str(name): value for name, value in found.items()}
    first = state.get(f"{REFINER}conv1.weight")
    backbone = _backbone(state)
    if backbone is None:
        raise ValueError(f"weights: {path} is of no network known here: names such as {', '.join(sorted(state)[:3])}")
    shown = {state[name].shape[1] for name in state if name.endswith(EXTRA)}
    kind = next((kind for kind, channels in CHANNELS.items() if channels in shown), None)
    variant = {} if kind is None else {"difference": kind}
    if first is None:
        return {"kind": "base", "backbone": backbone, **variant}
    return {"kind": "refine", "backbone": backbone, **variant, "refine_kernel_size": int(first.shape[-1])}


def _backbone(state: Mapping[str, Tensor]) -> Backbone | None:
    if "backbone.features.0.0.weight" in state:
        return "mobilenetv2"
    if "backbone.layer3.22.conv1.weight" in state:
        return "resnet101"
    return "resnet50" if "backbone.layer3.5.conv1.weight" in state else None


def _header(path: Path) -> dict[str, Any]:
    if path.suffix != ".safetensors":
        return {}
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(HEADER)
        found = json.loads(text) if text else {}
    except (SafetensorError, ValueError, RecursionError) as error:
        raise ValueError(f"weights: the header of {path} is damaged ({error}); fetch or make it again") from error
    return found if isinstance(found, dict) else {}


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
    except SafetensorError as error:
        raise ValueError(f"weights: {path} is no whole safetensors file ({error}); fetch or make it again") from error


def _load_pickle(path: Path) -> dict[str, Tensor]:
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # an unpickler raises anything at all on bytes that are no pickle
        raise ValueError(
            f"weights: {path} cannot be read as weights without running what is in it ({type(error).__name__}); "
            "give a state dict saved by torch.save or a .safetensors file"
        ) from error
    for name in ("state_dict", "model_state", "model"):
        if isinstance(found, dict) and isinstance(found.get(name), dict):
            found = found[name]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ValueError(f"weights: {path} holds no state dict (name -> tensor)")
    return found
