"""What every stage shares: parameters, a work folder, a log file, errors a person can act on."""

import contextlib
import importlib.util
import json
import logging
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn, TypeVar

import psutil

from curation.storage import StorageError, writing
from pipelines.depot import SHARED, fetch_shares, run_share
from pipelines.engine import PartError, PartFunction, asked_engine, run_parts
from pipelines.kept import MARK
from pipelines.params import Params, load
from pipelines.work import BusyError, Share, WorkFolder, fingerprint, sweep, work_folder, work_root, work_url

LOGS = Path("logs")
METRICS = Path("metrics")
EXPECTED = (PartError, BusyError, StorageError, ValueError, FileNotFoundError, PermissionError, OSError, ImportError)

NO_MEMORY = (
    "can't start new thread", "Failed to launch worker thread", "Insufficient memory", "Cannot allocate memory",
    "Unable to allocate", "alloc failed",
)  # fmt: skip
"""How libraries say that memory is short where they raise no MemoryError."""

EXTRAS = {"train": ("torch", "torchvision", "lightning_fabric", "dvclive", "safetensors"), "ray": ("ray",)}

T = TypeVar("T")
log = logging.getLogger("cleanplate")


class Stage:
    """One run of one stage, or of a share of its parts."""

    def __init__(self, name: str, params: Params, work: WorkFolder, share: Share | None = None) -> None:
        self.name = name
        self.params = params
        self.work = work
        self.share = share

    def make_parts(
        self, tasks: Mapping[str, T], function: PartFunction[T], describe: str, anywhere: bool = False
    ) -> list[Path] | None:
        """Make the stage's parts by :func:`pipelines.engine.run_parts`; of a share only its own, and return None.

        None says that there is nothing to publish. Every share must be given the same tasks in the same order. Parts
        that may be made ``anywhere`` go to a Ray cluster where $CLEANPLATE_ENGINE says so.
        """
        engine = asked_engine() if anywhere else "local"
        if engine == "ray":
            require_extra("ray")
        mine = tasks if self.share is None else self.share.take(tasks)
        words = describe if self.share is None else f"{describe}, part {self.share}"
        url = work_url()
        if self.share is None:
            return run_parts(mine, function, self.work.parts, words, engine=engine)
        if url is None:
            run_parts(mine, function, self.work.parts, words, engine=engine)
        else:
            run_share(mine, function, self.work.parts, words, url, engine)
        log.info("part %s is made; once all are, 'dvc repro %s' publishes them", self.share, self.name)
        return None

    def write_metrics(self, values: dict[str, Any]) -> None:
        """Write ``metrics/STAGE.json``: counts and figures, no times (they would differ from run to run)."""
        for left in METRICS.glob(f".{self.name}.json.*.tmp"):  # by a killed run, in a folder that git watches
            left.unlink(missing_ok=True)
        with writing(METRICS / f"{self.name}.json") as temporary:
            temporary.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def require_extra(extra: str) -> None:
    """Raise ImportError with the line that installs an extra, where one of its packages is missing."""
    missing = [name for name in EXTRAS[extra] if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"{', '.join(missing)} is not installed; run: pip install 'cleanplate[{extra}]'")


def run(name: str, body: Callable[[Stage], None], share: Share | None = None) -> NoReturn:
    """Run a stage as a program: the last line of ``pipelines/STAGE.py``; or a share of it, which publishes nothing.

    Exit code 0, or 1 with one message that names the value and the next step (the traceback goes to the log).
    """
    signal.signal(signal.SIGTERM, _terminate)
    _follow_dvc()
    started = time.monotonic()
    try:
        with _logging(name):
            try:
                params = load()
                key = fingerprint(name)
                sweep(going_on=f"{name}-{key}")
                log.info("%s starts", name)
                with work_folder(name, key, share=share) as work:
                    url = work_url()
                    if url and share is None and name in SHARED:
                        fetch_shares(url, work.folder, MARK)
                    body(Stage(name, params, work, share))
                    if share is None:
                        work.seal()
                log.info("%s done in %.1f s", name, time.monotonic() - started)
            except Exception as error:
                short, hint = _shortage(error)
                if not short and not isinstance(error, EXPECTED):
                    raise
                logging.getLogger("cleanplate.trace").debug("%s", traceback.format_exc())
                log.error("%s: %s%s", name, str(error) or type(error).__name__, hint)
                log.error("%s stopped; the details are in %s", name, LOGS / f"{name}.log")
                sys.exit(1)
    except KeyboardInterrupt:
        print(f"{name}: interrupted; finished parts are kept, 'dvc repro' goes on from here", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)


def _shortage(error: BaseException) -> tuple[bool, str]:
    """Whether an error, or one behind it, comes of too little memory or disk, and what to do then."""
    seen: BaseException | None = error
    while seen is not None:
        # Libraries say it in many ways, and some in no exception of its own.
        if isinstance(seen, MemoryError) or any(words in str(seen) for words in NO_MEMORY):
            return True, "; memory is short: close other programs, or run fewer workers with CLEANPLATE_WORKERS=1"
        if "No space left on device" in str(seen):
            folders = f"{work_root()}, data or {tempfile.gettempdir()}"
            return True, f"; the disk of {folders} is full: make room and run 'dvc repro'; finished parts are kept"
        seen = seen.__cause__ or seen.__context__
    return False, ""


@contextlib.contextmanager
def _logging(name: str) -> Iterator[None]:
    try:
        LOGS.mkdir(exist_ok=True)
        file = logging.FileHandler(LOGS / f"{name}.log", mode="a", encoding="utf-8")
    except OSError as error:
        sys.exit(f"{name}: the log cannot be written: {error}; make {LOGS}/ and the files in it writable")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    screen = logging.StreamHandler(sys.stdout)
    screen.setLevel(logging.INFO)
    screen.setFormatter(logging.Formatter("%(message)s"))
    root = logging.getLogger("cleanplate")
    root.setLevel(logging.DEBUG)
    root.handlers = [file, screen]
    try:
        yield
    finally:
        root.handlers = []
        file.close()


def _terminate(signum: int, frame: FrameType | None) -> None:
    sys.exit(128 + signum)


def _follow_dvc() -> None:
    """Stop when the ``dvc`` that started this stage dies, so that no orphan holds the work folder."""
    above = [p for p in psutil.Process().parents() if _is_dvc(p)]
    if not above:
        return

    def follow() -> None:
        while above[0].is_running() and above[0].status() != psutil.STATUS_ZOMBIE:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(15)
        os._exit(143)

    def guarded() -> None:
        with contextlib.suppress(psutil.Error):
            follow()
            return
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=guarded, daemon=True).start()


def _is_dvc(process: psutil.Process) -> bool:
    try:
        words = process.cmdline()[:3]
    except psutil.Error:
        return False
    return any(Path(word).name in ("dvc", "dvc.exe") for word in words) or words[1:3] == ["-m", "dvc"]
