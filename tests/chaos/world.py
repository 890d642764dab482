"""The tiny pipeline that faults strike: made once undisturbed, copied for each fault, compared by every final byte."""

import contextlib
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ruamel.yaml import YAML

from pipelines.presets import set_value, use
from tests.chaos.outcome import DIFFERENT, NAMED, SAME, UNCLEAR, Result
from tests.chaos.processes import Job
from tests.pipelines.test_repro import ROOT, STAGES, TINY, environment

SMALLER = {
    "sample.backgrounds": 12,
    "sample.train_clips": 3,
    "sample.test_clips": 1,
    "sample.frames": 2,
    "sample.height": 128,
    "curate.test_share": 0.3,  # so few photographs, and some in each split
    "curate.valid_share": 0.3,
    "curate.min_sharpness": 10.0,
    "plan.base.count": 12,
    "plan.refine.count": 4,
    "plan.valid.count": 1,
    "plan.test.count": 1,
    "train_base.steps": 3,
    "train_base.crop": [32, 48],
    "train_base.checkpoint_every": 1,
    "train_base.validate_every": 3,
    "train_refine.steps": 2,
    "train_refine.crop": [64, 96],
    "train_refine.checkpoint_every": 1,
    "robustness.shift": [],
    "export.variants": ["torchscript"],
}
"""On top of the tests' own tiny parameters: a hundred resumes have to be paid for."""
EXCEPTED = ("data/export", "data/pictures", "metrics/train_", "metrics/export")
"""Exports, and what holds times or memory."""
T = TypeVar("T")
Step = Callable[[], object]


