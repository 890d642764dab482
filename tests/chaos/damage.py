"""Bits that flip and files that end early: each kind of input and output, seen by DVC or behind its back."""

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.chaos.changes import unfinished
from tests.chaos.outcome import DIFFERENT, NAMED, SAME, UNCLEAR, Result
from tests.chaos.world import World

CHECKPOINTS = ".work/train_base-*/checkpoints/step-*.safetensors"
HOW = ("a bit flipped", "truncated")


VERIFY = (sys.executable, "-m", "pipelines.cli", "verify", "--outputs")


class Kind(NamedTuple):
    """A kind of file, one of its kind, who makes it and who reads it."""

    name: str
    pattern: str
    maker: str
    reader: str


KINDS = (
    Kind("photograph", "data/sample/places365/data_large/*/*/room*.jpg", "sample", "index"),
    Kind("video", "data/sample/videomatte/*/fgr/*.mp4", "sample", "mattes"),
    Kind("json", "data/sample.json", "sample", "index"),
    Kind("images table", "data/images.parquet", "index", "curate"),
    Kind("verdicts table", "data/verdicts.parquet", "curate", "plan"),
    Kind("frame store tar", "data/frames/*.tar", "mattes", "render"),
    Kind("plan table", "data/plan.parquet", "plan", "render"),
    Kind("shard", "data/shards/*/*.tar", "render", "train_base"),
    Kind("shards table", "data/shards.parquet", "render", "train_base"),
    Kind("safetensors", "data/models/base.safetensors", "train_base", "train_refine"),
)


def seen(world: World, rng: random.Random) -> Iterator[Result]:
    """An output damaged in place, in DVC's cache too, since both are one file.

    DVC trusts what is read-only, so ``cleanplate verify --outputs`` has to name it, and ``--repair`` to mend it.
    """
    for kind in world.some(rng, [kind for kind in KINDS if kind.maker in world.stages]):
        how = rng.choice(HOW)
        fault = f"{kind.name}: {how}, verify --outputs --repair"
        with world.copy() as project:
            file = _one(project, kind, rng)
            damage(file, how, rng)
            job = world.start(project, *VERIFY)

            def mend(project: Path = project) -> None:
                world.start(project, *VERIFY, "--repair").wait()

            yield world.refused(fault, project, job, (file.name, kind.maker), mend, kind.maker)


def unseen(world: World, rng: random.Random) -> Iterator[Result]:
    """A file that ends early though its time says nothing happened: who reads it must name it."""
    # The json is a stamp: DVC alone reads it.
    for kind in world.some(rng, [kind for kind in KINDS if kind.reader in world.stages and kind.name != "json"]):
        fault = f"{kind.name}: truncated behind DVC's back"
        raw = kind.maker == "sample"
        with world.copy(kind.reader) as project:
            file = _one(project, kind, rng)
            kept = file.read_bytes()
            damage(file, HOW[1], rng, keep_time=True)
            job = world.dvc(project, kind.reader) if raw else world.stage(project, kind.reader)
            code, text = job.wait(), job.text
            _write(file, kept)
            if code and ("Traceback" in text or file.name not in text):
                yield Result(fault, UNCLEAR, note=f"{file.name} not in: {' '.join(text.split())[-300:]}")
                continue
            if raw and not code:  # a raw file that cannot be read is a row with a reason, until it is asked for again
                again = world.start(project, "dvc", "repro", "-f", "-s", kind.reader)
                said = again.text if again.wait() else ""
            elif not code and world.lost(project):
                yield Result(fault, DIFFERENT, 1, "nobody was told")
                continue
            else:
                said = world.finish(project, kind.reader)
            if said:
                yield Result(fault, UNCLEAR, note=said[-300:])
            else:
                yield world.compared(fault, project, NAMED if code or raw else SAME)


