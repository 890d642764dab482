"""Files dressed as weights and checkpoints: what is in them is never run, nor unpacked beyond reason."""

import io
import json
import os
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from pipelines.params import load
from tests.hostile.contained import Outcome, contained_all
from training import checkpoint
from training.network import weights
from training.watch import divergence

BOMB = 3 * 10**8


class Evil:
    """Runs a program when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch ran",)


def saved(value: object, **options: bool) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def loaded(folder: Path, files: Mapping[str, bytes]) -> dict[str, Outcome]:
    """How the files, by name, are taken as weights."""

    def read(name: str) -> list[str]:
        return sorted(weights.load(folder / name))

    for name, data in files.items():
        (folder / name).write_bytes(data)
    return contained_all(read, {name: (name,) for name in files}, folder)


PICKLES = {
    "plain": pickle.dumps(Evil(), protocol=2),
    "zip": saved({"a": Evil()}),
    "legacy": saved({"a": Evil()}, _use_new_zipfile_serialization=False),
}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_pickle_that_calls_a_program_is_refused(tmp_path: Path) -> None:
    suffixes = (".pt", ".pth", ".ckpt", ".safetensors")
    files = {f"{kind}{suffix}": data for kind, data in PICKLES.items() for suffix in suffixes}
    for name, outcome in loaded(tmp_path, files).items():
        assert outcome.refused("weights: ", name), outcome


def script(program: bytes, storages: dict[str, bytes] | None = None, packed: bool = False) -> bytes:
    """A TorchScript archive around a pickle of our own."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(
        buffer, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED, compresslevel=1
    ) as archive:
        for name, data in {"constants.pkl": b"", "data.pkl": program, **(storages or {})}.items():
            archive.writestr(f"m/{name}", data)
    return buffer.getvalue()


MODULE = b"c__torch__\nM\n)\x81"