class World:
    """A reproduced checkout, and what it takes to strike a copy of it."""

    def __init__(self, folder: Path, short: bool = False) -> None:
        self.folder, self.short = folder, short
        self.stages = STAGES[: STAGES.index("render") + 1] if short else STAGES
        self.pristine = folder / "a checkout"
        self.cost: dict[str, float] = {}
        """Processor seconds of each stage, DVC's included, without hindrance."""
        self._count = 0

    def make(self) -> None:
        """Make the checkout and reproduce it, a stage at a time."""
        told = self.folder / "cost.json"
        if told.is_file():
            self.cost, self.reference = json.loads(told.read_text()), self.digests(self.pristine)
            return
        self.checkout(self.pristine)
        for stage in self.stages:
            job = self.dvc(self.pristine, stage)
            spent = 0.0

            def note(job: Job = job) -> bool:
                nonlocal spent
                spent = max(spent, job.cpu())
                return False

            job.until(note, 0.1)
            if job.wait():
                raise RuntimeError(f"the undisturbed run failed: {job.text[-3000:]}")
            self.cost[stage] = spent
            print(f"undisturbed: {stage}, {spent:.1f} s of processor time", flush=True)
        told.write_text(json.dumps(self.cost))
        self.reference = self.digests(self.pristine)

    def checkout(self, project: Path) -> None:
        """A clone's files with tiny parameters, under git."""
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
        for name in listed.decode().split("\0"):
            wanted = name and not name.startswith(("tests/", "metrics/", "docs/", "benchmarks/")) and name != "dvc.lock"
            if wanted and (ROOT / name).is_file():
                (project / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / name, project / name)
        use("sample", project / "params.yaml")
        for key, value in (TINY | SMALLER).items():
            set_value(key, value, project / "params.yaml")
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "start"]):
            subprocess.run(["git", *command], cwd=project, env=self.env(project), check=True, capture_output=True)

    def env(self, project: Path, **more: str) -> dict[str, str]:
        """The environment of a command; DVC's own notes stay inside the campaign's folder."""
        values = environment() | {
            "PYTHONPATH": str(project),
            "CLEANPLATE_WORKERS": "1",
            "OMP_NUM_THREADS": "1",
            "DVC_SITE_CACHE_DIR": str(self.folder / "dvc"),
        }
        return values | more

    @contextlib.contextmanager
    def copy(self, stage: str | None = None) -> Iterator[Path]:
        """A copy of the finished checkout; of a named stage nothing is left, neither outputs nor records."""
        self._count += 1
        project = self.folder / f"copy {self._count}"
        subprocess.run(["cp", "-a", self.pristine, project], check=True)
        try:
            if stage is not None:
                self.forget(project, stage)
            yield project
        finally:
            subprocess.run(["chattr", "-R", "-i", project], check=False, capture_output=True)
            shutil.rmtree(project, ignore_errors=True)

    def forget(self, project: Path, *stages: str) -> None:
        """Remove stages' outputs, their copies in DVC's cache, their records and the work folders of all."""
        lock = project / "dvc.lock"
        yaml = YAML()
        known = yaml.load(lock.read_text())
        cache = project / ".dvc/cache/files/md5"
        whole = YAML(typ="safe", pure=True).load((self.pristine / "dvc.lock").read_text())
        for stage in stages:
            known["stages"].pop(stage, None)  # a stage that ran without DVC has no record
            for out in whole["stages"][stage]["outs"]:
                for digest in _objects(cache, str(out["md5"])):
                    (cache / digest[:2] / digest[2:]).unlink(missing_ok=True)
                _remove(project / out["path"])
        with lock.open("w") as file:
            yaml.dump(known, file)
        _remove(project / ".dvc/cache/runs")
        _remove(project / ".work")

    def start(self, project: Path, *command: str, preexec: Step | None = None, **more: str) -> Job:
        """Start a command in a checkout."""
        self._count += 1
        hook = None if preexec is None else lambda: (preexec(), None)[1]
        return Job(command, project, self.env(project, **more), self.folder / f"out-{self._count}.txt", hook)

    def dvc(self, project: Path, stage: str | None = None, **more: str) -> Job:
        """Start ``dvc repro`` of one stage, or of the whole line."""
        words = ("-s", stage) if stage else (self.stages[-1],)
        return self.start(project, "dvc", "repro", *words, **more)

    def stage(self, project: Path, stage: str, preexec: Step | None = None, **more: str) -> Job:
        """Start a stage without DVC."""
        return self.start(project, sys.executable, "-m", f"pipelines.{stage}", preexec=preexec, **more)

    def finish(self, project: Path, stage: str | None = None, **more: str) -> str:
        """Run to the end: an empty text, or what the command said where it failed."""
        job = self.dvc(project, stage, **more)
        return job.text if job.wait() else ""

    def digests(self, project: Path) -> dict[str, tuple[str, int]]:
        """Hash and size of each final file: tables, frames, shards, weights, samples, counts."""
        found = {}
        for file in sorted([*project.glob("data/**/*"), *project.glob("metrics/**/*")]):
            name = file.relative_to(project).as_posix()
            if file.is_file() and not name.startswith(EXCEPTED):
                data = file.read_bytes()
                found[name] = (hashlib.sha256(data).hexdigest(), len(data))
        return found

    def lost(self, project: Path, reference: Mapping[str, tuple[str, int]] | None = None) -> dict[str, int]:
        """Bytes of each final file that is missing, other or unknown against the undisturbed run."""
        expected = self.reference if reference is None else reference
        found = self.digests(project)
        names = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
        return {name: (expected.get(name) or found[name])[1] for name in names}

    def compared(
        self,
        fault: str,
        project: Path,
        good: str = SAME,
        reference: Mapping[str, tuple[str, int]] | None = None,
        times: int = 1,
    ) -> Result:
        """The result of a fault by its bytes."""
        lost = self.lost(project, reference)
        if not lost:
            return Result(fault, good, times=times)
        return Result(fault, DIFFERENT, sum(lost.values()), ", ".join(list(lost)[:4]), times)

    def refused(self, fault: str, project: Path, job: Job, words: Sequence[str], mend: Step, *stages: str) -> Result:
        """A command that must fail with words a person can act on; after mending, the same bytes."""
        code, text = job.wait(), job.text
        missing = [word for word in words if word not in text]
        mend()
        if code == 0:
            return Result(fault, UNCLEAR, note=f"'{job.command}' said nothing")
        if "Traceback (most recent call last)" in text or missing:
            return Result(fault, UNCLEAR, note=f"{missing} not in: {' '.join(text.split())[-300:]}")
        for stage in stages:
            said = self.finish(project, stage)
            if said:
                return Result(fault, UNCLEAR, note=f"after mending: {' '.join(said.split())[-300:]}")
        return self.compared(fault, project, NAMED)

    def some(self, rng: random.Random, cases: Sequence[T], few: int = 1) -> Sequence[T]:
        """All cases; of the short campaign a few, drawn."""
        return rng.sample(list(cases), few) if self.short else cases

    def set(self, project: Path, key: str, value: Any) -> None:
        set_value(key, value, project / "params.yaml")


def _objects(cache: Path, digest: str) -> list[str]:
    if not digest.endswith(".dir"):
        return [digest]
    listing = cache / digest[:2] / digest[2:]
    return [*(entry["md5"] for entry in json.loads(listing.read_text())), digest] if listing.is_file() else []


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


class Clock:
    """How long the campaign may go on."""

    def __init__(self, minutes: float | None) -> None:
        self.started = time.monotonic()
        self.end = None if minutes is None else self.started + 60 * minutes

    @property
    def over(self) -> bool:
        return self.end is not None and time.monotonic() > self.end

    @staticmethod
    def spent() -> float:
        """Processor seconds of this process and all that it waited for."""
        times = os.times()
        return times.user + times.system + times.children_user + times.children_system
