"""The data card, the hashes and the environment: what the figures were made of."""

import hashlib
import importlib.metadata
import platform
import subprocess
from pathlib import Path

import pandas as pd

PACKAGES = ("numpy", "pyarrow", "opencv-python-headless", "av", "torch", "torchvision", "lightning-fabric", "dvc")


def rows(
    images: pd.DataFrame, verdicts: pd.DataFrame, frames: pd.DataFrame, plan: pd.DataFrame
) -> list[tuple[str, str]]:
    """Return the data card: sources, licences, counts."""
    usable = frames[frames["status"] == "ok"]
    kept = verdicts[verdicts["kept"]]
    card = [
        (
            "backgrounds",
            f"{len(images):,} files, {int(verdicts['kept'].sum()):,} kept, {kept['scene'].nunique()} scenes",
        ),
        ("kept by split", _counts(kept["split"])),
        ("frames", f"{len(usable):,} of {frames['clip'].nunique()} clips; {len(frames) - len(usable):,} unusable"),
        ("clips by split", _counts(usable.drop_duplicates("clip")["split"])),
        ("composites", _counts(plan["set"])),
    ]
    for table, name in ((images, "backgrounds"), (frames, "mattes")):
        for column in ("source", "licence"):
            card.append((f"{column}, {name}", "; ".join(sorted(table[column].dropna().unique()))))
    return card


def _counts(values: pd.Series) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in values.value_counts().sort_index().items())


def hashes(outputs: list[Path]) -> list[tuple[str, str]]:
    """Return the SHA-256 of every table and checkpoint that is there."""
    return [(p.as_posix(), hashlib.sha256(p.read_bytes()).hexdigest()) for p in sorted(outputs) if p.is_file()]


def commit() -> str:
    """Return the git commit of the checkout, with a mark where files differ from it."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "(not a git checkout)"


def environment() -> str:
    """Return Python, platform and the packages that touch pixels or weights."""
    lines = [f"Python {platform.python_version()} on {platform.machine()} {platform.system()}"]
    for name in PACKAGES:
        try:
            lines.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            lines.append(f"{name} not installed")
    return "\n".join(lines)
