"""Where raw data and weights are: roots differ from person to person, so they live in a git-ignored file."""

import os
from pathlib import Path
from typing import NamedTuple

from ruamel.yaml import YAML

from pipelines.params import Params

PATHS = "paths.yaml"
SAMPLE = Path("data/sample")
WEIGHTS = Path(".weights")


class Roots(NamedTuple):
    """The folders of the raw datasets."""

    places365: Path
    videomatte: Path
    photos: Path | None = None
    """A second dataset of photographs; None where data.photos is null."""

    @property
    def backgrounds(self) -> dict[str, Path]:
        """The root of each dataset of photographs, by its name in the tables."""
        return {name: root for name, root in (("places365", self.places365), ("photos", self.photos)) if root}


def find_paths_file(start: Path | None = None) -> Path | None:
    """Find paths.yaml: $CLEANPLATE_PATHS, here, or above (``dvc exp run --temp`` works in a folder below)."""
    named = os.environ.get("CLEANPLATE_PATHS")
    if named:
        return Path(named)
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / PATHS).is_file():
            return folder / PATHS
    return None


def roots(params: Params) -> Roots:
    """Return the dataset roots for these parameters.

    Raises FileNotFoundError naming the file or the missing key and the command that writes it.
    """
    if params.data.preset == "sample":
        return Roots(SAMPLE / "places365", SAMPLE / "videomatte")
    file = find_paths_file()
    hint = "run 'cleanplate use full --places365 PATH --videomatte PATH'"
    if file is None:
        raise FileNotFoundError(f"paths.yaml is missing, so the raw datasets cannot be found; {hint}")
    values = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8")) or {}
    found = []
    for name in ("places365", "videomatte"):
        if not values.get(name):
            raise FileNotFoundError(f"{file}: no '{name}'; {hint}")
        root = Path(values[name]).expanduser()
        if not root.is_absolute():
            root = file.parent / root
        if not root.is_dir():
            raise FileNotFoundError(f"{file}: {name} is '{root}', which is not a folder; {hint}")
        found.append(root)
    return Roots(*found)


def extra_roots(file: Path | None = None) -> dict[str, Path]:
    """The folders of the extra sources by name; empty where paths.yaml names none."""
    file = file or find_paths_file()
    if file is None or not file.is_file():
        return {}
    values = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8")) or {}
    found = values.get("extra") or {}
    if not isinstance(found, dict):
        raise ValueError(f"{file}: 'extra' is {found!r}; expected a line 'NAME: FOLDER' for each source below it")
    return {str(name): file.parent / Path(str(root)).expanduser() for name, root in found.items()}


def extra_root(name: str) -> Path:
    """The folder of one extra source. Raises FileNotFoundError naming the line that is missing in paths.yaml."""
    found = extra_roots()
    if name not in found:
        raise FileNotFoundError(
            f"extra source '{name}' has no folder in {find_paths_file() or PATHS}; run 'cleanplate use extra {name} "
            f"FOLDER' (known: {', '.join(sorted(found)) or 'none'})"
        )
    if not found[name].is_dir():
        raise FileNotFoundError(f"extra source '{name}' is '{found[name]}' in {PATHS}, which is not a folder")
    return found[name]


def find_weights(name: str) -> Path:
    """Find a weights file: as given, then in $CLEANPLATE_WEIGHTS, then in the project's ``.weights``.

    Raises FileNotFoundError naming each place that was tried.
    """
    places = [Path(name)]
    if os.environ.get("CLEANPLATE_WEIGHTS"):
        places.append(Path(os.environ["CLEANPLATE_WEIGHTS"]) / name)
    places.append(WEIGHTS / name)
    for place in places:
        if place.is_file():
            return place
    tried = ", ".join(str(place) for place in places)
    raise FileNotFoundError(f"weights '{name}' not found (tried {tried}); give a path or set CLEANPLATE_WEIGHTS")
