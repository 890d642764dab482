"""From photographs and green-screen mattes to two trained networks for background matting.

``cleanplate.curation``, ``cleanplate.compositing``, ``cleanplate.training`` and ``cleanplate.pipelines`` are the four
packages. The wheel holds them below this name, so that a project's own ``training`` and ours never meet. In a checkout
they lie at the top, and the long names are other names of the same modules.
"""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import InspectLoader, Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import CodeType, ModuleType

ROOMS = ("curation", "compositing", "training", "pipelines")


class _Alias(Loader):
    """Gives the module of the short name in place of a second one: its classes would be strangers to each other."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.name)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # importing it by its long name has overwritten it

    def get_code(self, name: str) -> CodeType | None:
        """What ``python -m cleanplate.pipelines.STAGE`` runs."""
        found = importlib.util.find_spec(self.name)
        loader = found.loader if found else None
        return loader.get_code(self.name) if isinstance(loader, InspectLoader) else None


class _Rooms(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        top, _, below = name.partition(".")
        if top != __name__ or below.split(".")[0] not in ROOMS:
            return None
        found = importlib.util.find_spec(below)
        if found is None:
            return None
        return ModuleSpec(name, _Alias(below), is_package=found.submodule_search_locations is not None)


def _in_a_checkout() -> bool:
    return not (Path(__file__).parent / ROOMS[0]).is_dir()


if _in_a_checkout():
    sys.meta_path.insert(0, _Rooms())
