"""``cleanplate doctor``: what works here, what is missing, and the command that mends it."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from pipelines.params import ParamsError, load
from pipelines.paths import dvc_folder, find_weights, roots

EXTRAS = {
    "browse": ("fiftyone",),
    "train": ("torch", "torchvision", "lightning_fabric", "dvclive", "safetensors", "onnx", "onnxscript"),
    "eval": ("pymatting",),
}
NEEDED_GB = 5.0


class Finding(NamedTuple):
    """One thing that was looked at."""

    subject: str
    ok: bool
    words: str
    mend: str = ""
    """The command that mends it; empty where nothing needs mending."""
    optional: bool = False
    """Missing, and the main job still runs."""


def examine() -> list[Finding]:
    """Look at everything the stages rely on. Never raises: what cannot be examined is a finding."""
    looks: list[Callable[[], Iterator[Finding]]] = [
        _python, _packages, _mongod, _device, _git, _dvc, _disk, _params, _weights,
    ]  # fmt: skip
    findings: list[Finding] = []
    for look in looks:
        try:
            findings += look()
        except Exception as error:
            findings.append(Finding(look.__name__.strip("_"), False, f"{type(error).__name__}: {error}"))
    return findings


def _python() -> Iterator[Finding]:
    version = platform.python_version()
    ok = (3, 11) <= sys.version_info[:2] <= (3, 13)
    yield Finding("python", ok, f"{version} on {platform.platform()}", "" if ok else "make setup PYTHON=python3.11")


def _packages() -> Iterator[Finding]:
    for extra, modules in EXTRAS.items():
        missing = [name for name in modules if importlib.util.find_spec(name) is None]
        words = f"missing {', '.join(missing)}" if missing else "installed"
        mend = f"pip install 'cleanplate[{extra}]'" if missing else ""
        yield Finding(f"extra {extra}", not missing, words, mend, optional=extra != "train")
    both = {"opencv-python", "opencv-python-headless"} <= {
        (d.metadata["Name"] or "").lower() for d in importlib.metadata.distributions()
    }
    if both:
        mend = "pip uninstall opencv-python && pip install --force-reinstall opencv-python-headless"
        yield Finding("opencv", False, "opencv-python and -headless are both installed and break each other", mend)


def _mongod() -> Iterator[Finding]:
    if importlib.util.find_spec("fiftyone") is None:
        return
    if os.environ.get("FIFTYONE_DATABASE_URI"):
        yield Finding("mongod", True, "FIFTYONE_DATABASE_URI names a running one")
        return
    from pipelines.browse.mongod import FALLBACK, find

    found = find()
    mend = "" if found else f"make mongod; outside a checkout, {FALLBACK}"
    yield Finding("mongod", bool(found), str(found or "none runs here; FiftyOne needs one"), mend, optional=True)


def _device() -> Iterator[Finding]:
    if importlib.util.find_spec("torch") is None:
        return
    import torch

    if torch.cuda.is_available():
        names = ", ".join(torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count()))
        yield Finding("device", True, f"CUDA: {names}")
    else:
        yield Finding("device", True, f"CPU, {os.cpu_count()} cores; no CUDA device: training at full size takes days")


def _git() -> Iterator[Finding]:
    if not shutil.which("git"):
        yield Finding("git", False, "not on PATH", "install git")
        return
    inside = subprocess.run(["git", "rev-parse", "--git-dir"], capture_output=True, text=True, check=False)
    if inside.returncode:
        yield Finding(
            "git", False, "not a git checkout; 'dvc exp' needs one", "git init, or dvc config core.no_scm true"
        )
        return
    commit = subprocess.run(["git", "rev-parse", "--verify", "HEAD"], capture_output=True, check=False)
    if commit.returncode:
        words = "a repository without a commit: training's curves and 'dvc exp' need one"
        yield Finding("git", False, words, "git add . && git commit -m 'Start'")
    else:
        yield Finding("git", True, "a checkout")


def _dvc() -> Iterator[Finding]:
    ok = dvc_folder() is not None
    yield Finding("dvc", ok, importlib.metadata.version("dvc"), "" if ok else "cleanplate init")


def _disk() -> Iterator[Finding]:
    free = shutil.disk_usage(Path()).free / 1e9
    mend = "" if free > NEEDED_GB else "free some disk, or run 'dvc gc --workspace'"
    yield Finding("disk", free > NEEDED_GB, f"{free:.0f} GB free; 'cleanplate estimate' says what is needed", mend)


def _params() -> Iterator[Finding]:
    try:
        params = load()
    except ParamsError as error:
        yield Finding("params.yaml", False, str(error), "cleanplate use sample")
        return
    yield Finding("params.yaml", True, f"preset {params.data.preset}")
    if params.data.preset == "full":
        try:
            found = roots(params)
            yield Finding("raw data", True, ", ".join(str(root) for root in found if root is not None))
        except (FileNotFoundError, ValueError, ImportError) as error:
            yield Finding("raw data", False, str(error), "cleanplate use full --places365 PATH --videomatte PATH")
        for name in ("places365", "photos", "videomatte"):
            data = getattr(params.data, name)
            if data is not None and data.digest is None:
                yield Finding(f"scan {name}", False, "never scanned: changes would go unseen", "cleanplate scan")


def _weights() -> Iterator[Finding]:
    try:
        params = load()
    except ParamsError:
        return
    for key, name in (
        *(
            ("detect.members", name)
            for member in params.detect.members
            if member.detector in ("onnx", "darknet")
            for name in member.named
        ),
        ("train_base.init", params.train_base.init),
        ("train_refine.init", params.train_refine.init),
    ):
        if name is None:
            continue
        try:
            yield Finding(key, True, str(find_weights(name)))
        except FileNotFoundError as error:
            yield Finding(key, False, str(error), f"export CLEANPLATE_WEIGHTS=FOLDER-OF-{Path(name).name}")
