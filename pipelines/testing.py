"""What the stage ``evaluate`` and the command ``cleanplate evaluate`` share: methods by name, test sets by folder."""

from collections.abc import Sequence
from pathlib import Path

from pipelines.paths import find_weights

NAMED = ("classical", "base", "refine", "refine_coarse", "guided", "closed_form")


def name_methods(asked: Sequence[str]) -> tuple[tuple[str, ...], dict[str, Path]]:
    """Tell names from files: the names of all methods, in their order, and the file of each that has one.

    A file is called by its name without the ending. Raises FileNotFoundError for one that is not there, ValueError for
    two of one name.
    """
    names: list[str] = []
    files: dict[str, Path] = {}
    for each in asked:
        name = each if each in NAMED else Path(each).stem
        if name in names or (name in NAMED and each != name):
            raise ValueError(f"method '{each}': two methods would be called '{name}'; rename the file")
        if each not in NAMED:
            files[name] = find_weights(each).resolve()
        names.append(name)
    return tuple(names), files
