"""How much memory refinement training takes, with and without activation checkpointing.

``python -m benchmarks.memory --json FILE``

``train_refine`` at ``--side`` x ``--side`` pixels, batch ``--batch``: the network of the preset ``full`` with the
backbone asked for takes ``--steps`` steps of ``training.loop`` on drawn noise, each arm in a process of its own. What
is written is the peak resident set in GiB (on a GPU: what PyTorch allocated there) and the processor time of the last
step; ``before_gib`` is the peak before the first step, with interpreter, libraries, weights and batch.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from itertools import product
from pathlib import Path
from typing import Any

from pipelines.params import parse
from pipelines.presets import preset_text

ARMS = ("plain", "checkpointing")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Take the steps of one arm in this process."""
    import torch

    from training.devices.device import build_fabric, choose_device, reproducible
    from training.loop import rebuild
    from training.samples.data import Batch, to_images
    from training.watch.clock import Clock
    from training.watch.memory import peak

    changes = {"backbone": options.backbone, "batch": options.batch, "threads": options.threads, "steps": options.steps}
    changes |= {"precision": options.precision, "backbone_scale": options.scale, "clip": 1.0}
    params = parse(preset_text("full")).train_refine.model_copy(
        update=changes | {"checkpointing": options.arm == "checkpointing", "accumulate": options.accumulate}
    )
    device, _ = choose_device("auto")
    with reproducible(device, params.threads):
        run = rebuild("refine", params, build_fabric(params, device))
        generator = torch.Generator().manual_seed(1)
        sides = (params.batch, options.side, options.side)
        layers = [torch.randint(0, 256, (*sides, c), generator=generator, dtype=torch.uint8) for c in (3, 3, 3, 1)]
        src, bgr, fgr, pha = layers
        batch = Batch(src, bgr, fgr, pha, torch.arange(params.batch), torch.ones(params.batch, 2))
        before = peak(run.fabric.device)
        for _ in range(options.steps):
            started = time.process_time()
            run.learn(batch, to_images(batch, run.fabric.device), Clock(run.fabric.device))
            spent = time.process_time() - started
            run.step += 1
        used = peak(run.fabric.device)
    return {"before_gib": round(before, 2), "peak_gib": round(used, 2), "step_seconds": round(spent, 2)}


def main() -> None:
    """Measure each arm in a process of its own; print and write what they used."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--accumulate", type=int, default=1)
    parser.add_argument("--scales", type=float, nargs="+", default=[0.25, 0.5])
    parser.add_argument("--precisions", nargs="+", default=["bf16-mixed", "32-true"])
    parser.add_argument("--arm", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--scale", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--precision", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.arm is not None:
        print(json.dumps(measure(options)))
        return
    if options.json is None:
        parser.error("--json is missing; name the file to write")
    if options.batch < 2 * options.accumulate:
        parser.error(f"--batch is {options.batch}; batch norm needs 2 samples or more in each of {options.accumulate}")
    found: dict[str, Any] = {
        name: getattr(options, name) for name in ("backbone", "side", "batch", "accumulate", "threads")
    }
    print(f"{'precision':12} {'scale':>5} {'arm':14} {'before GiB':>10} {'peak GiB':>9} {'step s':>7}")
    for precision, scale, arm in product(options.precisions, options.scales, ARMS):
        words = [sys.executable, "-m", "benchmarks.memory", "--arm", arm, "--scale", scale, "--precision", precision]
        for name in ("backbone", "side", "batch", "steps", "threads", "accumulate"):
            words += [f"--{name}", getattr(options, name)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(options.threads)}
        done = subprocess.run(list(map(str, words)), env=environment, capture_output=True, text=True)
        if done.returncode:
            sys.exit(
                f"{precision}, scale {scale}, {arm} ended with code {done.returncode}: {done.stderr.strip()[-2000:]}"
            )
        values = json.loads(done.stdout.splitlines()[-1])
        found[f"{arm}_{precision}_{scale}"] = values
        numbers = f"{values['before_gib']:10.2f} {values['peak_gib']:9.2f} {values['step_seconds']:7.1f}"
        print(f"{precision:12} {scale:5.2f} {arm:14} {numbers}", flush=True)
    options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
