"""Methods by name or by file, as stages and commands are asked for them."""

from collections.abc import Sequence
from pathlib import Path

from pipelines.paths import find_weights
from training.evaluation.choosing import NAMED

REVISION = "rev:"
"""What a method begins with that a Git revision recorded."""


def name_methods(asked: Sequence[str]) -> tuple[tuple[str, ...], dict[str, Path]]:
    """Tell names from files: the names of all methods, in their order, and the file of each that has one.

    A file is called by its name without the ending where that is free. Raises FileNotFoundError for one that is not
    there, ValueError for a method named twice, and for a revision, which a stage cannot depend on.
    """
    names: list[str] = []
    files: dict[str, Path] = {}
    for each in asked:
        if each.startswith(REVISION):
            raise ValueError(
                f"method '{each}' is for the command alone, no stage can depend on a revision: run 'cleanplate "
                f"evaluate --method {each}'"
            )
        name = each
        if each not in NAMED:
            path = Path(each)
            name = next((n for n in (path.stem, path.name, each) if n not in names and n not in NAMED), each)
            files[name] = find_weights(each).resolve()
        if name in names:
            raise ValueError(f"method '{each}' is named twice")
        names.append(name)
    return tuple(names), files
