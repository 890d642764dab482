"""What a machine does to a run: no room, no rights, no memory, another time."""

import contextlib
import os
import random
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tests.chaos.changes import remade, unfinished
from tests.chaos.kills import parts_of
from tests.chaos.outcome import DIFFERENT, NAMED, SAME, SKIPPED, UNCLEAR, Result
from tests.chaos.world import World

POWERLESS = ("setpriv", "--bounding-set", "-dac_override,-dac_read_search", "--")
"""Root to whom the bits of files apply as to everybody else: the interpreter may lie where nobody else may look."""
JUMP = """import os, time
_jump, _time, _ns = float(os.environ["CHAOS_JUMP"]), time.time, time.time_ns
time.time = lambda: _time() + _jump
time.time_ns = lambda: _ns() + int(_jump) * 10**9
"""


def disk(world: World, rng: random.Random) -> Iterator[Result]:
    """No room where parts are made."""
    cases = (
        ("mattes", f"{rng.choice((40, 80, 160))}k", ("No space left", "mattes", "make room")),
        ("render", "300k", ("render", "free")),
        ("curate", "12k", ("No space left", ".work", "make room")),
    )
    for stage, room, words in world.some(rng, cases):
        fault = f"disk full: {stage}"
        with world.copy(stage) as project:
            work = project / ".work"
            work.mkdir()
            mount = ["mount", "-t", "tmpfs", "-o", f"size={room}", "tmpfs", str(work)]
            if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
                yield Result(fault, SKIPPED, note="a small disk needs root and the right to mount")
                continue
            try:
                job = world.dvc(project, stage)

                def larger(work: Path = work) -> None:
                    subprocess.run(["mount", "-o", "remount,size=64m", str(work)], check=True)

                yield world.refused(fault, project, job, words, larger, stage)
            finally:
                subprocess.run(["umount", "-l", str(work)], check=False)


def rights(world: World, rng: random.Random) -> Iterator[Result]:
    """Files that may not be read, folders that may not be written, to somebody who is not root."""
    if os.geteuid() or shutil.which(POWERLESS[0]) is None:
        yield Result("unreadable and read-only", SKIPPED, note="needs root and setpriv, to lay root's rights down")
        return
    cases = (
        ("unreadable table", "curate", "data/images.parquet", 0o000, ("images.parquet", "Permission denied")),
        ("unreadable params.yaml", "curate", "params.yaml", 0o000, ("params.yaml", "Permission denied")),
        ("unreadable video", "mattes", "data/sample/videomatte/train/fgr/0001.mp4", 0o000, None),
        ("unreadable photograph", "index", "data/sample/places365/data_large/b/beach/copy003_00.jpg", 0o000, None),
        ("read-only work folder", "curate", ".work", 0o555, (".work", "Permission denied")),
        ("read-only data folder", "curate", "data", 0o555, ("data/", "Permission denied")),
        ("read-only metrics", "curate", "metrics", 0o555, ("metrics/", "Permission denied")),
        ("read-only logs", "curate", "logs", 0o555, ("logs", "Permission denied")),
    )
    for fault, stage, name, mode, words in world.some(rng, cases, 2):
        with world.copy(stage) as project:
            (project / ".work").mkdir(exist_ok=True)
            target = project / name
            before = target.stat().st_mode & 0o777
            if name == "logs":
                for log in target.glob("*.log"):
                    log.unlink()
            target.chmod(mode)
            command = (sys.executable, "-m", f"pipelines.{stage}") if words else ("dvc", "repro", "-s", stage)
            job = world.start(project, *POWERLESS, *command)

            def mend(target: Path = target, before: int = before) -> None:
                target.chmod(before)

            if words is not None:
                yield world.refused(fault, project, job, words, mend, stage)
                continue
            # A raw file is a row with a reason: the stage goes on, and after mending it is asked to look again.
            code, text = job.wait(), job.text
            mend()
            if code or "not readable" not in text:
                yield Result(fault, UNCLEAR, note=" ".join(text.split())[-300:])
                continue
            job = world.start(project, "dvc", "repro", "-f", "-s", stage)
            yield Result(fault, UNCLEAR, note=job.text[-300:]) if job.wait() else world.compared(fault, project, NAMED)


def immutable(world: World, rng: random.Random) -> Iterator[Result]:
    """A folder that even root may not write."""
    with world.copy("curate") as project:
        data = project / "data"
        if subprocess.run(["chattr", "+i", data], check=False, capture_output=True).returncode:
            yield Result("immutable folder", SKIPPED, note="chattr +i does not work here")
            return
        job = world.stage(project, "curate")

        def mend() -> None:
            subprocess.run(["chattr", "-i", data], check=True)

        yield world.refused("immutable folder", project, job, ("data/", "not permitted"), mend, "curate")


def clock(world: World, rng: random.Random) -> Iterator[Result]:
    """The clock jumps between kill and going on; files come from the future or the past."""
    years = rng.uniform(1, 12) * 365 * 86_400
    for fault, jump in world.some(rng, (("clock jumps years ahead", years), ("clock jumps years back", -years))):
        with world.copy("mattes") as project:
            unfinished(world, project, "mattes", 2)
            before = parts_of(project, "mattes")
            (project / "jump").mkdir()
            (project / "jump/sitecustomize.py").write_text(JUMP)
            path = os.pathsep.join((str(project / "jump"), str(project)))
            job = world.stage(project, "mattes", PYTHONPATH=path, CHAOS_JUMP=str(jump))
            if job.wait():
                yield Result(fault, UNCLEAR, note=job.text[-300:])
                continue
            now = parts_of(project, "mattes")
            said = world.finish(project, "mattes")
            if said:
                yield Result(fault, UNCLEAR, note=said[-300:])
                continue
            yield remade(world, project, "mattes", before, fault, now)
    for fault, when in world.some(rng, (("files from the future", time.time() + years), ("files from the past", 1e6))):
        with world.copy() as project:
            for file in (*project.glob("data/**/*"), *project.glob("compositing/**/*.py")):
                os.utime(file, (when, when))
            said = world.finish(project, "plan")
            yield Result(fault, UNCLEAR, note=said[-300:]) if said else world.compared(fault, project)


def memory(world: World, rng: random.Random) -> Iterator[Result]:
    """Address space ends a little beyond what a stage has when it begins its work."""
    for stage in world.some(rng, ("index", "mattes", "curate", "render")):
        fault = f"memory short: {stage}"
        with world.copy(stage) as project:
            job = world.stage(project, stage)
            lock = f".work/{stage}-*/lock"
            if not job.until(lambda project=project, lock=lock: any(project.glob(lock)), 0.002):
                yield Result(fault, UNCLEAR, note=job.text[-300:])
                continue
            # Less than this, and the C library ends the process before Python hears of it.
            more = rng.choice((32, 64, 128)) << 20
            with contextlib.suppress(ProcessLookupError):
                size = int(Path(f"/proc/{job.pid}/statm").read_text().split()[0]) * resource.getpagesize()
                resource.prlimit(job.pid, resource.RLIMIT_AS, (size + more, size + more))
            if job.wait() == 0:
                said = world.finish(project, stage)
                yield Result(fault, UNCLEAR, note=said[-300:]) if said else world.compared(fault, project, SAME)
                continue
            text = job.text
            if "Traceback" in text or stage not in text or "memory is short" not in text:
                yield Result(fault, UNCLEAR, note=" ".join(text.split())[-300:] or f"exit {job.process.returncode}")
                continue
            said = world.finish(project, stage)
            if said:
                yield Result(fault, DIFFERENT, 1, said[-300:])
                continue
            yield world.compared(fault, project, NAMED)
