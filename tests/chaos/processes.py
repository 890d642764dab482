"""Commands in a process group of their own, which can be watched, timed in processor seconds, and killed."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
TIMEOUT = 420.0
"""Seconds for any command: what takes longer hangs. Other work may share the machine."""


class HangError(RuntimeError):
    """A command did not end in time."""


class Job:
    """One command, its output in a file."""

    def __init__(
        self,
        command: Sequence[str],
        cwd: Path,
        env: Mapping[str, str],
        out: Path,
        preexec: Callable[[], None] | None = None,
    ) -> None:
        self.command, self.out = " ".join(command), out
        with out.open("wb") as file:
            self.process = subprocess.Popen(
                command, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                process_group=0, preexec_fn=preexec,
            )  # fmt: skip
        self.pid = self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def text(self) -> str:
        return self.out.read_text(encoding="utf-8", errors="replace")

    def below(self) -> list[int]:
        """All processes that the command started, however deep."""
        found: list[int] = []
        waiting = [self.pid]
        while waiting:
            for task in Path(f"/proc/{waiting.pop()}/task").glob("*"):
                with contextlib.suppress(OSError):
                    children = [int(word) for word in (task / "children").read_text().split()]
                    found += children
                    waiting += children
        return found

    def cpu(self) -> float:
        """Processor seconds of the command and all below it, those that ended included."""
        ticks = 0
        for pid in (self.pid, *self.below()):
            with contextlib.suppress(OSError):
                ticks += sum(map(int, Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]))
        return ticks / TICK

    def until(self, happened: Callable[[], bool], pause: float = 0.02) -> bool:
        """Wait for something; False where the command ended before. Raises HangError."""
        end = time.monotonic() + TIMEOUT
        while self.running:
            if happened():
                return True
            if time.monotonic() > end:
                self._hangs()
            time.sleep(pause)
        return False

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code. Raises HangError."""
        try:
            return self.process.wait(timeout or TIMEOUT)
        except subprocess.TimeoutExpired:
            self._hangs()
            raise

    def _hangs(self) -> None:
        tail = self.text[-500:]
        self.kill()
        raise HangError(f"'{self.command}' did not end: {tail}")

    def kill(self) -> None:
        """SIGKILL to the whole group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()

    def kill_alone(self) -> None:
        """SIGKILL to the command alone: what it started is orphaned."""
        self.process.kill()
        self.process.wait()

    def kill_below(self) -> None:
        """SIGKILL to what the command started, not to itself."""
        for pid in self.below():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def require_gone(self, seconds: float = 60.0) -> None:
        """Wait until no process of the group is left. Raises HangError."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                os.killpg(self.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.1)
        self.kill()
        raise HangError(f"an orphan of '{self.command}' stayed")
