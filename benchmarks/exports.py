"""Milliseconds a frame of each exported file, against the eager network that they were made of.

``python -m benchmarks.exports --json FILE``, after ``dvc repro export``

One frame of the test set in the size of the fixed files, one thread, the arms in turn; processor time, so that a busy
machine matters less. ``ms``: file, or ``eager``, and what ran it -> median milliseconds. ``vs_eager``: how many times
as fast as the eager network; ``int8_vs_onnx``: ``refine.int8.onnx`` against ``refine.onnx`` in ONNX Runtime. OpenVINO
runs them too where it is installed (it is not in the lock file), in float32.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from training.export.inputs import real_pairs
from training.export.runners import onnx_runner, openvino_runner, torchscript_runner
from training.network.weights import load_refine


def arms(data: Path) -> dict[str, Callable[[], object]]:
    """The frame through each file: name and what runs it -> a run."""
    about = json.loads((data / "export/export.json").read_text(encoding="utf-8"))
    fixed = [shape for shape in about["files"].values() if "height" in shape]
    height, width = (fixed[0]["height"], fixed[0]["width"]) if fixed else (448, 448)
    (pair,) = real_pairs(data / "shards", data / "shards.parquet", height, width, 1)
    network = load_refine(data / "models/refine.safetensors").eval()

    def eager() -> object:
        with torch.no_grad():
            return network(pair.src, pair.bgr)

    found: dict[str, Callable[[], object]] = {"eager, PyTorch": eager}
    for name in about["files"]:
        path = data / "export" / name
        if path.suffix != ".onnx":
            found[f"{name}, PyTorch"] = partial(torchscript_runner(path), pair.src, pair.bgr)
            continue
        found[f"{name}, ONNX Runtime"] = partial(onnx_runner(path), pair.src, pair.bgr)
        if (runner := openvino_runner(path)) is not None:
            found[f"{name}, OpenVINO"] = partial(runner, pair.src, pair.bgr)
    return found


def main() -> None:
    """Time the arms and write the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("data"), help="of a project that has made its exports")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    runs = arms(options.data)
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(options.rounds + 1):
        for name, run in runs.items():
            start = time.process_time()
            run()
            if number:  # the first one warms up
                times[name].append(1000 * (time.process_time() - start))
    took = {name: statistics.median(each) for name, each in times.items()}
    eager = took["eager, PyTorch"]
    report: dict[str, Any] = {"ms": took, "vs_eager": {name: eager / each for name, each in took.items()}}
    whole, small = (took.get(f"refine.{kind}, ONNX Runtime") for kind in ("onnx", "int8.onnx"))
    if whole and small:
        report["int8_vs_onnx"] = whole / small
    for name, each in took.items():
        print(f"{name:34} {each:7.1f} ms  {eager / each:5.2f} x")
    options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
