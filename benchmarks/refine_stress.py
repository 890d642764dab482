"""Thousands of refine steps over everything that is known to crash the published training.

``python -m benchmarks.refine_stress --json FILE [--steps 2000]``

Sizes from 64 to 512 a side (odd ones too), one to four samples, the three modes in turn, float32 and bfloat16, both
kernel sizes; images that are black, white, noise or a scene, with alpha that is empty, full or soft. Any exception,
any value that is not finite in the losses, gradients or weights stops it with the step's description. The step is the
training loop's own: its losses, its clipping, AdamW. Reported: the steps of each kind, and the process's memory over
the first and the last hundred.
"""

import argparse
import ctypes
import ctypes.util
import json
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple, get_args

import cv2
import numpy as np
import psutil
import torch
from torch import Tensor

from curation.identity import rng
from training.losses import refine_losses
from training.network import RefineNetwork, build_refine
from training.network.refiner import RefineMode

LEAST, MOST = 64, 512
M_MMAP_THRESHOLD = -3
WINDOW = 100
PICTURES = ("black", "white", "noise", "scene")
ALPHAS = ("empty", "full", "soft")
MODES = get_args(RefineMode)


class Case(NamedTuple):
    """One step."""

    mode: RefineMode
    kernel: int
    bf16: bool
    batch: int
    height: int
    width: int
    picture: str
    alpha: str
    plate: str
    """What the captured background shows."""


def draw(seed: int, step: int) -> Case:
    """The step's case; every third has each mode, and all else is drawn."""
    generator = rng(seed, "stress", step)
    height, width = (int(side) for side in generator.integers(LEAST, MOST, 2, endpoint=True))
    picture, plate = (str(name) for name in generator.choice(PICTURES, 2))
    return Case(
        MODES[step % len(MODES)], (3, 1)[step // len(MODES) % 2], bool(generator.random() < 0.5),
        int(generator.integers(1, 4, endpoint=True)), height, width, picture, str(generator.choice(ALPHAS)), plate,
    )  # fmt: skip


def images(case: Case, generator: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Source, background, foreground and alpha of a case, float32 NCHW."""

    def picture(kind: str, channels: int) -> np.ndarray:
        size = (case.batch, case.height, case.width, channels)
        if kind in ("black", "empty"):
            return np.zeros(size, np.float32)
        if kind in ("white", "full"):
            return np.ones(size, np.float32)
        if kind == "noise":
            return generator.random(size, dtype=np.float32)
        coarse = generator.random((case.batch, 9, 9, channels), dtype=np.float32)
        wide = [cv2.resize(image, (case.width, case.height), interpolation=cv2.INTER_CUBIC) for image in coarse]
        return np.clip(np.stack(wide).reshape(size) * 1.6 - 0.3, 0, 1)

    layers = (picture(case.picture, 3), picture(case.plate, 3), picture("scene", 3), picture(case.alpha, 1))
    src, bgr, fgr, pha = (torch.from_numpy(layer).permute(0, 3, 1, 2) for layer in layers)
    return src, bgr, fgr, pha


class Stress:
    """Networks of each mode and kernel, trained in turn."""

    def __init__(self) -> None:
        self.networks: dict[tuple[RefineMode, int], tuple[RefineNetwork, torch.optim.Optimizer]] = {}
        for mode in MODES:
            for kernel in (3, 1):
                network = build_refine("mobilenetv2", 0.25, mode, 80_000, 0.1, kernel).train()
                network.to(memory_format=torch.channels_last)
                self.networks[mode, kernel] = (network, torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True))

    def step(self, case: Case, generator: np.random.Generator) -> float:
        """Take one step and return its loss. Raises ArithmeticError naming what is not finite."""
        network, optimizer = self.networks[case.mode, case.kernel]
        src, bgr, fgr, pha = images(case, generator)
        with torch.autocast("cpu", torch.bfloat16, enabled=case.bf16):
            out = network(src, bgr)
        terms = refine_losses(out, pha, fgr)
        total = torch.stack(list(terms.values())).sum()
        total.backward()
        for name, parameter in network.named_parameters():
            if parameter.grad is None:
                raise ArithmeticError(f"{name} has no gradient")
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        bad = [name for name, value in (("loss", total), ("gradient", norm), *terms.items()) if not value.isfinite()]
        if bad:
            raise ArithmeticError(f"not finite: {', '.join(bad)}")
        optimizer.step()
        optimizer.zero_grad()
        return total.item()

    def check_weights(self) -> None:
        """Raise ArithmeticError where a weight or a statistic is not finite."""
        for key, (network, _) in self.networks.items():
            for name, value in network.state_dict().items():
                if not bool(torch.isfinite(value).all()):
                    raise ArithmeticError(f"{key}: {name} is not finite")


def measure_what_is_held() -> None:
    """Have glibc give large blocks back as soon as they are free.

    It keeps them otherwise, in pieces that fit no other size: 14 % more after 900 steps of random sizes, and no leak.
    """
    libc = ctypes.util.find_library("c")
    if libc is not None and hasattr(ctypes.CDLL(libc), "mallopt"):
        ctypes.CDLL(libc).mallopt(M_MMAP_THRESHOLD, 1 << 18)


def main() -> None:
    """Run, print a line each hundred steps, write what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    measure_what_is_held()
    stress, process = Stress(), psutil.Process()
    seen: Counter[str] = Counter()
    memory, losses, started = [], [], time.perf_counter()
    for step in range(options.steps):
        case = draw(options.seed, step)
        try:
            losses.append(stress.step(case, rng(options.seed, "pictures", step)))
        except Exception as error:
            raise SystemExit(f"step {step}: {case}: {type(error).__name__}: {error}") from error
        memory.append(process.memory_info().rss / 2**20)
        odd = "odd" if case.height % 4 or case.width % 4 else "multiples of 4"
        seen.update([case.mode, f"kernel {case.kernel}", "bf16" if case.bf16 else "float32", odd])
        seen.update([f"batch {case.batch}", f"picture {case.picture}", f"alpha {case.alpha}"])
        if (step + 1) % WINDOW == 0:
            stress.check_weights()
            print(
                f"step {step + 1}: loss {np.mean(losses[-WINDOW:]):.3f}, memory up to {max(memory[-WINDOW:]):.0f} MiB, "
                f"{time.perf_counter() - started:.0f} s",
                flush=True,
            )
    found = {
        "steps": options.steps,
        "exceptions": 0,
        "not_finite": 0,
        "peak_mib_first_100": round(max(memory[:WINDOW]), 1),
        "peak_mib_last_100": round(max(memory[-WINDOW:]), 1),
        "loss_first_100": round(float(np.mean(losses[:WINDOW])), 4),
        "loss_last_100": round(float(np.mean(losses[-WINDOW:])), 4),
        "seen": dict(sorted(seen.items())),
    }
    options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
