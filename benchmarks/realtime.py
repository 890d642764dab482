"""How fast a frame is matted in front of a camera, and how far the result is from the eager network's.

``python -m benchmarks.realtime --weights refine.safetensors --realset DIR --json FILE``

``hd_vs_eager``: frames a second of ``training.realtime.runtime.Runtime`` over those of ``benchmarks.plain.refine``, the
network as one writes it first, eager and float32; MobileNetV2, 1920x1080, scale 1/4, 80,000 refined pixels, two
threads, the same weights, frames of ``clips/fixed_camera.mp4`` enlarged. The eager arm is given ready float tensors and
left with such; ours starts and ends with bytes. ``hd_float32_vs_eager``: the same without bfloat16. The arms take
turns; the same ratios of processor time stand beside them, for a machine that is busy (with ``--threads 1``).
``patch_mean``, ``patch_p99``: alpha's difference in 1/255 inside the patches that the eager network refines;
``outside_p999`` outside; ``same_patches``: share of its patches that ours chose too. Each the worst frame's.

``results_per_second_640x360``, ``p95_ms``: see :mod:`benchmarks.realtime_live`.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import plain
from benchmarks.realtime_live import live_figures
from benchmarks.realtime_table import print_table, table
from training.network import RefineNetwork
from training.network.inference import for_inference
from training.network.weights import load_refine
from training.realtime.precision import best_precision, cpu_flags
from training.realtime.runtime import Runtime

Bytes = NDArray[np.uint8]
HEIGHT, WIDTH, SCALE, PIXELS = 1080, 1920, 0.25, 80_000
LIVE_SCALE = 0.75
"""At 640x360: the smallest tried whose MAD stays within 1.1 times that of scale 1; the coarse sides come out even."""
PEOPLE = (260, 300, 520, 850)
"""Frames of the clip with somebody in them."""


def network_of(weights: Path, scale: float, pixels: int) -> RefineNetwork:
    """A trained network at another scale and number of refined pixels than it was trained with."""
    network = load_refine(weights)
    if network.backbone_name != "mobilenetv2" or network.refiner.mode != "sampling":
        raise SystemExit(
            f"{weights} is {network.backbone_name} in mode {network.refiner.mode}; give mobilenetv2, sampling"
        )
    made = RefineNetwork("mobilenetv2", scale, "sampling", pixels, difference=network.difference)
    made.load_state_dict(network.state_dict())
    return made.eval()


def scene(realset: Path) -> tuple[Bytes, list[Bytes]]:
    """The plate, a median over the clip, and the frames; (1080, 1920, 3) RGB uint8."""
    import av

    wanted: dict[int, Bytes] = {}
    some: list[Bytes] = []
    with av.open(str(realset / "clips" / "fixed_camera.mp4")) as clip:
        for number, frame in enumerate(clip.decode(video=0)):
            if number in PEOPLE:
                wanted[number] = np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            if number % 45 == 0:
                some.append(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))
    plate = np.median(np.stack(some).astype(np.float32), axis=0).astype(np.uint8)
    return _enlarged(plate), [_enlarged(wanted[number]) for number in PEOPLE]


def _enlarged(image: Bytes) -> Bytes:
    return np.asarray(cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.uint8)


def tensor(image: Bytes) -> Tensor:
    return torch.from_numpy(image).permute(2, 0, 1)[None].float().div(255).contiguous()


def turns(rounds: int, actions: dict[str, Callable[[], object]]) -> dict[str, tuple[list[float], list[float]]]:
    """Seconds on the wall and of the processor of each action, run in turn, after one round that does not count."""
    found: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in actions}
    for number in range(rounds + 1):
        for name, action in actions.items():
            wall, used = time.perf_counter(), time.process_time()
            action()
            if number:
                found[name][0].append(time.perf_counter() - wall)
                found[name][1].append(time.process_time() - used)
    return found


def apart(eager: NDArray[np.float32], refined: NDArray[np.bool_], found: Any) -> dict[str, float]:
    """How far a result's alpha is from the eager network's, in 1/255."""
    difference = np.abs(found.alpha - 255 * eager)
    inside = refined.repeat(4, axis=0).repeat(4, axis=1)[: eager.shape[0], : eager.shape[1]]
    return {
        "patch_mean": float(difference[inside].mean()),
        "patch_p99": float(np.percentile(difference[inside], 99)),
        "outside_p999": float(np.percentile(difference[~inside], 99.9)),
        "same_patches": float((refined & found.refined).sum() / refined.sum()),
    }


@torch.inference_mode()
def hd_figures(weights: Path, realset: Path, rounds: int, threads: int) -> dict[str, Any]:
    """Speed and differences at 1920x1080."""
    network = network_of(weights, SCALE, PIXELS)
    plate, frames = scene(realset)
    runtimes = {"float32": Runtime(network, HEIGHT, WIDTH, "float32", threads)}
    best = best_precision()
    runtimes.setdefault(best, Runtime(network, HEIGHT, WIDTH, best, threads))
    reference = for_inference(network)
    bgr = tensor(plate)
    worst: dict[str, float] = {}
    for runtime in runtimes.values():
        runtime.set_background(plate)
    for frame in frames:
        src = tensor(frame)
        # Its refinement map says what the eager arm refined: their outputs agree to 1e-5, benchmarks.network checks it.
        refined = reference(src, bgr).ref_sm[0, 0].numpy() > 0
        eager = plain.refine(network, src, bgr)[0][0, 0].numpy()
        for name, runtime in runtimes.items():
            for figure, value in apart(eager, refined, runtime(frame)).items():
                key = figure if name == best else f"{name}_{figure}"
                pick = min if figure == "same_patches" else max
                worst[key] = pick(worst.get(key, value), value)
    src = tensor(frames[0])
    arms: dict[str, Callable[[], object]] = {"eager": lambda: plain.refine(network, src, bgr)}
    arms |= {name: partial(runtime, frames[0]) for name, runtime in runtimes.items()}
    taken = turns(rounds, arms)
    wall, used = ({name: statistics.median(both[kind]) for name, both in taken.items()} for kind in (0, 1))
    return {
        "hd_vs_eager": wall["eager"] / wall[best],
        "hd_float32_vs_eager": wall["eager"] / wall["float32"],
        "hd_vs_eager_processor_time": used["eager"] / used[best],
        "hd_float32_vs_eager_processor_time": used["eager"] / used["float32"],
        "hd_eager_seconds": wall["eager"],
        "hd_seconds": wall[best],
        "precision": best,
        **worst,
    }


def main() -> None:
    """Print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--weights", type=Path, default=Path("data/models/refine.safetensors"))
    parser.add_argument("--realset", type=Path, default=Path(os.environ.get("CLEANPLATE_REALSET", "../shared/realset")))
    parser.add_argument("--rounds", type=int, default=9, help="of each arm at HD")
    parser.add_argument("--seconds", type=float, default=60, help="of the paced run at 640x360")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--no-table", action="store_true", help="leave out the table of backends")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    found: dict[str, Any] = {"threads": options.threads, "flags": " ".join(cpu_flags())}
    found |= hd_figures(options.weights, options.realset, options.rounds, options.threads)
    live = network_of(options.weights, LIVE_SCALE, 20_000), network_of(options.weights, 1.0, 20_000)
    found |= live_figures(*live, options.realset, options.seconds, options.threads)
    for name, value in found.items():
        print(f"{name:36} {value:.4g}" if isinstance(value, float) else f"{name:36} {value}")
    options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if not options.no_table:
        plate, frames = scene(options.realset)
        network = network_of(options.weights, SCALE, PIXELS)
        found["table"] = table(network, live[0], plate, frames, options.threads)
        print_table(found["table"])
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
