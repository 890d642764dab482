"""What the networks are worth on the frozen test set, against the classical baseline and against themselves.

Four methods, the same samples:

- ``classical``: the best of the classical rivals, tuned on ``valid`` for each strength (``training.baseline``). Its
  foreground is the source itself.
- ``base``: the base checkpoint alone. It sees source and background shrunk to ``backbone_scale``, as it does inside
  the refine network; its alpha and foreground residual are enlarged bilinearly.
- ``refine``: the refine checkpoint.
- ``refine_coarse``: the refine checkpoint's own coarse alpha and residual, enlarged bilinearly: what its refiner
  started from.

Alpha is compared in float, without rounding to 8 bits. Everything runs in float32, a fixed number of samples at a time
and on one thread a process, so that the numbers do not depend on the number of workers.
"""

import contextlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from compositing.codec import encode_png
from compositing.shards.reader import Sample, ShardReader
from training import baseline, metrics
from training.device import choose_device
from training.gallery import picture
from training.network import BaseNetwork, RefineNetwork
from training.network.resize import pad_to_multiple, resize
from training.network.weights import load_base, load_refine
from training.tables import MEASURES, METHODS
from training.tuning import Classical

Floats = NDArray[np.float32]
ROWS = "rows.json"


class Prediction(NamedTuple):
    """What a method says of one sample."""

    pha: Floats
    """(H, W) alpha in [0, 1]."""
    fgr: Floats
    """(3, H, W) RGB foreground in [0, 1]."""


@dataclass(frozen=True)
class EvaluateTask:
    """A few samples of the test set. Goes to a worker process as it is."""

    shards: Path
    table: Path
    base: Path
    refine: Path
    accelerator: str
    positions: tuple[int, ...]
    classical: Classical


def tasks(
    shards: Path, table: Path, base: Path, refine: Path, accelerator: str, batch: int, classical: Classical
) -> dict[str, EvaluateTask]:
    """Cut the test set into tasks of ``batch`` samples."""
    count = len(ShardReader(shards, table, "test"))
    starts = range(0, count, batch)
    return {
        f"test-{start:06d}": EvaluateTask(
            shards, table, base, refine, accelerator, tuple(range(start, min(start + batch, count))), classical
        )
        for start in starts
    }


def evaluate_part(task: EvaluateTask, folder: Path) -> None:
    """Measure a few samples: rows into ``rows.json``, the alphas that the gallery may show as ``ID.METHOD.png``."""
    device, _ = choose_device(task.accelerator)
    reader = ShardReader(task.shards, task.table, "test")
    samples = [reader.read(position) for position in task.positions]
    with _one_thread():
        learned = predict(_networks(task.base, task.refine, device), samples, device)
    rows = []
    for at, sample in enumerate(samples):
        found = {"classical": classical_prediction(sample, task.classical)}
        found |= {method: predictions[at] for method, predictions in learned.items()}
        for method in METHODS:
            rows.append({**_identity(sample), "method": method, **measure(found[method], sample)})
        for method in ("classical", "refine"):
            alpha = np.rint(found[method].pha * 255).astype(np.uint8)
            (folder / picture(sample.recipe["composite_id"], method)).write_bytes(encode_png(alpha))
    (folder / ROWS).write_text(json.dumps(rows), encoding="utf-8")


@lru_cache(maxsize=1)
def _networks(base: Path, refine: Path, device: str) -> tuple[BaseNetwork, RefineNetwork]:
    return load_base(base).eval().to(device), load_refine(refine).eval().to(device)


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """Sums over one thread: their order, and so the last bit, would hang on the number otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def predict(
    networks: tuple[BaseNetwork, RefineNetwork], samples: Sequence[Sample], device: str = "cpu"
) -> dict[str, list[Prediction]]:
    """Run both networks over samples of one size; a prediction for each sample, by method."""
    base, refine = networks
    src, bgr = (_stack([getattr(s, layer) for s in samples], device) for layer in ("src", "bgr"))
    height, width = src.shape[-2:]
    frame = pad_to_multiple(torch.cat([src, bgr], dim=1), 4)
    whole = (frame.shape[-2], frame.shape[-1])
    with torch.no_grad():
        fine = refine(src, bgr)
        small = resize(frame, (fine.pha_sm.shape[-2], fine.pha_sm.shape[-1]))
        alone = base(small[:, :3].contiguous(), small[:, 3:].contiguous())
        results = {
            "base": _enlarge(alone.pha, alone.fgr, small[:, :3], frame[:, :3], whole),
            "refine": (fine.pha, fine.fgr),
            "refine_coarse": _enlarge(fine.pha_sm, fine.fgr_sm, small[:, :3], frame[:, :3], whole),
        }
    return {
        method: [
            Prediction(alpha[0, :height, :width].numpy(), colour[:, :height, :width].numpy())
            for alpha, colour in zip(pha.cpu(), fgr.cpu(), strict=True)
        ]
        for method, (pha, fgr) in results.items()
    }


def _enlarge(pha: Tensor, fgr: Tensor, small: Tensor, src: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    # The residual is enlarged rather than the colour: the source's own detail stays.
    return resize(pha, size), (resize(fgr - small, size) + src).clamp(0, 1)


def _stack(images: Sequence[NDArray[np.uint8]], device: str) -> Tensor:
    batch = torch.from_numpy(np.stack(images)).to(device)
    return batch.permute(0, 3, 1, 2).float().div_(255)


def classical_prediction(sample: Sample, classical: Classical) -> Prediction:
    """The frozen baseline's matte for the sample's strength; its foreground is the source."""
    tuned = classical.tuned[sample.recipe["strength"]]
    alpha = baseline.matte(sample.src, sample.bgr, tuned, classical.mean)
    return Prediction(alpha, _colour(sample.src))


def _colour(image: NDArray[np.uint8]) -> Floats:
    return np.asarray(image.transpose(2, 0, 1) / np.float32(255), dtype=np.float32)


def measure(prediction: Prediction, sample: Sample) -> dict[str, float | None]:
    """Compare a prediction with the truth: ``training.tables.MEASURES``, None where there is nothing to compare."""
    truth = sample.pha.astype(np.float32) / 255
    regions = metrics.by_region(prediction.pha, truth)
    found = {
        **metrics.whole_image(prediction.pha, truth)._asdict(),
        "mad_zero": regions.background,
        "mad_soft": regions.soft,
        "mad_one": regions.foreground,
        "fgr_mad": metrics.foreground(prediction.fgr, _colour(sample.fgr), truth).mad,
    }
    return {name: None if math.isnan(found[name]) else found[name] for name in MEASURES}


def _identity(sample: Sample) -> dict[str, Any]:
    recipe = sample.recipe
    names = ("composite_id", "ordinal", "strength", "case", "scene", "indoor", "clip", "frame")
    soft = (sample.pha > 0) & (sample.pha < 255)
    return {
        **{name: recipe[name] for name in names},
        "coverage": float(sample.pha.mean(dtype=np.float64) / 255),
        "soft": float(soft.mean(dtype=np.float64)),
    }


def collect(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Read the rows of all parts; they fit ``training.tables.EVALUATION``."""
    return [row for folder in folders for row in json.loads((folder / ROWS).read_text(encoding="utf-8"))]


