"""Runs a pure function over many items, on the processes of one machine or on a cluster, and keeps what is finished."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from pipelines.engine.loop import Tries
from pipelines.engine.making import PartError, PartFunction, clear, make, part_error
from pipelines.engine.workers import WorkerPool
from pipelines.progress import Progress

__all__ = ["ENGINE", "PartError", "PartFunction", "asked_engine", "run_parts", "worker_count"]

T = TypeVar("T")
ENGINE = "CLEANPLATE_ENGINE"


def worker_count() -> int:
    """Processes to use: $CLEANPLATE_WORKERS, or one a core. Never a parameter: it changes no byte."""
    asked = os.environ.get("CLEANPLATE_WORKERS")
    if asked is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not asked.isdigit() or int(asked) < 1:
        raise ValueError(f"CLEANPLATE_WORKERS is '{asked}'; expected a whole number from 1")
    return int(asked)


def asked_engine() -> str:
    """Where parts are made: $CLEANPLATE_ENGINE, ``local`` or ``ray``. Never a parameter: it changes no byte."""
    asked = os.environ.get(ENGINE) or "local"
    if asked not in ("local", "ray"):
        raise ValueError(f"{ENGINE} is '{asked}'; expected 'local' (processes of this machine) or 'ray' (a cluster)")
    return asked


def run_parts(
    tasks: Mapping[str, T],
    function: PartFunction[T],
    parts: Path,
    describe: str,
    workers: int | None = None,
    engine: str = "local",
) -> list[Path]:
    """Make each part that is not there yet and return all part folders in the order of ``tasks``.

    ``function(task, folder)`` is a module-level pure function that writes its files into an empty folder;
    the folder gets its final name ``parts/KEY`` only when it is whole, so a run that was killed at any time
    goes on where it stopped. ``workers`` defaults to :func:`worker_count`; the bytes are the same for any number
    and either ``engine``. A part whose process died is tried again, one that takes far longer than the others is
    begun a second time elsewhere: see :func:`pipelines.engine.loop.Tries`. Nobody else may make the same parts.

    Raises PartError naming the part and its first error; the parts made before stay.
    """
    targets = {key: parts / key for key in tasks}
    todo = [key for key, target in targets.items() if not target.is_dir()]
    clear(parts, set(todo))
    count = min(workers or worker_count(), max(len(todo), 1))
    with Progress(describe, total=len(tasks), done=len(tasks) - len(todo)) as progress:
        if todo and engine == "ray":
            from pipelines.engine.cluster import RayPool

            with RayPool(function, parts, workers or worker_count()) as pool:
                Tries(pool, tasks, targets, todo, describe, progress).run()
        elif count == 1:
            for key in todo:
                try:
                    make(function, tasks[key], targets[key])
                except Exception as error:
                    raise part_error(describe, key, f"{type(error).__name__}: {error}") from error
                progress.advance()
        elif todo:
            # Of workers and of those that take their place later.
            with _environment(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"), WorkerPool(function, count) as pool:
                Tries(pool, tasks, targets, todo, describe, progress).run()
    return list(targets.values())


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
