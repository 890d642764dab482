"""What a composite costs: ours against the published recipe, albumentations and the codecs alone, on the same inputs.

``python -m benchmarks.render --json FILE [--cpu] [--count 24 4] [--runs 3]``

One thread of one process renders drawn inputs (:mod:`benchmarks.world`): 1080p frames as stored by the mattes stage,
photographs of 1500x1000 for 512x512 and of 2400x2240 for 2048x2048, every step of the full preset at its default
probability. Files are read and decoded for every composite: nothing is kept. Arms:

- ``published``: the recipe of Background Matting V2 with PIL, torchvision and kornia (:mod:`benchmarks.published`; the
  ``dev`` extra has kornia), in its batches of 8 and 4; nothing is encoded
- ``albumentations``: the same idea in albumentations; nothing is encoded
- ``codec``: the limit: the same stored inputs fully decoded, the same outputs encoded
- ``ours``: ``Inputs`` + ``render``, encoding included

``vs_published_512``, ``vs_published_2048``: composites a second of ours over those of the published recipe.
``codec_share_512``, ``codec_share_2048``: time of the codec limit over ours. ``two_processes``: composites a second of
two processes over one, at 512. The fastest of ``runs`` runs counts. Time is wall time, or with ``--cpu`` the processor
time, which suffers less from what else a shared machine does; ``two_processes`` always is wall time. ``steps_512`` and
``steps_2048``: milliseconds spent in each function itself, without the functions that it calls.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.published import Albumentations, Encoded, published
from benchmarks.steps import self_times
from benchmarks.world import SIZES, World, make_world
from compositing.codec import decode_grey_layer, decode_rgb_layer, encode_jpeg, encode_png
from compositing.inputs import Inputs
from compositing.mattes.framestore import read_frame
from compositing.memory import keep_freed_memory
from compositing.photographs import decode_photograph
from compositing.render import Layers, render
from curation.sources import Source

BATCH = {"base": 8, "refine": 4}
Clock = Callable[[], float]


def one_thread() -> None:
    keep_freed_memory()  # as the render stage does; it serves every arm
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def ours(world: World) -> list[Layers]:
    # A new Inputs each time: its cache would hide the decoding.
    return [render(row, *Inputs(world.roots, world.frames).load(row)) for row in world.rows]


def stored(world: World, row: dict[str, Any]) -> Encoded:
    frame = world.frames[row["frame_id"]]
    store = Source(world.roots.store)
    return Encoded(
        store.read(frame["fgr"]), store.read(frame["pha"]), Source(world.roots.backgrounds).read(row["locator"])
    )


def codec(world: World, made: list[Layers]) -> None:
    for row, layers in zip(world.rows, made, strict=True):
        sample = stored(world, row)
        if row["second_frame_id"] is not None:
            read_frame(Source(world.roots.store), world.frames[row["second_frame_id"]])
        decode_rgb_layer(sample.fgr)
        decode_grey_layer(sample.pha)
        decode_photograph(sample.background)
        encode_jpeg(layers.src, row["src_quality"])
        encode_jpeg(layers.bgr, row["bgr_quality"])
        encode_jpeg(layers.fgr, 95, "444")
        encode_png(layers.pha)


def by_recipe(world: World, name: str) -> None:
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    for first in range(0, len(world.rows), BATCH[name]):
        published([stored(world, row) for row in world.rows[first : first + BATCH[name]]], SIZES[name], rng)


def by_albumentations(world: World, name: str) -> None:
    pipeline = Albumentations(SIZES[name], 0)
    for row in world.rows:
        pipeline.render(stored(world, row))


def best(work: Callable[[], object], count: int, runs: int, clock: Clock) -> float:
    """Milliseconds a composite, the fastest of some runs after one that does not count."""
    work()
    times = []
    for _ in range(runs):
        start = clock()
        work()
        times.append(clock() - start)
    return 1000 * min(times) / count


def _work(world: World, runs: int, ready: Any, times: Any) -> None:
    one_thread()
    ours(world)
    for _ in range(runs):
        ready.wait()
        start = time.time()
        ours(world)
        times.put((start, time.time()))
        ready.wait()


def together(world: World, processes: int, runs: int) -> float:
    """Composites a second of some processes at once, each rendering all rows, the fastest of some runs."""
    context = multiprocessing.get_context("spawn")
    ready, times = context.Barrier(processes), context.Queue()
    workers = [context.Process(target=_work, args=(world, runs, ready, times)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    rates = []
    for _ in range(runs):
        spans = [times.get(timeout=600) for _ in workers]
        rates.append(processes * len(world.rows) / (max(end for _, end in spans) - min(start for start, _ in spans)))
    for worker in workers:
        worker.join()
    return max(rates)


def measure(name: str, count: int, runs: int, clock: Clock, folder: Path) -> dict[str, Any]:
    """Time every arm on one set's inputs."""
    world, size = make_world(folder / name, name, count), SIZES[name]
    made = ours(world)
    ms = {
        "published": best(lambda: by_recipe(world, name), count, runs, clock),
        "albumentations": best(lambda: by_albumentations(world, name), count, runs, clock),
        "codec": best(lambda: codec(world, made), count, runs, clock),
        "ours": best(lambda: ours(world), count, runs, clock),
    }
    steps = self_times(lambda: ours(world), clock)
    report = {
        f"ms_{size}": {arm: round(value, 2) for arm, value in ms.items()},
        f"vs_published_{size}": round(ms["published"] / ms["ours"], 2),
        f"codec_share_{size}": round(ms["codec"] / ms["ours"], 3),
        f"steps_{size}": {step: round(1000 * value / count, 2) for step, value in steps.items()},
    }
    if name == "base":
        report["two_processes"] = round(together(world, 2, runs) / together(world, 1, runs), 2)
    return report


def table(report: dict[str, Any]) -> str:
    lines = []
    for size in SIZES.values():
        lines.append(f"{size}x{size}, ms a composite ({report['clock']} time, fastest of {report['runs']} runs)")
        arms = report[f"ms_{size}"]
        lines += [f"  {arm:32s}{value:9.2f}{1000 / value:9.2f} a second" for arm, value in arms.items()]
        lines.append("  of which, in the function itself:")
        shown = {step: value for step, value in report[f"steps_{size}"].items() if value >= 0.005 * arms["ours"]}
        lines += [f"    {step:30s}{value:9.2f}" for step, value in shown.items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--cpu", action="store_true", help="processor time in place of wall time")
    parser.add_argument("--count", type=int, nargs=2, default=(24, 4), help="composites at 512 and at 2048")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    one_thread()
    clock = time.process_time if options.cpu else time.perf_counter
    report: dict[str, Any] = {"clock": "processor" if options.cpu else "wall", "runs": options.runs}
    with tempfile.TemporaryDirectory() as folder:
        for name, count in zip(SIZES, options.count, strict=True):
            report |= measure(name, count, options.runs, clock, Path(folder))
    print(table(report))
    print(json.dumps({key: value for key, value in report.items() if not isinstance(value, dict)}, indent=2))
    options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
