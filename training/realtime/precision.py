"""What each part of the network computes in."""

from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

Precision = Literal["float32", "bfloat16"]

TYPES: dict[Precision, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}

FIRST = {"mobilenetv2": ("features.0", "features.1", "features.2", "features.3"), "resnet": ("conv1", "bn1", "layer1")}
"""The encoder down to stride 4. It stays in float32: it finds a small difference of two large values, source and
captured background, of which bfloat16 keeps eight bits. All else in bfloat16 costs a third of the error that it does
with these, for a tenth of the time."""

FLAGS = ("avx512_bf16", "amx_bf16")


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


def encoder_in(backbone: nn.Module, name: str, dtype: torch.dtype) -> None:
    """Set an encoder's type, all but its first layers, which stay in float32 and hand over in ``dtype``."""
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

    def cast(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (inputs[0].to(dtype),)

    following.register_forward_pre_hook(cast)
