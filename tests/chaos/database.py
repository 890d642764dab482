"""The database under FiftyOne is killed while a dataset is loaded."""

import contextlib
import os
import random
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pipelines.browse import mongod
from tests.chaos.outcome import NAMED, SAME, SKIPPED, UNCLEAR, Result
from tests.chaos.processes import Job
from tests.chaos.world import World

LOAD = """
import sys
from pipelines import cli
from pipelines.browse import session
session.serve = lambda dataset, *_: print(len(dataset), "samples are loaded")
sys.argv = ["cleanplate", "browse", "backgrounds", "--no-open"]
cli.main()
"""
"""The command without its App, which would stay open for a browser."""


def killed(world: World, rng: random.Random) -> Iterator[Result]:
    """SIGKILL to mongod under the command: it ends and says so, and the next one finds all samples."""
    fault = "mongod killed under FiftyOne"
    if mongod.find() is None:
        yield Result(fault, SKIPPED, note="no mongod runs here: make mongod")
        return
    with world.copy() as project:
        job = world.start(project, sys.executable, "-c", LOAD)
        found: list[int] = []

        def up() -> bool:
            found[:] = [pid for pid in job.below() if _is_mongod(pid)]
            return bool(found) and (project / ".fiftyone/db").is_dir()

        struck = job.until(up, 0.05)
        if struck:
            time.sleep(rng.uniform(0.5, 4))
            for pid in found:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        code, text = job.wait(), job.text
        _end(job)
        again = world.start(project, sys.executable, "-c", LOAD)
        healed, told = again.wait(), again.text
        _end(again)
        if not struck or healed or "samples are loaded" not in told:
            yield Result(fault, UNCLEAR, note=" ".join((told if healed else text).split())[-300:])
        elif code and ("Traceback" in text or "mongo" not in text.lower()):
            yield Result(fault, UNCLEAR, note=" ".join(text.split())[-300:])
        else:
            yield world.compared(fault, project, NAMED if code else SAME)


def _is_mongod(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/exe").resolve().name.startswith("mongod")
    return False


def _end(job: Job) -> None:
    # FiftyOne's own service process leaves its group and ends with the command; what stayed is told.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(job.pid, signal.SIGKILL)
