"""Runs a pure function over many items, on the processes of one machine, and keeps what is finished."""

import contextlib
import multiprocessing
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TypeVar

from pipelines.progress import Progress

T = TypeVar("T")
PartFunction = Callable[[T, Path], None]


class PartError(RuntimeError):
    """A part could not be made; the parts that were made stay."""


def worker_count() -> int:
    """Processes to use: $CLEANPLATE_WORKERS, or one a core. Never a parameter: it changes no byte."""
    asked = os.environ.get("CLEANPLATE_WORKERS")
    if asked is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not asked.isdigit() or int(asked) < 1:
        raise ValueError(f"CLEANPLATE_WORKERS is '{asked}'; expected a whole number from 1")
    return int(asked)


def _make(function: PartFunction[T], task: T, target: Path) -> None:
    temporary = target.with_name(f".{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    function(task, temporary)
    for file in temporary.iterdir():
        with file.open("rb") as handle:
            os.fsync(handle.fileno())
    temporary.rename(target)


def _start_worker() -> None:
    import cv2

    cv2.setNumThreads(1)  # one worker a core: inner threads would only fight
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)  # the run was killed: do not stay behind as an orphan

    threading.Thread(target=follow, daemon=True).start()


def run_parts(
    tasks: Mapping[str, T], function: PartFunction[T], parts: Path, describe: str, workers: int | None = None
) -> list[Path]:
    """Make each part that is not there yet and return all part folders in the order of ``tasks``.

    ``function(task, folder)`` is a module-level pure function that writes its files into an empty folder;
    the folder gets its final name ``parts/KEY`` only when it is whole, so a run that was killed at any time
    goes on where it stopped. ``workers`` defaults to :func:`worker_count`; the bytes are the same for any number.

    Raises PartError naming the part and its first error; the parts made before stay.
    """
    targets = {key: parts / key for key in tasks}
    todo = [key for key, target in targets.items() if not target.is_dir()]
    count = min(workers or worker_count(), max(len(todo), 1))
    with Progress(describe, total=len(tasks), done=len(tasks) - len(todo)) as progress:
        if count == 1:
            for key in todo:
                try:
                    _make(function, tasks[key], targets[key])
                except Exception as error:
                    raise _part_error(describe, key, error) from error
                progress.advance()
        elif todo:
            _run_pool(tasks, function, targets, todo, count, describe, progress)
    return list(targets.values())


def _part_error(describe: str, key: str, error: BaseException) -> PartError:
    return PartError(f"{describe}: part '{key}' failed: {type(error).__name__}: {error}")


def _run_pool(
    tasks: Mapping[str, T],
    function: PartFunction[T],
    targets: Mapping[str, Path],
    todo: list[str],
    count: int,
    describe: str,
    progress: Progress,
) -> None:
    # Spawned, not forked: no inherited locks, threads or file descriptors.
    context = multiprocessing.get_context("spawn")
    with (
        _environment(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1"),
        ProcessPoolExecutor(count, mp_context=context, initializer=_start_worker) as pool,
    ):
        waiting = iter(todo)
        running: dict[Future[None], str] = {}

        def submit_next() -> None:
            key = next(waiting, None)
            if key is not None:
                running[pool.submit(_make, function, tasks[key], targets[key])] = key

        for _ in range(2 * count):  # a short queue: memory is bounded by workers, not by tasks
            submit_next()
        while running:
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                key = running.pop(future)
                try:
                    future.result()
                except BrokenProcessPool as error:
                    raise PartError(
                        f"{describe}: a worker process died near part '{key}' (out of memory?); "
                        f"try again with fewer workers: CLEANPLATE_WORKERS={max(1, count // 2)}"
                    ) from error
                except Exception as error:
                    pool.shutdown(wait=True, cancel_futures=True)
                    raise _part_error(describe, key, error) from error
                progress.advance()
                submit_next()


@contextlib.contextmanager
def _environment(**values: str):  # type: ignore[no-untyped-def]
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
