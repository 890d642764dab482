"""What people change while work is unfinished: code, a second run, parameters, raw files, where they lie."""

import random
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.outcome import DIFFERENT, NAMED, REMADE, UNCLEAR, Result
from tests.chaos.world import World

CODE = ("compositing/shards/tar.py", "info.mode = 0o644", "info.mode = 0o640")
"""A line that is in every tar: parts made before and after its change cannot be told apart but by their bytes."""


def unfinished(world: World, project: Path, stage: str, parts: int = 1) -> int:
    """Kill a stage once it has finished so many parts; how many there are then."""
    job = world.stage(project, stage)

    def count() -> int:
        return sum(1 for _ in project.glob(f".work/{stage}-*/parts/[!.]*"))

    if job.until(lambda: count() >= parts, 0.002):
        job.kill()
    return count()


def code(world: World, rng: random.Random) -> Iterator[Result]:
    """Code that changes between kill and going on, and back again."""
    fault = "code changed between kill and going on"
    with world.copy("mattes") as project:
        _edit(project, CODE)
        said = world.finish(project, "mattes")
        changed = world.digests(project)
    if said or changed == world.reference:
        yield Result(fault, UNCLEAR, note=f"the changed code made nothing else: {said[-200:]}")
        return
    with world.copy("mattes") as project:
        unfinished(world, project, "mattes", rng.randint(1, 3))
        _edit(project, CODE)
        said = world.finish(project, "mattes")
        yield Result(fault, UNCLEAR, note=said[-200:]) if said else world.compared(fault, project, reference=changed)
        _edit(project, (CODE[0], CODE[2], CODE[1]))
        said = world.finish(project, "mattes")
        fault = "code changed back"
        yield Result(fault, UNCLEAR, note=said[-200:]) if said else world.compared(fault, project)


def _edit(project: Path, what: tuple[str, str, str]) -> None:
    file = project / what[0]
    text = file.read_text()
    if what[1] not in text:
        raise ValueError(f"{file} has no line '{what[1]}'; the campaign must follow the code")
    file.write_text(text.replace(what[1], what[2]))


def two(world: World, rng: random.Random) -> Iterator[Result]:
    """The same stage twice at once, without DVC and with it."""
    cases = (
        ("two of a stage at once", ("already works in", "wait for it")),
        ("two dvc repro at once", ("lock",)),
    )
    for fault, words in world.some(rng, cases):
        with world.copy("mattes") as project:
            run = world.stage if fault.startswith("two of") else world.dvc
            jobs = [run(project, "mattes"), run(project, "mattes")]
            codes = [job.wait() for job in jobs]
            bad = [job.text for job, code in zip(jobs, codes, strict=True) if code]
            if any("Traceback" in text or not all(word in text for word in words) for text in bad) or len(bad) > 1:
                yield Result(fault, UNCLEAR, note=" ".join(bad[-1].split())[-300:])
                continue
            said = world.finish(project, "mattes")
            yield Result(fault, UNCLEAR, note=said[-200:]) if said else world.compared(fault, project)


def parameter(world: World, rng: random.Random) -> Iterator[Result]:
    """A parameter there and back: neither the other value's rows, nor the first one's, may come back stale."""
    fault = "a parameter toggled back and forth"
    with world.copy() as project:
        key, values = "curate.min_sharpness", (400.0, 10.0, 400.0, 10.0)
        seen: dict[float, dict[str, tuple[str, int]]] = {10.0: world.reference}
        for value in values[: 2 if world.short else None]:
            world.set(project, key, value)
            said = world.finish(project, "curate")
            if said:
                yield Result(fault, UNCLEAR, note=said[-200:])
                return
            if value not in seen:
                seen[value] = world.digests(project)
                if seen[value] == world.reference:
                    yield Result(fault, DIFFERENT, 1, "another threshold, and nothing changed")
            yield world.compared(fault, project, reference=seen[value])


def raw(world: World, rng: random.Random) -> Iterator[Result]:
    """Raw files that change and change back, a root that is renamed: told by a scan, or not."""
    with world.copy() as project:
        raw_root = project / "raw"
        (project / "data/sample").rename(raw_root)
        (project / "data/sample").mkdir()
        world.set(project, "data.preset", "full")
        _tell(project, raw_root)
        said = _again(world, project)
        if said:
            yield Result("raw files elsewhere", UNCLEAR, note=said[-300:])
            return
        first = world.digests(project)
        photographs = sorted((raw_root / "places365").glob("data_large/*/*/room*.jpg"))
        one, other = rng.sample(photographs, 2)
        kept = one.read_bytes()
        fault = "raw file replaced by another"
        one.write_bytes(other.read_bytes() + b"\0")
        said = _again(world, project)
        second = world.digests(project)
        if said or second["data/images.parquet"] == first["data/images.parquet"]:
            yield Result(fault, UNCLEAR if said else DIFFERENT, 1, said[-300:] or "the change went unseen")
            return
        said = world.start(project, "rm", "-rf", ".work", ".dvc/cache/runs").wait() and "rm failed"
        job = world.start(project, "dvc", "repro", "-f", "-s", "index")
        said = job.text if job.wait() else ""
        yield Result(fault, UNCLEAR, note=said[-300:]) if said else world.compared(fault, project, reference=second)
        one.write_bytes(kept)
        said = _again(world, project)
        fault = "raw file put back"
        yield Result(fault, UNCLEAR, note=said[-300:]) if said else world.compared(fault, project, reference=first)

        if world.short:
            return
        moved = project / "moved raw"
        raw_root.rename(moved)
        job = world.start(project, "dvc", "repro", "-f", "-s", "index")
        words = ("paths.yaml", "not a folder", "cleanplate use full")
        code, text = job.wait(), job.text
        missing = [word for word in words if word not in text]
        if not code or missing or "Traceback" in text:
            yield Result("root renamed, not told", UNCLEAR, note=f"{missing} not in {text[-300:]}")
            return
        _tell(project, moved)
        said = _again(world, project)
        if said:
            yield Result("root renamed", UNCLEAR, note=said[-300:])
            return
        yield world.compared("root renamed, not told", project, NAMED, first)
        yield world.compared("root renamed and told", project, reference=first)


def _tell(project: Path, root: Path) -> None:
    (project / "paths.yaml").write_text(f"places365: {root / 'places365'}\nvideomatte: {root / 'videomatte'}\n")


def _again(world: World, project: Path) -> str:
    """Scan and index: what was said where one of them failed."""
    job = world.start(project, "python", "-m", "pipelines.cli", "scan")
    return job.text if job.wait() else world.finish(project, "index")


def remade(world: World, project: Path, stage: str, before: dict[str, int], fault: str, now: dict[str, int]) -> Result:
    """Whether the finished parts of an unfinished run stayed, and the bytes."""
    again = [name for name, inode in before.items() if now.get(name) != inode]
    if again:
        return Result(fault, REMADE, len(again), f"{stage}: {again[:2]}")
    return world.compared(fault, project)
