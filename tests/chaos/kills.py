"""SIGKILL at random moments, to one stage after another and to the whole line, and what is there after going on."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.outcome import HANG, REMADE, UNCLEAR, Result
from tests.chaos.processes import HangError, Job
from tests.chaos.world import Clock, World

EARLY = ("dvc and its stage", "dvc alone", "the stage alone", "the stage, run without dvc")
LATE = ("as it publishes", "between its end and DVC's record", "while DVC records it")
CORRUPT_LOCK = "Unable to read RWLock-file"
"""DVC writes its own lock in place: a kill in those microseconds leaves half of it, and DVC says which file."""


def rounds(world: World, rng: random.Random, clock: Clock, early: int, late: bool) -> Iterator[Result]:
    """Kill each stage ``early`` times on its way, and where ``late`` also at its end; then let it finish."""
    stages = list(world.stages)
    rng.shuffle(stages)
    if world.short:
        stages = [stage for stage in stages if stage not in ("sample", "detect")][:3]
    for stage in stages:
        if clock.over:
            return
        modes = [rng.choice(EARLY) for _ in range(early)] + (list(LATE) if late else [])
        try:
            yield from session(world, rng, stage, modes)
        except HangError as error:
            yield Result(f"SIGKILL: {stage}", HANG, note=str(error))


def session(world: World, rng: random.Random, stage: str, modes: list[str]) -> Iterator[Result]:
    """Kill one stage in each of the ways, one after the other, each time going on from what the last left."""
    with world.copy(stage) as project:
        struck: list[str] = []
        orphans: list[Job] = []
        finished: dict[str, int] = {}
        for mode in modes:
            for _ in range(2):  # one that came too late is tried once more, from nothing
                job = _start(world, project, stage, mode)
                if _strike(job, mode, world, project, stage, rng):
                    struck.append(mode)
                    orphans.append(job)
                    finished |= parts_of(project, stage)
                    break
                if job.wait() and not _mended(project, job.text):
                    yield Result(f"SIGKILL: {mode}", UNCLEAR, note=f"{stage}: {job.text[-300:]}")
                    return
                _yield_to(orphans)
                world.forget(project, stage)
                finished.clear()
        said = world.finish(project, stage)
        if said and _mended(project, said):
            said = world.finish(project, stage)
        _yield_to(orphans)
        if said:
            yield Result(f"SIGKILL: {', '.join(struck)}", UNCLEAR, note=f"{stage}: {said[-300:]}")
            return
        again = {name for name, inode in finished.items() if parts_of(project, stage).get(name) != inode}
        if again:
            size = sum((project / name).stat().st_size for name in again if (project / name).is_file())
            yield Result("SIGKILL: finished parts stay", REMADE, size or len(again), f"{stage}: {sorted(again)[:2]}", 0)
        for mode in struck:
            yield world.compared(f"SIGKILL: {mode}", project)


def _yield_to(orphans: list[Job]) -> None:
    for job in orphans:
        job.require_gone()


def _start(world: World, project: Path, stage: str, mode: str) -> Job:
    return world.stage(project, stage) if mode == EARLY[3] else world.dvc(project, stage)


def _strike(job: Job, mode: str, world: World, project: Path, stage: str, rng: random.Random) -> bool:
    """Wait for the moment and kill; False where the command ended before."""
    if mode in EARLY:
        # More often early than late: its end has ways of its own, and going on is shorter than the first run was.
        target = 0.3 + rng.random() ** 1.5 * max(0.3, 0.7 * world.cost[stage] - 0.3)
        spent = 0.0

        def reached() -> bool:
            nonlocal spent
            spent = max(spent, job.cpu())
            return spent > target

        if not job.until(reached):
            world.cost[stage] = spent  # the undisturbed run compiled what is compiled by now
            return False
    elif mode == LATE[0]:
        out = _first_out(project, stage)
        if not job.until(lambda: out.exists(), 0.002):
            return False
        time.sleep(rng.uniform(0, 0.01))
    else:
        # The stage's last deed is its seal; then its process goes, and dvc hashes, moves, links and writes dvc.lock.
        sealed = project / ".work"
        if not job.until(lambda: any(sealed.glob(f"{stage}-*/published.json")) and not job.below(), 0.002):
            return False
        time.sleep(rng.uniform(0, 0.002 if mode == LATE[1] else 0.2))
    if not job.running:
        return False
    _kill(job, mode)
    return True


def _kill(job: Job, mode: str) -> None:
    if mode in ("dvc alone", *LATE[1:]):
        job.kill_alone()
    elif mode == "the stage alone":
        job.kill_below()
        job.wait(60)
    else:
        job.kill()


def _first_out(project: Path, stage: str) -> Path:
    # What a stage publishes first is a folder where it has one, of which half may be there.
    places = {
        "sample": "sample", "index": "images.parquet", "detect": "people.parquet", "curate": "verdicts.parquet",
        "mattes": "frames", "plan": "plan.parquet", "render": "shards", "train_base": "models/base.safetensors",
        "train_refine": "models/refine.safetensors", "evaluate": "evaluation", "robustness": "robustness",
        "export": "export", "report": "../report/report.html",
    }  # fmt: skip
    return project / "data" / places[stage]


def _mended(project: Path, said: str) -> bool:
    if CORRUPT_LOCK not in said:
        return False
    (project / ".dvc/tmp/rwlock").unlink(missing_ok=True)
    return True


def parts_of(project: Path, stage: str) -> dict[str, int]:
    """Finished parts by name, with what tells that they are still the same files."""
    files = [file for file in project.glob(f".work/{stage}-*/**/parts/[!.]*/*") if file.is_file()]
    return {file.relative_to(project).as_posix(): file.stat().st_ino for file in files}


def line(world: World, rng: random.Random, kills: int) -> Iterator[Result]:
    """The whole line from nothing, killed again and again on its way."""
    with world.copy() as project:
        world.forget(project, *world.stages)
        yield from _line(world, project, rng, kills)


def _line(world: World, project: Path, rng: random.Random, kills: int) -> Iterator[Result]:
    whole = sum(world.cost.values())
    struck = []
    for _ in range(kills):
        job = world.dvc(project)
        target = rng.uniform(0.5, 2 * whole / kills)
        mode = rng.choice(EARLY[:3])
        if not job.until(lambda job=job, target=target: job.cpu() > target, 0.05):
            if job.wait() and not _mended(project, job.text):
                yield Result("SIGKILL: the whole line", UNCLEAR, note=job.text[-300:])
                return
            continue
        _kill(job, mode)
        struck.append(mode)
    said = world.finish(project)
    if said and _mended(project, said):
        said = world.finish(project)
    if said:
        yield Result("SIGKILL: the whole line", UNCLEAR, note=said[-300:])
        return
    yield world.compared("SIGKILL: the whole line, again and again", project, times=len(struck))