def summary(rows: Sequence[Mapping[str, Any]], classical: Classical) -> dict[str, Any]:
    """Sum the table up as ``metrics/evaluate.json``.

    ``test.STRENGTH.METHOD.MEASURE``: means over samples, in the units of ``training.tables.MEASURES`` (those of Robust
    Video Matting: MAD and MSE x 1000, gradient and connectivity / 1000); a region's mean is over the samples that
    have it.
    ``ratios.STRENGTH``: MAD of refine over classical, and gradient error of refine over its own coarse alpha.
    ``cases.CASE.METHOD.MEASURE``: the strength ``cases`` apart, where the test set has hard cases. An empty case has no
    region but the one of alpha 0; its gradient error says little, as the metric stretches even the faintest alpha to
    full contrast.
    ``classical.STRENGTH``: what won on ``valid``, and each rival's MAD x 1000 there. ``samples.STRENGTH``: how many.
    """
    table = pd.DataFrame(rows)
    test: dict[str, Any] = {}
    ratios: dict[str, Any] = {}
    samples: dict[str, int] = {}
    for strength in classical.tuned:
        part = table[table["strength"] == strength]
        by_method = {method: part[part["method"] == method] for method in METHODS}
        test[strength] = {method: _means(found) for method, found in by_method.items()}
        samples[strength] = len(by_method["refine"])
        figures = test[strength]
        ratios[strength] = {
            "refine_mad_to_classical": _ratio(figures["refine"]["mad"], figures["classical"]["mad"]),
            "refine_grad_to_coarse": _ratio(figures["refine"]["grad"], figures["refine_coarse"]["grad"]),
        }
    won = {
        strength: {"won": tuned.rival, **{f"valid_{name}": round(1000 * mad, 4) for name, mad in tuned.mad.items()}}
        for strength, tuned in classical.tuned.items()
    }
    cases = {
        case: {method: _means(found) for method, found in part.groupby("method")}
        for case, part in table.dropna(subset=["case"]).groupby("case")
    }
    return {"test": test, "ratios": ratios, "samples": samples, "classical": won, "cases": cases}


def _means(rows: pd.DataFrame) -> dict[str, float]:
    means = rows[list(MEASURES)].astype("float64").mean()
    return {name: round(float(value), 4) for name, value in means.items() if not np.isnan(value)}


def _ratio(value: float, reference: float) -> float | None:
    return round(value / reference, 4) if reference else None


def plot_rows(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Rows for ``dvc plots``: one a strength and method."""
    shown = ("mad", "mse", "grad", "conn")
    return [
        {"bar": f"{strength}: {method}", **{name: figures[name] for name in shown}}
        for strength, methods in values["test"].items()
        for method, figures in methods.items()
    ]


def lines(values: Mapping[str, Any]) -> list[str]:
    """The main figures in words, a line a strength."""
    said = []
    for strength, methods in values["test"].items():
        figures = ", ".join(f"{method} {found['mad']:.1f}" for method, found in methods.items())
        ratios = values["ratios"][strength]
        said.append(
            f"{strength}: test MAD x 1000: {figures}; refine over classical {ratios['refine_mad_to_classical']}, "
            f"gradient over its own coarse {ratios['refine_grad_to_coarse']}"
        )
    for case, methods in values["cases"].items():
        said.append(f"{case}: " + ", ".join(f"{method} {found['mad']:.1f}" for method, found in methods.items()))
    return said
