"""Names -> the methods that are compared.

- ``classical``: the best of the classical rivals, tuned on ``valid`` for each strength.
- ``guided``, ``closed_form``: classical matting that starts from there (``training.evaluation.refinement``).
- ``base``, ``refine``, ``refine_coarse``: the project's networks (``training.evaluation.learned``).
- any other name: a file of ``Project.files``; ``.onnx`` holds any matting model (``training.evaluation.onnxmodel``),
  ``.pth``, ``.pt``, ``.ckpt`` and ``.safetensors`` hold weights of Background Matting V2's refine network.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from training.evaluation.classical import ClassicalMethod
from training.evaluation.learned import LEARNED, Learned, load_networks
from training.evaluation.methods import Method
from training.evaluation.onnxmodel import OnnxMethod
from training.evaluation.refinement import ClosedFormMethod, GuidedMethod
from training.evaluation.tables import METHODS
from training.evaluation.tuning import Classical

CLASSICALS = ("classical", "guided", "closed_form")
NAMED = (*METHODS, "guided", "closed_form")
"""The methods that need no file."""
WEIGHTS = (".pth", ".pt", ".ckpt", ".safetensors")


@dataclass(frozen=True)
class Project:
    """What the project's own methods are made of. Goes to a worker process as it is."""

    base: Path
    """Weights of the base network."""
    refine: Path
    """Weights of the refine network."""
    device: str
    """Where networks run, as PyTorch names it."""
    classical: Classical | None
    """The tuned baseline; None where nothing is tuned, and no classical method can be asked."""
    batch: int = 1
    """Samples a forward pass: the last bits may hang on it."""
    files: Mapping[str, Path] = field(default_factory=dict)
    """Further methods: name -> ONNX file or weights."""


def build_methods(names: Sequence[str], project: Project) -> list[Method]:
    """Build methods by name, in the order of ``names``.

    Raises ValueError for a name that is not known or a file that holds no matting model, FileNotFoundError for a file
    that is missing, ImportError for an extra that is not installed.
    """
    classical = None if project.classical is None else ClassicalMethod(project.classical)
    return [_build(name, project, classical) for name in names]


def _build(name: str, project: Project, classical: ClassicalMethod | None) -> Method:
    if name in CLASSICALS:
        if classical is None:
            raise ValueError(
                f"method '{name}' has no settings, for the baseline was not tuned; run 'dvc repro evaluate'"
            )
        if name == "guided":
            return GuidedMethod(classical)
        return ClosedFormMethod(classical) if name == "closed_form" else classical
    if name in LEARNED:
        return Learned(name, load_networks(project.base, project.refine, project.device, project.batch), name)
    if name in project.files:
        return _from_file(name, project.files[name], project)
    raise ValueError(
        f"method '{name}' is not known; expected {', '.join(NAMED)}, or the path of an .onnx file or of weights"
    )


def _from_file(name: str, path: Path, project: Project) -> Method:
    if path.suffix == ".onnx":
        return _onnx(name, path)
    if path.suffix in WEIGHTS:
        return Learned(name, load_networks(None, path, project.device, project.batch), "refine")
    raise ValueError(f"method '{name}': '{path}' is neither an .onnx file nor weights ({', '.join(WEIGHTS)})")


@lru_cache(maxsize=4)
def _onnx(name: str, path: Path) -> OnnxMethod:
    return OnnxMethod(name, path)
