"""A Ray cluster that makes parts: the same functions, which write into the shared work folder themselves.

Ray's core only. Tasks carry recipes, not data, so that its object store stays empty; tries that are lost are begun
again by :mod:`pipelines.engine.loop`, as on one machine, and not by Ray.
"""

import os
import platform
import secrets
import shutil
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipelines.engine.loop import Ended, Try
from pipelines.engine.making import Outcome, PartError, PartFunction, attempt, single_threaded

ADDRESS = "RAY_ADDRESS"
AUTH = {"RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}
STORE_BYTES = 80 * 10**6
"""Ray's smallest object store is a little smaller."""
STARTS = 3
"""A busy machine misses the 30 seconds that Ray gives its own processes to start."""
QUEUED = 2
"""Tries that wait or run, for each core of the cluster."""
SIZE_SECONDS = 10.0
SEEN_SECONDS = 90.0
"""How long a network file system may hide a folder that another machine made; NFS keeps such answers for a minute."""


class RayPool:
    """Tries as tasks of one core each, on the cluster of $RAY_ADDRESS, or on this machine with ``workers`` cores.

    The checkout and the parts must lie in the same place on all machines.
    """

    def __init__(self, function: PartFunction[Any], parts: Path, workers: int) -> None:
        if not os.environ.get(ADDRESS):
            _lock_own()
        import ray

        self.ray = ray
        self.temporary: str | None = None
        self.own = not ray.is_initialized()
        if self.own and os.environ.get(ADDRESS):
            self._join(os.environ[ADDRESS])
        elif self.own:
            self._begin(workers)
        # Two tasks of one core each on two cores run side by side: there is nothing else here that asks for cores.
        self.remote = ray.remote(num_cpus=1, max_retries=0, scheduling_strategy="SPREAD")(_make)
        self.function = function
        self.folder = Path.cwd()
        self.running: dict[Any, Try] = {}
        self._cores, self._counted = 1.0, 0.0

    def _join(self, address: str) -> None:
        try:
            self.ray.init(address=address, log_to_driver=False, logging_level="WARNING")
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise PartError(
                f"no Ray cluster answers at {ADDRESS}='{address}' ({error}); start one with 'ray start --head', or "
                f"unset {ADDRESS} to use this machine alone"
            ) from error

    def _begin(self, workers: int) -> None:
        for left in reversed(range(STARTS)):
            self.temporary = tempfile.mkdtemp(prefix="ray-", dir="/tmp" if Path("/tmp").is_dir() else None)
            try:
                self.ray.init(
                    address="local",
                    num_cpus=workers,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level="WARNING",
                    object_store_memory=STORE_BYTES,
                    _temp_dir=self.temporary,  # a short path: Ray's sockets lie in it
                )
                return
            except Exception as error:  # it raises plain ones
                self._end_own()
                if not left:
                    raise PartError(
                        f"Ray does not start here ({error}); unset CLEANPLATE_ENGINE to do without"
                    ) from error

    def _end_own(self) -> None:
        self.ray.shutdown()
        if self.temporary:
            shutil.rmtree(self.temporary, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.own:
            self._end_own()

    def free(self) -> int:
        """Tries that may be added; a cluster grows and shrinks."""
        if time.monotonic() - self._counted > SIZE_SECONDS:
            self._counted = time.monotonic()
            self._cores = max(1.0, float(self.ray.cluster_resources().get("CPU", 1)))
        return int(QUEUED * self._cores) - len(self.running)

    def start(self, tried: Try, task: Any) -> None:
        """Hand a try to the cluster."""
        there = tried._replace(target=tried.target.absolute(), temporary=tried.temporary.absolute())
        self.running[self.remote.remote(self.function, task, there, self.folder)] = tried

    def wait(self, seconds: float) -> list[Ended]:
        """Return the tries that ended.

        Raises PartError where the cluster cannot be reached any more, or does not share the work folder.
        """
        waiting = list(self.running)
        try:
            done, _ = self.ray.wait(waiting, timeout=seconds, fetch_local=False)
            if done:
                done, _ = self.ray.wait(waiting, num_returns=len(waiting), timeout=0, fetch_local=False)
            return [self._end(reference) for reference in done]
        except (self.ray.exceptions.RaySystemError, ConnectionError) as error:
            raise PartError(f"the Ray cluster is lost ({error}); finished parts are kept, run again") from error

    def _end(self, reference: Any) -> Ended:
        tried = self.running.pop(reference)
        errors = self.ray.exceptions
        try:
            outcome, machine = self.ray.get(reference)
        except errors.RayTaskError as error:
            return Ended(tried, error=f"a Ray worker could not begin it: {error.cause}", trace=str(error))
        except errors.RayError as error:
            if isinstance(error, errors.RaySystemError):
                raise
            return Ended(tried, lost=f"{type(error).__name__}: {str(error).partition('. ')[0]}")
        if outcome.error is None:
            _require_seen(tried, machine)
        return Ended(tried, *outcome)

    def stop(self, tried: Try) -> None:
        """Ask the cluster to stop a try; one on a machine that cannot be reached finishes unheard."""
        for reference in [each for each, other in self.running.items() if other == tried]:
            del self.running[reference]
            self.ray.cancel(reference, force=True)


def _lock_own() -> None:
    """Give a Ray of this machine alone a token of its own: its ports listen on all interfaces.

    Left to itself, Ray writes one into the home folder, or, in older versions, takes none. It reads these as it is
    imported.
    """
    if "ray" not in sys.modules and not AUTH & os.environ.keys():
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))


def _make(function: PartFunction[Any], task: Any, tried: Try, folder: Path) -> tuple[Outcome, str]:
    """One try, on some machine of the cluster; also its name."""
    machine = platform.node()
    if not folder.is_dir():
        words = f"machine {machine} has no folder {folder}; the checkout must lie there on every machine of the cluster"
        return Outcome(0.0, words), machine
    os.chdir(folder)  # tasks name files as the stage does, from the checkout
    single_threaded()
    return attempt(function, task, tried.target, tried.temporary), machine


def _require_seen(tried: Try, machine: str) -> None:
    deadline = time.monotonic() + SEEN_SECONDS
    while not tried.target.is_dir():
        if time.monotonic() > deadline:
            raise PartError(
                f"machine {machine} made {tried.target}, which is not to be seen here; set CLEANPLATE_WORK to a folder "
                "that all machines of the cluster share"
            )
        list(tried.target.parent.iterdir())  # makes a network file system look again
        time.sleep(0.2)
