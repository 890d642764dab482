"""``python -m tests.chaos``: the campaign and its table; exit code 1 on any loss, difference, hang or unclear error."""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.chaos import changes, damage, database, kills, machine, processes
from tests.chaos.outcome import BROKEN, HANG, Result, table, totals
from tests.chaos.processes import HangError
from tests.chaos.world import Clock, World

LONG = ("checkpoints", "database", "kills 2", "the line")
"""Left out of the short campaign: they need training, FiftyOne or time."""
Fault = Callable[[World, random.Random], Iterator[Result]]


def main() -> int:
    arguments = _arguments()
    clock = Clock(arguments.minutes)
    processes.TIMEOUT = arguments.timeout
    folder = arguments.reuse or Path(tempfile.mkdtemp(prefix="chaos-"))
    results = _earlier(arguments.record)
    try:
        folder.chmod(0o755)
        world = World(folder, arguments.short)
        world.make()
        for name, faults in plan(arguments, clock):
            if clock.over:
                print(f"the time is up; not begun: {name}", flush=True)
                continue
            rng = random.Random(f"{arguments.seed} {name}")
            results += struck(name, faults, world, rng, clock, arguments.record)
    finally:
        if arguments.keep or arguments.reuse:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    text = table(results)
    print(f"\n{text}\n\nseed {arguments.seed}, {clock.spent():.0f} s of processor time\n{totals(results)}")
    if arguments.table:
        arguments.table.write_text(f"{text}\n\n{totals(results)}\n", encoding="utf-8")
    return int(any(each.bad for each in results) or not results)


def struck(
    name: str, faults: Fault, world: World, rng: random.Random, clock: Clock, record: Path | None
) -> list[Result]:
    """The results of one kind of fault, each told as it comes. A hang or a broken campaign is one of them."""
    found: list[Result] = []
    started = time.monotonic()

    def note(each: Result) -> None:
        found.append(each)
        if record:
            with record.open("a", encoding="utf-8") as file:
                file.write(json.dumps(each._asdict()) + "\n")

    try:
        for each in faults(world, rng):
            note(each)
            print(f"{each.fault}: {each.outcome} {each.note}", flush=True)
            if clock.over and not each.fault.startswith(
                "SIGKILL"
            ):  # kills that struck are all told, then ends their round
                print(f"the time is up within: {name}", flush=True)
                break
    except HangError as error:
        note(Result(name, HANG, note=str(error)))
    except Exception as error:
        traceback.print_exc()
        note(Result(name, BROKEN, note=f"{type(error).__name__}: {error}"))
    print(f"-- {name}: {time.monotonic() - started:.0f} s, {clock.spent():.0f} s of processor time so far", flush=True)
    return found


def _earlier(record: Path | None) -> list[Result]:
    if not record or not record.is_file():
        return []
    return [Result(**json.loads(line)) for line in record.read_text(encoding="utf-8").splitlines()]


def plan(arguments: argparse.Namespace, clock: Clock) -> Iterator[tuple[str, Fault]]:
    """The kinds of fault, in an order that has something of each where the time is short."""
    every: list[tuple[str, Fault]] = [
        ("kills 1", lambda world, rng: kills.rounds(world, rng, clock, 2, True)),
        ("code", changes.code),
        ("two at once", changes.two),
        ("disk", machine.disk),
        ("rights", machine.rights),
        ("immutable", machine.immutable),
        ("clock", machine.clock),
        ("memory", machine.memory),
        ("raw files", changes.raw),
        ("parameter", changes.parameter),
        ("settings", damage.settings),
        ("parts", damage.parts),
        ("checkpoints", damage.checkpoint),
        ("shards", damage.shards),
        ("damage seen", damage.seen),
        ("damage unseen", damage.unseen),
        ("database", database.killed),
        ("kills 2", lambda world, rng: kills.rounds(world, rng, clock, 3, True)),
        ("the line", lambda world, rng: kills.line(world, rng, 12)),
    ]
    for name, faults in every:
        if name in arguments.only if arguments.only else not (arguments.short and name in LONG):
            yield name, faults


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a seeded selection of all kinds")
    parser.add_argument("--seed", type=int, default=9)
    parser.add_argument("--minutes", type=float, help="begin no further fault after so long")
    parser.add_argument("--only", action="append", help="a kind of fault, as the lines with -- name them")
    parser.add_argument("--table", type=Path, help="write the table there too")
    parser.add_argument("--record", type=Path, help="append the results there; those of earlier sittings count too")
    parser.add_argument(
        "--timeout",
        type=float,
        default=processes.TIMEOUT,
        help="seconds after which a command hangs; more at low priority",
    )
    parser.add_argument("--keep", action="store_true", help="leave the campaign's folder")
    parser.add_argument("--reuse", type=Path, help="take the undisturbed run out of a folder that was kept")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
