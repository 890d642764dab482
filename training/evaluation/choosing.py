"""Names -> the methods that are compared."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from training.evaluation.classical import ClassicalMethod
from training.evaluation.learned import LEARNED, Learned, load_networks
from training.evaluation.methods import Method
from training.evaluation.tuning import Classical


@dataclass(frozen=True)
class Project:
    """What the project's own methods are made of. Goes to a worker process as it is."""

    base: Path
    """Weights of the base network."""
    refine: Path
    """Weights of the refine network."""
    device: str
    """Where networks run, as PyTorch names it."""
    classical: Classical
    """The tuned baseline."""


def build_methods(names: Sequence[str], project: Project) -> list[Method]:
    """Build methods by name, in the order of ``names``: ``classical``, ``base``, ``refine``, ``refine_coarse``.

    Raises ValueError for a name that is not known, FileNotFoundError for weights that are missing.
    """
    return [_build(name, project) for name in names]


def _build(name: str, project: Project) -> Method:
    if name == "classical":
        return ClassicalMethod(project.classical)
    if name in LEARNED:
        return Learned(name, load_networks(project.base, project.refine, project.device), name)
    raise ValueError(f"method '{name}' is not known; expected classical, {', '.join(LEARNED)}")
