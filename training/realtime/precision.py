"""What each part of the network computes in."""

from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import nn

Precision = Literal["float32", "bfloat16", "int8"]

FIRST = {"mobilenetv2": ("features.0", "features.1", "features.2", "features.3"), "resnet": ("conv1", "bn1", "layer1")}
"""The encoder down to stride 4. It stays in float32: it finds a small difference of two large values, source and
captured background, of which bfloat16 keeps eight bits. All else in bfloat16 costs a third of the error that it does
with these, for a tenth of the time."""

FLAGS = ("avx512_bf16", "amx_bf16")
BYTE_FLAGS = ("avx512_vnni", "avx_vnni", "amx_int8")


def cpu_flags(source: Path = Path("/proc/cpuinfo")) -> list[str]:
    """The vector instructions of this processor as Linux names them, sorted; none where it does not say."""
    if not source.is_file():
        return []
    lines = source.read_text(encoding="utf-8", errors="replace").splitlines()
    named = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    return sorted(flag for flag in named if flag.startswith(("avx", "amx", "fma", "sse4", "asimd", "sve")))


def best_precision(flags: list[str] | None = None) -> Precision:
    """``bfloat16`` where the processor multiplies it; elsewhere it is emulated, slower than ``float32``."""
    found = cpu_flags() if flags is None else flags
    return "bfloat16" if any(flag in found for flag in FLAGS) else "float32"


def type_of(precision: Precision) -> torch.dtype:
    """What the convolutions compute in; of ``int8`` those that are not done in bytes.

    Raises ValueError for ``int8`` on a processor that does not multiply bytes, and for what is no precision.
    """
    if precision not in get_args(Precision):
        raise ValueError(f"precision: {precision!r} is none of {', '.join(get_args(Precision))}")
    if precision == "int8":
        if not multiplies_bytes():
            raise ValueError(
                f"precision: int8 needs a processor with one of {', '.join(BYTE_FLAGS)}; take {best_precision()}"
            )
        precision = best_precision()
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def multiplies_bytes(flags: list[str] | None = None) -> bool:
    """Whether ``int8`` is faster here than other precisions; elsewhere it is emulated, or not there at all."""
    found = cpu_flags() if flags is None else flags
    return any(flag in found for flag in BYTE_FLAGS) and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]


def precisions() -> list[Precision]:
    """What this processor is made for, slowest first."""
    found: list[Precision] = ["float32"]
    if best_precision() != "float32":
        found.append(best_precision())
    return [*found, "int8"] if multiplies_bytes() else found


def encoder_in(backbone: nn.Module, name: str, precision: Precision) -> None:
    """Set an encoder's type. In ``bfloat16`` its first layers stay in float32 and hand over in bfloat16."""
    dtype = type_of(precision)
    if dtype == torch.float32:
        return

    def cast(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (inputs[0].to(dtype),)

    if precision == "int8":  # which is coarser than that anyway
        backbone.to(dtype).register_forward_pre_hook(cast)
        return
    first = FIRST["mobilenetv2" if name == "mobilenetv2" else "resnet"]
    for part, layer in backbone.named_modules():
        # Not all and then some back: what was rounded once stays rounded.
        if (
            not list(layer.children())
            and not part.startswith(tuple(f"{kept}." for kept in first))
            and part not in first
        ):
            layer.to(dtype)
    following = backbone.get_submodule("features.4" if name == "mobilenetv2" else "layer2")
    following.register_forward_pre_hook(cast)
