"""Where raw data and weights are: roots differ from person to person, so they live in a git-ignored file.

A raw dataset's root is a folder, relative to that file or not, ``file:///FOLDER``, or the URL of an object store.
"""

import os
from pathlib import Path
from typing import Any, NamedTuple

from curation.storage import Root, open_store
from curation.storage.local import LocalStore
from pipelines.params import Params, read_text, read_yaml

PATHS = "paths.yaml"
SAMPLE = Path("data/sample")
WEIGHTS = Path(".weights")


class Roots(NamedTuple):
    """The folders, or URLs, of the raw datasets."""

    places365: Root
    videomatte: Root
    photos: Root | None = None
    """A second dataset of photographs; None where data.photos is null."""

    @property
    def backgrounds(self) -> dict[str, Root]:
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


def dvc_folder(start: Path | None = None) -> Path | None:
    """Find the ``.dvc`` of the project, here or above as DVC does; None where there is none."""
    here = (start or Path.cwd()).resolve()
    return next((folder / ".dvc" for folder in (here, *here.parents) if (folder / ".dvc").is_dir()), None)


def roots(params: Params) -> Roots:
    """Return the dataset roots for these parameters.

    Raises FileNotFoundError naming the file or the missing key and the command that writes it, ValueError for a URL of
    another kind, ImportError with what installs the one that is missing. Asks no object store anything.
    """
    if params.data.preset == "sample":
        return Roots(SAMPLE / "places365", SAMPLE / "videomatte")
    file = find_paths_file()
    hint = "run: cleanplate use full --places365 PATH --videomatte PATH"
    if file is None:
        raise FileNotFoundError(f"paths.yaml is missing, so the raw datasets cannot be found; {hint}")
    values = _read(file)
    first, mattes = (_root(file, values, name, hint) for name in ("places365", "videomatte"))
    second = _root(file, values, "photos", f"{hint} --photos PATH") if params.data.photos else None
    return Roots(first, mattes, second)


def _read(file: Path) -> dict[str, Any]:
    values = read_yaml(read_text(file), str(file)) or {}
    if not isinstance(values, dict):
        raise ValueError(f"{file} is {type(values).__name__}, not lines such as 'places365: FOLDER'; mend or remove it")
    return values


def _folder(file: Path, key: str, value: object) -> Path:
    """The folder that a line names, relative to its file."""
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f"{file}: {key} is {value!r}; expected the path of a folder")
    try:
        return file.parent / Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError(f"{file}: {key} is '{value}': {error}; write the path in full") from error


def _root(file: Path, values: dict[str, Any], name: str, hint: str) -> Root:
    value = values.get(name)
    if not value:
        raise FileNotFoundError(f"{file}: no '{name}'; {hint}")
    if isinstance(value, str) and "://" in value:
        try:
            store = open_store(value)
        except (ValueError, ImportError) as error:
            raise type(error)(f"{file}: {name}: {error}") from error
        if not isinstance(store, LocalStore):
            return value  # whether it is there, its first listing tells
        value = str(store.root)
    root = _folder(file, name, value)
    if not root.is_dir():
        raise FileNotFoundError(f"{file}: {name} is '{root}', which is not a folder; {hint}")
    return root


def extra_roots(file: Path | None = None) -> dict[str, Path]:
    """The folders of the extra sources by name; empty where paths.yaml names none.

    Raises ValueError naming what is there in place of them.
    """
    file, found = _section("extra", "NAME: FOLDER", file)
    return {name: _folder(file, f"extra.{name}", root) for name, root in found.items()}


def testset_folders(file: Path | None = None) -> dict[str, tuple[Path, Path | None]]:
    """Folder of each further test set by name, and of its backgrounds; empty where paths.yaml names none.

    Raises ValueError naming what is there in place of them.
    """
    file, found = _section("testsets", "NAME: {folder: FOLDER}", file)
    folders = {}
    for name, known in found.items():
        if not isinstance(known, dict) or "folder" not in known:
            raise ValueError(
                f"{file}: testsets.{name} is {known!r}; expected '{{folder: FOLDER, backgrounds: FOLDER}}'"
            )
        root = _folder(file, f"testsets.{name}.folder", known["folder"])
        backgrounds = known.get("backgrounds") and _folder(file, f"testsets.{name}.backgrounds", known["backgrounds"])
        folders[name] = (root, backgrounds or None)
    return folders


def _section(key: str, line: str, file: Path | None) -> tuple[Path, dict[str, Any]]:
    """The paths file and what it says below a key, by name."""
    file = file or find_paths_file()
    if file is None or not file.is_file():
        return Path(PATHS), {}
    found = _read(file).get(key) or {}
    if not isinstance(found, dict):
        raise ValueError(f"{file}: '{key}' is {found!r}; expected a line '{line}' for each below it")
    return file, {str(name): value for name, value in found.items()}


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
