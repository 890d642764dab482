"""How fast a training step is, against a straightforward float32 loop over the same network.

``python -m benchmarks.train --json FILE``

``step_mobilenetv2``, ``step_resnet50``: steps a second of ``training.loop`` over those of :class:`Plain`, by processor
time. Both train the base network from the same weights on the same 256x256 crops, batch 8, with the same rates,
clipping and dropout masks; the two take turns step by step, so that a busy machine slows both. ``loss_difference_*``:
how far the mean losses of the last ten steps are apart, as a share of the plain loop's, after ``--steps``. Two runs
drift apart by rounding alone; ``--control`` trains the plain loop a second time, from weights that are off by one part
in ten million, and writes ``loss_control_*``: how far its losses are from the plain loop's. ``--rates published`` takes
the constant rates of preset ``published``, at which rounding takes runs less far apart.

``python -m benchmarks.train --quality --json FILE``

``samples_to_quality``: samples that ours needs to reach the quality at which the published recipe levels off, over
those that the recipe needs; the worst seed, lower is better. See :mod:`benchmarks.samples`; needs ``dvc repro render``,
or ``dvc pull``. A run that was stopped goes on where it was. ``--ablation`` prints what each change is worth.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, get_args

import cv2
import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.samples import Setting, ablate, compare_quality
from compositing.shards.reader import Sample
from curation.identity import rng
from pipelines.params import parse
from pipelines.presets import Preset, preset_text
from training.build import build_network
from training.config import TrainParams
from training.loop import Readers, train
from training.losses import base_losses
from training.samples.data import Order, Reader, Steps, batches
from training.schedule import parameter_groups, rate_factor, set_rates

SIDE = 256
STRENGTH = "exact"
WARM = 3
OFF = 1e-7


class Discs:
    """Soft discs over smooth scenes, (256, 256), held in memory: reading costs next to nothing in either arm."""

    def __init__(self, name: str, count: int) -> None:
        self.samples = [_draw(name, number) for number in range(count)]

    def __len__(self) -> int:
        return len(self.samples)

    def read(self, position: int, recipe: bool = True) -> Sample:
        """The sample at a position, always with its recipe."""
        return self.samples[position]

    def recipes(self) -> pd.DataFrame:
        """One row a sample."""
        return pd.DataFrame({"strength": [STRENGTH] * len(self)})


def _draw(name: str, number: int) -> Sample:
    generator = rng(1, name, number)
    coarse = generator.random((9, 9, 3)).astype(np.float32)
    scene = np.clip(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC), 0, 1)
    disc = np.zeros((SIDE, SIDE), np.float32)
    centre = tuple(int(value) for value in generator.integers(80, 176, 2))
    cv2.circle(disc, centre, int(generator.integers(30, 80)), 1.0, -1)
    pha = cv2.GaussianBlur(disc, (0, 0), 3)
    fgr = np.broadcast_to(generator.random(3).astype(np.float32), scene.shape)
    source = fgr * pha[..., None] + scene * (1 - pha[..., None])
    src, bgr = (_bytes(layer + generator.normal(0, 0.01, layer.shape)) for layer in (source, scene))
    return Sample(src, bgr, _bytes(fgr), _bytes(pha), {"composite_id": f"{name}-{number}"})


def _bytes(layer: NDArray[Any]) -> NDArray[np.uint8]:
    return np.clip(255 * layer, 0, 255).round().astype(np.uint8)


class Plain:
    """What one writes first: float32, contiguous layout, the stock optimizer, every output computed."""

    def __init__(self, params: TrainParams, reader: Reader, off: float = 0.0) -> None:
        self.params = params
        network = build_network("base", params).to(memory_format=torch.contiguous_format)
        with torch.no_grad():
            for weight in network.parameters():
                weight.mul_(1 + off)
        self.network = network.train()
        self.optimizer = torch.optim.AdamW(parameter_groups(self.network, params))
        grow = round(params.crop_growth * params.steps)
        steps = Steps(Order(params.seed, len(reader)), params.batch, params.crop, 0, params.steps, grow=grow)
        self.source = batches(reader, params.seed, steps, loaders=0)
        self.losses: list[float] = []

    def step(self) -> None:
        """Take the next step."""
        number, params = len(self.losses), self.params
        torch.manual_seed(int(rng(params.seed, "dropout", number).integers(2**63)))
        batch = next(self.source)
        src, bgr, fgr, pha = (layer.permute(0, 3, 1, 2).contiguous().float() / 255 for layer in batch[:4])
        terms = base_losses(self.network(src, bgr), pha, fgr, params.losses)
        total = torch.stack(list(terms.values())).sum()
        self.optimizer.zero_grad()
        total.backward()
        assert params.clip is not None
        nn.utils.clip_grad_norm_(self.network.parameters(), params.clip)
        set_rates(self.optimizer, rate_factor(params.schedule, number, params.steps, params.warmup))
        self.optimizer.step()
        self.losses.append(total.item())


def compare(backbone: str, steps: int, threads: int, side: int, control: bool, rates: Preset) -> dict[str, float]:
    """Train both arms in turn and compare seconds of processor time a step, and losses."""
    base = parse(preset_text("sample")).train_base
    changes = {"backbone": backbone, "steps": steps, "batch": 8, "crop": (side, side), "threads": threads}
    # Neither is part of a step, and both are done once, at the end, after the last step was timed.
    changes |= {"validate_every": steps, "checkpoint_every": steps, "accelerator": "cpu", "clip": 1.0}
    changes |= {key: getattr(parse(preset_text(rates)).train_base, key) for key in ("rates", "schedule", "warmup")}
    params = base.model_copy(update=changes)
    readers = Readers(Discs("train", 64), Discs("valid", 2))
    plain = Plain(params, readers.train)
    other = Plain(params, readers.train, OFF) if control else None
    ours: list[float] = []
    theirs: list[float] = []
    began = [time.process_time()]

    def turn(step: int, note: str) -> None:
        ours.append(time.process_time() - began[0])
        strict = torch.are_deterministic_algorithms_enabled()
        torch.use_deterministic_algorithms(False)  # a plain loop does not ask for them
        started = time.process_time()
        plain.step()
        theirs.append(time.process_time() - started)
        if other is not None:
            other.step()
        torch.use_deterministic_algorithms(strict)
        began[0] = time.process_time()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        train("base", params, readers, folder, folder / "curves", data="discs", progress=turn)
        curve = pd.read_csv(folder / "curves/plots/metrics/train/total.tsv", sep="\t")
    last = steps % 10 or 10  # the record's last mean
    ours_loss, plain_loss = float(curve["total"].iloc[-1]), statistics.mean(plain.losses[-last:])
    found = {}
    if other is not None:
        found[f"loss_control_{backbone}"] = round(abs(statistics.mean(other.losses[-last:]) / plain_loss - 1), 4)
    # The last of ours holds validation and checkpoint too.
    slow, quick = statistics.median(theirs[WARM:-1]), statistics.median(ours[WARM:-1])
    return {
        f"step_{backbone}": round(slow / quick, 3),
        f"plain_seconds_{backbone}": round(slow, 4),
        f"seconds_{backbone}": round(quick, 4),
        f"loss_{backbone}": round(ours_loss, 5),
        f"loss_difference_{backbone}": round(abs(ours_loss - plain_loss) / plain_loss, 4),
        **found,
    }


def _samples(options: argparse.Namespace) -> None:
    """Quality, ablation or both, into the file."""
    setting = Setting(
        crop=(options.crop[0], options.crop[-1]),
        batch=options.batch,
        every=options.every,
        threads=options.threads,
        data=options.data,
        set_name=options.set or ("test" if options.quality else "valid"),
        work=options.work,
    )
    found: dict[str, Any] = {"crop": setting.crop, "batch": setting.batch, "set": setting.set_name}
    if options.quality:
        found |= compare_quality(options.steps or 2000, options.seeds, options.shares, setting)
        print(f"samples_to_quality {found['samples_to_quality']}")
    if options.ablation:
        found["ablation"] = ablate(options.steps or 400, options.seeds, setting, options.only)
        print(found["ablation"])
    options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Print and write the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--steps", type=int, help="200; of quality and ablation 2000 and 400")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--backbones", nargs="+", default=["mobilenetv2", "resnet50"])
    parser.add_argument("--control", action="store_true", help="how far rounding alone takes two runs apart")
    parser.add_argument("--rates", choices=get_args(Preset), default="sample", help="preset of rates and schedule")
    parser.add_argument("--side", type=int, default=SIDE, help="of the crops, pixels; at most 256")
    samples = parser.add_argument_group("quality and ablation")
    samples.add_argument("--quality", action="store_true", help="compare samples in place of steps")
    samples.add_argument("--ablation", action="store_true", help="train ours with one thing changed at a time")
    samples.add_argument("--only", nargs="+", default=[], help="arms of the ablation, by name")
    samples.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    samples.add_argument("--shares", type=float, nargs="+", default=[0.5, 1.0], help="lengths of ours over published's")
    samples.add_argument("--crop", type=int, nargs="+", default=[128, 128], help="smallest and largest side, pixels")
    samples.add_argument("--batch", type=int, default=8)
    samples.add_argument("--every", type=int, default=100, help="steps between validations")
    samples.add_argument("--data", type=Path, default=Path("data"), help="folder of the shards to score on")
    samples.add_argument(
        "--set", help="set to score on: test for quality, valid for an ablation, which is for choosing"
    )
    samples.add_argument("--work", type=Path, default=Path(".work/quality"), help="finished curves, checkpoints")
    options = parser.parse_args()
    if options.quality or options.ablation:
        _samples(options)
        return
    options.steps = options.steps or 200
    if options.steps < WARM + 3:
        parser.error(f"--steps is {options.steps}; {WARM + 3} or more are needed to leave out the first {WARM}")
    os.environ["CLEANPLATE_LOADERS"] = "0"  # processor time is this process's own
    found: dict[str, float] = {"threads": options.threads, "steps": options.steps}
    for backbone in options.backbones:
        found |= compare(backbone, options.steps, options.threads, options.side, options.control, options.rates)
    for name, value in found.items():
        print(f"{name:28} {value:.4g}")
    options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
