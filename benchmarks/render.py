"""What a composite costs: ours against the published recipe, albumentations and the codecs alone, on the same inputs.

``python -m benchmarks.render --json FILE [--cpu] [--count 24 6] [--runs 3]``

One thread of one process renders drawn inputs (:mod:`benchmarks.world`): 1080p frames as stored by the mattes stage,
photographs of 1500x1000 for 512x512 and of 2400x2240 for 2048x2048, every step of the full preset at its default
probability. Arms, each in a process of its own, one after the other:

- ``published``: the recipe of Background Matting V2 with PIL, torchvision and kornia (:mod:`benchmarks.published`; the
  ``dev`` extra has kornia), in its batches of 8 and 4; nothing is encoded. With the system's allocator as it comes, as
  its users run it
- ``published_kept``: the same, keeping freed memory as ours does (:mod:`compositing.memory`), which its users do not
  know of but might
- ``albumentations``: the same idea in albumentations; nothing is encoded; the system's allocator as it comes
- ``codec``: the limit: the same stored inputs fully decoded for every composite, the same outputs encoded; freed memory
  kept, which makes it faster
- ``ours``: ``Inputs`` + ``render``, encoding included, planned as the full preset plans: so many composites in a row
  use one frame (``plan.base.together``, ``plan.refine.together``), which is read and decoded once for them, as in a
  shard; each photograph is used once. **The arms above, the codec limit among them, decode the frame for every one**
- ``ours_alone``: the same with ``together`` 1: every input decoded for every composite, as the codec limit does

``vs_published_512``, ``vs_published_2048``: composites a second of ours over those of the published recipe.
``codec_share_512``, ``codec_share_2048``: time of the codec limit over ours. ``alone_...``: the same of ``ours_alone``;
``vs_published_kept_...``: of ours over ``published_kept``. ``two_processes``: composites a second of two processes over
one, at 512. The fastest of ``runs`` runs counts. Time is wall time, or with ``--cpu`` the processor time, which suffers
less from what else a shared machine does; ``two_processes`` always is wall time. ``steps_512`` and ``steps_2048``:
milliseconds spent in each function or kernel itself, without the functions that it calls.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.apart import apart, best, clock_of, one_thread
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


def ours(world: World) -> list[Layers]:
    made = []
    for group in world.groups:
        # A new one each time: nothing is kept from one group to the next.
        inputs = Inputs(world.roots, world.frames)
        made += [render(row, *inputs.load(row)) for row in group]
    return made


def ours_alone(world: World) -> list[Layers]:
    return [render(row, *Inputs(world.roots, world.frames).load(row)) for row in world.alone]


def stored(world: World, row: dict[str, Any]) -> Encoded:
    frame = world.frames[row["frame_id"]]
    store = Source(world.roots.store)
    return Encoded(
        store.read(frame["fgr"]),
        store.read(frame["pha"]),
        Source(world.roots.backgrounds[row["dataset"]]).read(row["locator"]),
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


class Arm(NamedTuple):
    """What is timed in a process of its own."""

    kind: str
    keeps: bool
    """Whether freed memory is kept."""


ARMS = {
    "published": Arm("recipe", False),
    "published_kept": Arm("recipe", True),
    "albumentations": Arm("albumentations", False),
    "codec": Arm("codec", True),
    "ours": Arm("ours", True),
    "ours_alone": Arm("alone", True),
}


def _work_of(kind: str, world: World, name: str) -> Callable[[], object]:
    match kind:
        case "recipe":
            return lambda: by_recipe(world, name)
        case "albumentations":
            return lambda: by_albumentations(world, name)
        case "codec":
            made = ours(world)
            return lambda: codec(world, made)
        case "ours":
            return lambda: ours(world)
    return lambda: ours_alone(world)


def _time_arm(arm: Arm, world: World, name: str, runs: int, cpu: bool, found: Any) -> None:
    if arm.keeps:
        keep_freed_memory()  # as the render stage does
    one_thread()
    found.put(best(_work_of(arm.kind, world, name), len(world.rows), runs, clock_of(cpu)))


def _time_steps(world: World, cpu: bool, found: Any) -> None:
    keep_freed_memory()
    one_thread()
    ours(world)
    found.put(self_times(lambda: ours(world), clock_of(cpu)))


def _work(world: World, runs: int, ready: Any, times: Any) -> None:
    keep_freed_memory()
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


def measure(name: str, count: int, runs: int, cpu: bool, folder: Path) -> dict[str, Any]:
    """Time every arm on one set's inputs."""
    world, size = make_world(folder / name, name, count), SIZES[name]
    ms: dict[str, float] = {arm: apart(_time_arm, ARMS[arm], world, name, runs, cpu) for arm in ARMS}
    steps: dict[str, float] = apart(_time_steps, world, cpu)
    report = {
        f"ms_{size}": {arm: round(value, 2) for arm, value in ms.items()},
        f"vs_published_{size}": round(ms["published"] / ms["ours"], 2),
        f"vs_published_kept_{size}": round(ms["published_kept"] / ms["ours"], 2),
        f"codec_share_{size}": round(ms["codec"] / ms["ours"], 3),
        f"alone_vs_published_{size}": round(ms["published"] / ms["ours_alone"], 2),
        f"alone_codec_share_{size}": round(ms["codec"] / ms["ours_alone"], 3),
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
    parser.add_argument("--count", type=int, nargs=2, default=(24, 6), help="composites at 512 and at 2048")
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    report: dict[str, Any] = {"clock": "processor" if options.cpu else "wall", "runs": options.runs}
    with tempfile.TemporaryDirectory() as folder:
        for name, count in zip(SIZES, options.count, strict=True):
            report |= measure(name, count, options.runs, options.cpu, Path(folder))
    print(table(report))
    print(json.dumps({key: value for key, value in report.items() if not isinstance(value, dict)}, indent=2))
    options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
