"""Timing, in a process of its own: whatever one arm did to its process, another does not have."""

import multiprocessing
import queue
import time
from collections.abc import Callable
from typing import Any

import cv2
import torch

Clock = Callable[[], float]


def one_thread() -> None:
    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def best(work: Callable[[], object], count: int, runs: int, clock: Clock) -> float:
    """Milliseconds a composite, the fastest of some runs after one that does not count."""
    work()
    times = []
    for _ in range(runs):
        start = clock()
        work()
        times.append(clock() - start)
    return 1000 * min(times) / count


def apart(work: Callable[..., None], *arguments: Any) -> Any:
    """Run a function in a process of its own; return what it puts into the queue that it is given last.

    Raises RuntimeError where the process ends without.
    """
    context = multiprocessing.get_context("spawn")
    found = context.Queue()
    process = context.Process(target=work, args=(*arguments, found))
    process.start()
    while True:
        try:
            answer = found.get(timeout=1)
            break
        except queue.Empty:
            if not process.is_alive():
                raise RuntimeError(f"{work.__name__} ended with code {process.exitcode}; see above") from None
    process.join()
    return answer


def clock_of(cpu: bool) -> Clock:
    return time.process_time if cpu else time.perf_counter
