"""What a million composites cost on one machine, on 16 and on 256: a plan on paper from measured inputs.

``python -m benchmarks.scale [--json FILE] [--cores 16]``

Nothing is run: :data:`RATES` holds what was measured and by which command, and this multiplies. A stage is as fast as
its parts allow: a part goes to one core, so beyond as many cores as parts more machines change nothing, and the last
part is waited for. What one process does by itself (planning, gathering, DVC hashing what was made) is counted whole,
whatever the number of machines. ``docs/scale.md`` has the result and what it means.
"""

import argparse
import json
import math
from pathlib import Path
from typing import NamedTuple

MACHINES = (1, 16, 256)
IMAGES, FRAMES = 1_803_460, 240_709
SMALL, LARGE = 1_000_000, 100_000
SHARD = 500


class Rate(NamedTuple):
    """One measured input."""

    seconds: float
    """Of one core, a piece of work."""
    source: str
    """Where it was measured."""


RATES = {
    "index": Rate(1 / 60, "cleanplate estimate (60 images of 512 a second)"),
    "detect": Rate(2 / 11.6, "benchmarks.people, the slowest of three runs: 11.6 images a second on two cores"),
    "mattes": Rate(3.7 / 4.0, "cleanplate estimate (4 megapixels a second) at 2560x1440"),
    "render 512": Rate(0.0285, "benchmarks.render: preset full, shared frames"),
    "render 2048": Rate(0.270, "benchmarks.render, the slower of two runs"),
    "plan": Rate(39.5 / 10_000_000, "benchmarks.plan: plan_10m_seconds"),
    "gather": Rate(127.9 / 10_000_000, "benchmarks.memory_rows --members 50000000: gathering ten million composites"),
    "hash": Rate(1 / 0.736e9, "MD5 of one core, a byte; DVC hashes what it records"),
}
BYTES_A_PIXEL = 0.95
FRAME_BYTES_A_PIXEL = 0.2


class Stage(NamedTuple):
    """One stage's work, and how many parts it comes in."""

    name: str
    items: int
    rate: str
    parts: int


STAGES = (
    Stage("index", IMAGES, "index", math.ceil(IMAGES / 200)),
    Stage("detect", IMAGES, "detect", math.ceil(IMAGES / 200)),
    Stage("mattes", FRAMES, "mattes", 484),
    Stage("render, 512", SMALL, "render 512", math.ceil(SMALL / SHARD)),
    Stage("render, 2048", LARGE, "render 2048", math.ceil(LARGE / SHARD)),
)


def wall_hours(stage: Stage, cores: int) -> float:
    """Hours until the last part is made: parts are dealt out one by one, each to one core."""
    rounds = math.ceil(stage.parts / cores)
    return rounds * math.ceil(stage.items / stage.parts) * RATES[stage.rate].seconds / 3600


def gigabytes() -> dict[str, float]:
    """What lies on disk at the end."""
    return {
        "frame store": FRAMES * 2560 * 1440 * FRAME_BYTES_A_PIXEL / 1e9,
        "shards, 512": SMALL * 512**2 * BYTES_A_PIXEL / 1e9,
        "shards, 2048": LARGE * 2048**2 * BYTES_A_PIXEL / 1e9,
    }


def alone_hours() -> dict[str, float]:
    """What one process of one machine does, however many there are."""
    composites = SMALL + LARGE
    return {
        "plan": composites * RATES["plan"].seconds / 3600,
        "gather": composites * RATES["gather"].seconds / 3600,
        "DVC's hashes": sum(gigabytes().values()) * 1e9 * RATES["hash"].seconds / 3600,
    }


def main() -> None:
    """Print the tables, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--cores", type=int, default=16, help="of a machine")
    given = parser.parse_args()
    print("| stage | parts | core-hours |" + "".join(f" {count} x {given.cores} cores, h |" for count in MACHINES))
    print("|---|---|---|" + "---|" * len(MACHINES))
    found: dict[str, object] = {"cores": given.cores, "rates": {name: rate._asdict() for name, rate in RATES.items()}}
    total, wall = 0.0, dict.fromkeys(MACHINES, 0.0)
    for stage in STAGES:
        used = stage.items * RATES[stage.rate].seconds / 3600
        hours = {count: wall_hours(stage, count * given.cores) for count in MACHINES}
        total += used
        wall = {count: wall[count] + hours[count] for count in MACHINES}
        found[stage.name] = {"core_hours": used, "wall_hours": hours, "parts": stage.parts}
        print(f"| {stage.name} | {stage.parts:,} | {used:.1f} |" + "".join(f" {h:.2f} |" for h in hours.values()))
    for name, alone in alone_hours().items():
        wall = {count: wall[count] + alone for count in MACHINES}
        total += alone
        found[name] = alone
        print(f"| {name} | 1 | {alone:.2f} |" + f" {alone:.2f} |" * len(MACHINES))
    print(f"| **all** | | **{total:.0f}** |" + "".join(f" **{h:.1f}** |" for h in wall.values()))
    found |= {"all_core_hours": total, "all_wall_hours": wall, "gigabytes": gigabytes()}
    print("\n" + ", ".join(f"{name}: {size:,.0f} GB" for name, size in gigabytes().items()))
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
