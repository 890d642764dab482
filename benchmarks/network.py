"""How fast the refine network and the metrics are, against what one writes first.

``python -m benchmarks.network --json FILE``

``hd_vs_plain``: frames a second of the network that prediction uses over those of ``benchmarks.plain.refine``, both
float32, MobileNetV2, 1920x1080, scale 1/4, 80,000 pixels, same weights, same outputs to 1e-4. ``metrics_vs_numpy``:
the same ratio for the whole-image metrics of 1920x1080 mattes. The two take turns, so that a busy machine slows both.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks import plain
from training.evaluation import metrics
from training.evaluation.metrics_batched import whole_images
from training.network import build_refine
from training.network.inference import for_inference

HEIGHT, WIDTH = 1080, 1920


def turns(rounds: int, *actions: Callable[[], object]) -> list[float]:
    """Median seconds of each action, run in turn."""
    seconds: list[list[float]] = [[] for _ in actions]
    for number in range(rounds + 2):  # two to warm up
        for action, taken in zip(actions, seconds, strict=True):
            started = time.perf_counter()
            action()
            if number >= 2:
                taken.append(time.perf_counter() - started)
    return [statistics.median(taken) for taken in seconds]


def scene() -> tuple[np.ndarray, np.ndarray]:
    """A noisy figure over a smooth background: (H, W, 3) float32 in [0, 1]."""
    rng = np.random.default_rng(0)
    bgr = cv2.resize(rng.random((12, 20, 3), dtype=np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    pha = drawn_matte(0)[..., None]
    src = pha * rng.random((HEIGHT, WIDTH, 3), dtype=np.float32) + (1 - pha) * bgr
    return np.clip(src, 0, 1), np.clip(bgr, 0, 1)


def drawn_matte(seed: int) -> np.ndarray:
    """A soft figure with specks: (H, W) float32 in [0, 1]."""
    rng = np.random.default_rng(seed)
    noise = cv2.resize(rng.random((68, 120), dtype=np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    disc = 1 - np.hypot((x - WIDTH / 2) / 500, (y - HEIGHT / 2) / 420)
    return np.asarray(np.clip(disc * 3 + noise - 0.5, 0, 1), np.float32)


def network_figures(rounds: int) -> dict[str, float]:
    """Compare the networks; the random weights have an error map that is never 0."""
    network = build_refine("mobilenetv2", 0.25, "sampling", 80_000).eval()
    with torch.no_grad():
        for name, value in network.named_parameters():
            if name.startswith("decoder.conv4"):
                value.add_(0.02 * torch.randn(value.shape, generator=torch.Generator().manual_seed(1)))
    fast = for_inference(network)
    src, bgr = (torch.from_numpy(image).permute(2, 0, 1)[None].contiguous() for image in scene())
    with torch.no_grad():
        expected, found = plain.refine(network, src, bgr), fast(src, bgr)
        differences = [float((a - b).abs().max()) for a, b in zip(expected, (found.pha, found.fgr), strict=True)]
        # A tie in the error map may choose another patch; the mean would show anything more.
        means = [float((a - b).abs().mean()) for a, b in zip(expected, (found.pha, found.fgr), strict=True)]
        slow, quick = turns(rounds, lambda: plain.refine(network, src, bgr), lambda: fast(src, bgr))
    return {
        "hd_vs_plain": round(slow / quick, 3),
        "hd_plain_seconds": round(slow, 4),
        "hd_seconds": round(quick, 4),
        "largest_difference": max(differences),
        "mean_difference": max(means),
    }


def metric_figures(rounds: int) -> dict[str, float]:
    """Compare the metrics; they agree to 1e-6 relative or this stops."""
    pred, true = drawn_matte(1), drawn_matte(2)
    batch = [torch.from_numpy(matte)[None, None] for matte in (pred, true)]
    numpy_values, values = plain.whole_image(pred.astype(float), true.astype(float)), metrics.whole_image(pred, true)
    np.testing.assert_allclose(values, numpy_values, rtol=1e-6)
    np.testing.assert_allclose([float(value) for value in whole_images(*batch)], numpy_values, rtol=1e-6)
    slow, quick, batched = turns(
        rounds,
        lambda: plain.whole_image(pred.astype(float), true.astype(float)),
        lambda: metrics.whole_image(pred, true),
        lambda: whole_images(*batch),
    )
    return {"metrics_vs_numpy": round(slow / quick, 3), "batched_metrics_vs_numpy": round(slow / batched, 3)}


def main() -> None:
    """Print and write the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    found = {"threads": torch.get_num_threads(), **network_figures(options.rounds), **metric_figures(options.rounds)}
    for name, value in found.items():
        print(f"{name:28} {value:.4g}")
    options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