def shards(world: World, rng: random.Random) -> Iterator[Result]:
    """A shard's bit flips behind DVC's back: ``cleanplate verify`` names it, ``--repair`` brings the bytes back."""
    fault = "shard: a bit flipped behind DVC's back, cleanplate verify --repair"
    with world.copy() as project:
        shard = rng.choice(sorted(project.glob("data/shards/*/*.tar")))
        damage(shard, HOW[0], rng, keep_time=True)
        found = world.start(project, "python", "-m", "pipelines.cli", "verify")
        mend = world.start(project, "python", "-m", "pipelines.cli", "verify", "--repair") if found.wait() else None
        if mend is None or shard.name not in found.text or mend.wait():
            yield Result(fault, UNCLEAR, note=found.text[-300:] if mend is None else mend.text[-300:])
            return
        yield world.compared(fault, project, NAMED)


def checkpoint(world: World, rng: random.Random) -> Iterator[Result]:
    """The newest checkpoint of an unfinished run is damaged: the one before it is taken, or the run starts over."""
    for how in HOW:
        fault = f"checkpoint: {how}"
        with world.copy("train_base") as project:
            job = world.stage(project, "train_base")
            if job.until(lambda project=project: any(project.glob(CHECKPOINTS.replace("*.", "*2."))), 0.005):
                job.kill()
            newest = sorted(project.glob(CHECKPOINTS))
            if not newest:
                yield Result(fault, UNCLEAR, note=f"no {CHECKPOINTS}")
                return
            damage(newest[-1], how, rng)
            said = world.finish(project, "train_base")
            yield Result(fault, UNCLEAR, note=said[-300:]) if said else world.compared(fault, project)


def settings(world: World, rng: random.Random) -> Iterator[Result]:
    """Files that people and DVC write: each must be named when it ends early."""
    cases = (
        ("params.yaml", ("params.yaml",)),
        ("dvc.yaml", ("dvc.yaml",)),
        ("dvc.lock", ("dvc.lock",)),
    )
    for name, words in world.some(rng, cases):
        fault = f"{name}: truncated"
        with world.copy() as project:
            file = project / name
            kept = file.read_bytes()
            # In mid-key, where the rest is no YAML, and no key is whole that is not wanted whole.
            end = kept.index(b"\n  ", rng.randrange(len(kept) // 4, len(kept) // 2)) + 5
            file.write_bytes(kept[:end].rstrip() + b": [")
            job = world.dvc(project, "curate")

            def mend(file: Path = file, kept: bytes = kept) -> None:
                file.write_bytes(kept)

            yield world.refused(fault, project, job, words, mend, "curate")


def parts(world: World, rng: random.Random) -> Iterator[Result]:
    """A whole part of an unfinished run is cut: it must be named, or made again."""
    fault = "finished part: truncated"
    with world.copy("index") as project:
        unfinished(world, project, "index", 3)
        files = sorted(project.glob(".work/index-*/parts/[!.]*/*.parquet"))
        part = rng.choice(files)
        damage(part, HOW[1], rng)
        job = world.dvc(project, "index")

        def mend() -> None:
            for file in part.parent.iterdir():
                file.unlink()
            part.parent.rmdir()

        if job.wait() == 0:
            yield world.compared(fault, project)
            return
        yield world.refused(fault, project, job, (part.parent.name,), mend, "index")


def damage(file: Path, how: str, rng: random.Random, keep_time: bool = False) -> None:
    """Flip one bit, or cut the file somewhere; in place, so that every link to it is struck."""
    before = file.stat()
    data = bytearray(file.read_bytes())
    place = rng.randrange(len(data))
    if how == HOW[0]:
        data[place] ^= 1 << rng.randrange(8)
    else:
        del data[place:]
    _write(file, bytes(data))
    if keep_time:
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _write(file: Path, data: bytes) -> None:
    mode = file.stat().st_mode
    file.chmod(0o644)
    file.write_bytes(data)
    file.chmod(mode)


def _one(project: Path, kind: Kind, rng: random.Random) -> Path:
    found = sorted(project.glob(kind.pattern))
    if not found:
        raise ValueError(f"no {kind.name} at {kind.pattern}; the campaign must follow the pipeline")
    return rng.choice(found)
