"""Commit, hashes and environment: what the figures were made of."""

import hashlib
import importlib.metadata
import platform
import re
import subprocess
from pathlib import Path

PACKAGES = (
    "cleanplate", "numpy", "pyarrow", "opencv-python-headless", "av", "torch", "torchvision", "lightning-fabric", "dvc",
)  # fmt: skip
SSH = re.compile(r"(?:ssh://)?[\w.-]+@(?P<host>[\w.-]+)[:/](?P<path>[\w./-]+?)(?:\.git)?/?")
HTTP = re.compile(r"https?://(?:[^@/]*@)?(?P<host>[\w.:-]+)/(?P<path>[\w./-]+?)(?:\.git)?/?")


def hashes(outputs: list[Path]) -> list[tuple[str, str]]:
    """Return the SHA-256 of every table and checkpoint that is there."""
    return [(p.as_posix(), _sha256(p)) for p in sorted(outputs) if p.is_file()]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def commit() -> str:
    """Return the git commit of the checkout, with a mark where files differ from it."""
    return _git("describe", "--always", "--dirty", "--abbrev=12") or "(not a git checkout)"


def repository() -> str | None:
    """Return the web address of the checkout's origin, or None where it is a folder or there is none."""
    return web_address(_git("remote", "get-url", "origin"))


def web_address(remote: str) -> str | None:
    """Turn a git remote into a web address without credentials; None for a path of some machine."""
    found = HTTP.fullmatch(remote) or SSH.fullmatch(remote)
    return f"https://{found['host']}/{found['path']}" if found else None


def _git(*words: str) -> str:
    try:
        done = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def environment() -> str:
    """Return Python, platform and the packages that touch pixels or weights."""
    lines = [f"Python {platform.python_version()} on {platform.machine()} {platform.system()}"]
    for name in PACKAGES:
        try:
            lines.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            lines.append(f"{name} not installed")
    return "\n".join(lines)
