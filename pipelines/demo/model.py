"""Which exported network the page runs, and in which space its alpha mixes colours."""

import json
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from curation.onnxfile import open_onnx

EXPORT = Path("data/export")
FIRST = "refine.onnx"
"""Taken before others of the folder."""
ABOUT = "cleanplate"
"""Key of the metadata that stage ``export`` writes, as JSON."""
Space = Literal["display", "linear"]


class Model(NamedTuple):
    """What is served."""

    path: Path
    space: Space
    """Where it mixes: in display values, as the published networks, or in linear light."""


def find_model(given: Path | None = None, space: str | None = None) -> Model:
    """Find the ONNX file: the one given, of a folder ``refine.onnx`` or else the first by name.

    ``space``: what the user said; None: as the file's own metadata says, else display.
    Raises FileNotFoundError naming the command that makes one, ValueError for another space or kind of file.
    """
    place = given or EXPORT
    if space is not None and space not in get_args(Space):
        raise ValueError(f"--space {space}: neither {' nor '.join(get_args(Space))}")
    if place.is_dir():
        candidates = sorted(place.glob("*.onnx"), key=lambda path: (path.name != FIRST, path.name))
        if not candidates:
            raise FileNotFoundError(f"{place} holds no .onnx; run 'dvc repro export', or give --model FILE")
        place = candidates[0]
    if not place.is_file():
        raise FileNotFoundError(f"{place} is missing; run 'dvc repro export', or give --model FILE")
    if place.suffix != ".onnx":
        raise ValueError(f"{place}: browsers run .onnx files; 'dvc repro export' makes {EXPORT / FIRST}")
    return Model(place, space or _space(place))  # type: ignore[arg-type]  # just compared


def _space(path: Path) -> Space:
    """Ask the file: stage ``export`` writes the space into its metadata. Other models mix display values."""
    try:
        said = json.loads(open_onnx(path).get_modelmeta().custom_metadata_map.get(ABOUT, "{}"))
    except (ValueError, RecursionError):  # no model, or no JSON: the page says what is wrong
        return "display"
    return "linear" if isinstance(said, dict) and said.get("space") == "linear" else "display"
