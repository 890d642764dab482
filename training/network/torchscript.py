"""The tensors of a TorchScript file, read without running any of its program.

``torch.jit.load`` compiles what a file brings along and may call it. A TorchScript file is a zip archive: its
``data.pkl`` is a pickle of the modules' attributes, and each storage is a file of raw bytes beside it. Here the pickle
is read with classes that only hold attributes, and everything else that a pickle could call is refused.
"""

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor

STORAGES = {
    "FloatStorage": torch.float32, "HalfStorage": torch.float16, "DoubleStorage": torch.float64,
    "BFloat16Storage": torch.bfloat16, "LongStorage": torch.int64, "IntStorage": torch.int32,
    "ShortStorage": torch.int16, "CharStorage": torch.int8, "ByteStorage": torch.uint8, "BoolStorage": torch.bool,
}  # fmt: skip
MOST_PARTS = 100_000
"""Modules in a file, each counted as often as it is used: the largest networks have some thousands."""
LISTS = ("build_intlist", "build_tensorlist", "build_doublelist", "build_boollist", "restore_type_tag")


def is_torchscript(path: Path) -> bool:
    """Whether a file is a TorchScript archive."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def load_torchscript(path: Path) -> dict[str, Tensor]:
    """Read parameters and buffers by their dotted names.

    Raises:
        ValueError: the file is torn, or wants something that is no tensor.
    """
    found: dict[str, Tensor] = {}
    try:
        with zipfile.ZipFile(path) as archive:
            (data,) = [name for name in archive.namelist() if name.count("/") == 1 and name.endswith("/data.pkl")]
            with archive.open(data) as file:
                root = _Unpickler(file, archive, data.removesuffix(".pkl")).load()
        _collect(root, "", found, [MOST_PARTS])
    except Exception as error:  # an unpickler raises anything at all on bytes that are no pickle
        raise ValueError(f"weights: {path} cannot be read as a TorchScript file ({error})") from error
    return found


class _Module:
    """A scripted module, reduced to its attributes."""


def _collect(module: Any, prefix: str, found: dict[str, Tensor], left: list[int]) -> None:
    left[0] -= 1
    if left[0] < 0:  # modules that share their parts can be walked in more ways than a machine has time
        raise ValueError(f"it has more than {MOST_PARTS:,} modules")
    for name, value in vars(module).items():
        if isinstance(value, Tensor):
            found[prefix + name] = value
        elif isinstance(value, _Module):
            _collect(value, f"{prefix}{name}.", found, left)


class _Unpickler(pickle._Unpickler):
    # The one written in Python: that in C makes room for any place in its memo that a file names.
    def __init__(self, file: Any, archive: zipfile.ZipFile, folder: str) -> None:
        super().__init__(file)
        self.archive = archive
        self.folder = folder

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__"):
            return _Module
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle" and name in LISTS:
            return _first
        if module == "torch" and name in STORAGES:
            return STORAGES[name]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is no tensor")

    def persistent_load(self, pid: Any) -> Tensor:
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, torch.dtype):
            self._refuse(pid)
        values = self.archive.read(f"{self.folder}/{key}")
        return torch.frombuffer(bytearray(values), dtype=dtype)[:count] if count else torch.empty(0, dtype=dtype)

    def _refuse(self, pid: Any) -> NoReturn:
        raise pickle.UnpicklingError(f"it refers to {pid!r}, which is no storage")


def _rebuild(storage: Tensor, offset: int, size: Any, stride: Any, *_: Any) -> Tensor:
    return torch.as_strided(storage, tuple(size), tuple(stride), offset)


def _first(value: Any, *_: Any) -> Any:
    return value