def tensor(size: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """The pickle of a module with one tensor over 4 stored numbers."""

    def numbers(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(b"J" + struct.pack("<i", value) for value in values) + b"t"

    storage = b"((X\7\0\0\0storagectorch\nFloatStorage\nX\6\0\0\0data/0X\3\0\0\0cpuK\4tQK\0"
    make = b"ctorch._utils\n_rebuild_tensor_v2\n" + storage + numbers(size) + numbers(stride) + b"\x89NtR"
    return b"\x80\2" + MODULE + b"}X\1\0\0\0w" + make + b"sb."


def shared(depth: int) -> bytes:
    """Modules that each hold the one before twice: 2 ** depth ways lead to the first."""
    program = b"\x80\2" + MODULE + b"q\0"
    for number in range(1, depth):
        before = b"h" + bytes([number - 1])
        program += MODULE + b"q" + bytes([number]) + b"}(X\1\0\0\0a" + before + b"X\1\0\0\0b" + before + b"ub"
    return program + b"."


SCRIPTS = {
    "program": script(pickle.dumps(Evil(), protocol=2)),
    "far memo": script(b"\x80\2}r" + struct.pack("<I", 2**28) + b"."),
    "long bytes": script(b"\x80\4\x8e" + struct.pack("<Q", 2**40) + b"abc."),
    "long frame": script(b"\x80\4\x95" + struct.pack("<Q", 2**50) + b"abc."),
    "nothing": script(b""),
    "none": script(b"N."),
    "odd call": script(MODULE[:-2] + b"K\5R."),
    "odd storage": script(b"K\5Q."),
    "own class changed": script(b"\x80\2c__torch__\nM\n}X\3\0\0\0abcK\1sb."),
    "shared parts": script(shared(60)),
    "out of bounds": script(tensor((10**6,), (1,)), {"data/data/0": bytes(16)}),
    "one number for many": script(tensor((10**6, 10**6), (0, 0)), {"data/data/0": bytes(16)}),
    "bomb": script(tensor((4,), (1,)), {"data/data/0": bytes(BOMB)}, packed=True),
    "cut": script(tensor((4,), (1,)), {"data/data/0": bytes(16)})[:-30],
}


def test_a_torchscript_file_is_data_alone(tmp_path: Path) -> None:
    for name, outcome in loaded(tmp_path, {f"{name}.pt": data for name, data in SCRIPTS.items()}).items():
        assert outcome.refused(name) and outcome.megabytes < 100, outcome


def test_a_torchscript_file_that_is_whole_is_read(tmp_path: Path) -> None:
    outcome = loaded(tmp_path, {"w.pt": script(tensor((4,), (1,)), {"data/data/0": bytes(16)})})["w.pt"]
    assert outcome.value == ["w"] and outcome.harmless


def test_weights_that_are_packed_as_a_bomb_are_refused(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(saved({"a": torch.zeros(4)}))) as whole,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for member in whole.infolist():
            big = member.filename.endswith("data/0")
            archive.writestr(member.filename, bytes(BOMB) if big else whole.read(member))
    spread = saved({"a": torch.zeros(1).expand(10**6, 10**6)})
    outcome, many = loaded(tmp_path, {"packed.pth": packed.getvalue(), "many.pth": spread}).values()
    assert outcome.refused("claims to hold 300,000,") and outcome.megabytes < 100, outcome
    assert many.refused("'a' (1000000, 1000000) is not stored whole"), many


def tensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    """A safetensors file; ``length`` is what it says its header has."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def at(shape: list[int], *span: int) -> dict[str, object]:
    return {"dtype": "F32", "shape": shape, "data_offsets": list(span)}


SAFETENSORS = {
    "longest header": tensors({}, length=2**62),
    "long header": tensors({}, length=10**8),
    "cut": b"\1\2",
    "overlap": tensors({"a": at([2], 0, 8), "b": at([2], 0, 8)}, bytes(8)),
    "shape": tensors({"a": at([2**40], 0, 8)}, bytes(8)),
    "overflow": tensors({"a": at([2**40, 2**40], 0, 8)}, bytes(8)),
    "below zero": tensors({"a": at([-1], 0, 8)}, bytes(8)),
    "deep": tensors(b"[" * 100_000),
    "no tensor": tensors({}),
}


def test_a_safetensors_header_that_lies_is_refused(tmp_path: Path) -> None:
    files = {f"{name}.safetensors": data for name, data in SAFETENSORS.items()}
    for name, outcome in loaded(tmp_path, files).items():
        assert outcome.refused(name), outcome


NETWORKS = (
    "{", "5", "[]", "[" * 100_000, '{"network": 5}', '{"network": {"backbone": "resnet50"}}',
    '{"network": {"kind": "refine", "backbone": "resnet9000"}}', '{"network": {"kind": "base"}}',
    '{"network": {"kind": "refine", "backbone": ["mobilenetv2"]}}',
    '{"network": {"kind": "refine", "backbone": "mobilenetv2", "evil": 1}}',
    '{"network": {"kind": "refine", "backbone": "mobilenetv2", "backbone_scale": "x"}}', '{"metadata": 5}',
)  # fmt: skip


def test_a_header_that_describes_no_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"

    def told(text: str) -> list[str]:
        path.write_bytes(tensors({"__metadata__": {"cleanplate": text}, "a": at([2], 0, 8)}, bytes(8)))
        words = []
        for read in (weights.load_refine, weights.load_base, weights.load_metadata):
            try:
                words.append(f"returned {read(path)!r:.20}")
            except ValueError as error:
                words.append(str(error))
        return words

    for text, outcome in contained_all(told, {text: (text,) for text in NETWORKS}, tmp_path).items():
        assert outcome.error == "" and outcome.harmless, (text[:60], outcome)
        refine, base, metadata = outcome.value
        assert not refine.startswith("returned") and not base.startswith("returned"), text[:60]
        assert metadata == "returned {}" or "is damaged" in metadata, text[:60]


CHECKPOINTS = (
    "{", "[]", "5", "{}", '{"version": 1}', '{"version": 1, "evil": 2}', "[" * 100_000,
    '{"version": 1, "step": "x", "record": {}, "scaler": {}, "made_with": {}}',
    '{"version": 1, "step": 1, "record": {}, "scaler": {}, "made_with": {}, "changes": 5}',
    '{"version": 1, "step": 1, "record": {}, "scaler": {}, "made_with": {}, "digest": 5}',
)  # fmt: skip


def test_a_checkpoint_with_an_odd_header_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "step-00000001.safetensors"
    for text in CHECKPOINTS:
        path.write_bytes(tensors({"__metadata__": {"checkpoint": text}, "a": at([2], 0, 8)}, bytes(8)))
        with pytest.raises(ValueError, match=r"step-00000001.*remove it to start over"):
            checkpoint.read(path)
        assert checkpoint.newest_header(tmp_path) is None


INCIDENTS = (
    "{", "[]", "5", "{}", '{"version": 1}', '{"version": 1, "params": 5}', "[" * 100_000,
    '{"version": 1, "params": {}, "evil": 1}',
)  # fmt: skip


def test_a_step_for_replay_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "diverged.safetensors"
    good = {"version": divergence.VERSION, "params": load().train_base.model_dump(mode="json")}
    for text in (*INCIDENTS, json.dumps(good), json.dumps(good | {"kind": "base", "evil": 1})):
        path.write_bytes(tensors({"__metadata__": {"incident": text}, "a": at([2], 0, 8)}, bytes(8)))
        with pytest.raises(ValueError, match=r"diverged\.safetensors"):
            divergence.load(path)
