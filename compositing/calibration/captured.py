"""Which captured plate belongs to which source: two folders -> pairs."""

import re
from pathlib import Path
from typing import NamedTuple

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


class Pair(NamedTuple):
    """A source and its plate."""

    src: Path
    bgr: Path | None
    """None where no plate fits."""
    reason: str
    """How the plate was found, or why none was."""


def find_pairs(src: Path, bgr: Path) -> list[Pair]:
    """Give every photograph of ``src`` its plate in ``bgr``.

    In this order: the same name; the only plate there is; the last plate numbered at or below the source (frames of
    one recording), or the first above it; the same place in two folders of one length, sorted by name.
    Raises FileNotFoundError for a missing folder, ValueError for one without pictures.
    """
    sources, plates = _pictures(src, "--src"), _pictures(bgr, "--bgr")
    named = {plate.stem: plate for plate in plates}
    numbered = sorted((number, plate) for plate in plates if (number := _number(plate)) is not None)
    pairs = []
    for place, source in enumerate(sources):
        number = _number(source)
        if source.stem in named:
            pairs.append(Pair(source, named[source.stem], "same name"))
        elif len(plates) == 1:
            pairs.append(Pair(source, plates[0], "the only plate"))
        elif number is not None and len(numbered) == len(plates):
            before = [plate for at, plate in numbered if at <= number]
            pairs.append(Pair(source, before[-1] if before else numbered[0][1], "number"))
        elif len(sources) == len(plates):
            pairs.append(Pair(source, plates[place], "order"))
        else:
            pairs.append(
                Pair(source, None, f"no plate for {source.name}: give one the same name, or one plate for all")
            )
    return pairs


def _pictures(folder: Path, option: str) -> list[Path]:
    if not folder.is_dir():
        raise FileNotFoundError(f"{option}: '{folder}' is not a folder")
    found = sorted(file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES)
    if not found:
        raise ValueError(f"{option}: '{folder}' holds no pictures ({', '.join(SUFFIXES)})")
    return found


def _number(file: Path) -> int | None:
    """The last number of a name: frames are counted at the end."""
    digits = re.findall(r"\d+", file.stem)
    return int(digits[-1]) if digits else None
