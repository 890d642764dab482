"""The build backend: setuptools', but for the wheel, whose packages go below one name.

A wheel that held a top-level ``training`` would take the place of a project's own, or be hidden by it. So the four
packages are built as ``cleanplate.training`` and so on, out of a copy whose imports say so. Nothing else in them names
a module: what does stops the build. Source archives and editable installs hold the checkout as it is.
"""

import ast
import os
import re
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path

from setuptools import build_meta
from setuptools.build_meta import (
    build_editable,
    build_sdist,
    get_requires_for_build_editable,
    get_requires_for_build_sdist,
    prepare_metadata_for_build_editable,
)

# No hook for a wheel's metadata: without one, installers build the wheel and read it there.
__all__ = [
    "build_editable",
    "build_sdist",
    "build_wheel",
    "get_requires_for_build_editable",
    "get_requires_for_build_sdist",
    "get_requires_for_build_wheel",
    "prepare_metadata_for_build_editable",
]

NAME = "cleanplate"
ROOMS = ("curation", "compositing", "training", "pipelines")
BESIDE = ("pyproject.toml", "README.md", "LICENSE")
PIPELINE = "dvc.yaml"
"""Goes along as data: ``cleanplate init`` writes a project's own pipeline from it."""
FINDERS = {"files", "import_module", "find_spec", "run_module", "PackageLoader"}
"""Calls whose first argument names a module, a package without a dot among them."""
FROM = re.compile(rb"from[ \t]+")


def get_requires_for_build_wheel(config_settings: dict[str, object] | None = None) -> list[str]:
    """Nothing more (PEP 517). Setuptools' own answer leaves an egg-info in the checkout."""
    return []


def build_wheel(
    wheel_directory: str, config_settings: dict[str, object] | None = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel (PEP 517). Raises ValueError naming a line that would not work below the one name."""
    out = Path(wheel_directory).resolve()
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        stage(here, Path(folder))
        os.chdir(folder)
        try:
            return str(build_meta.build_wheel(str(out), config_settings, metadata_directory))
        finally:
            os.chdir(here)


def stage(checkout: Path, folder: Path) -> None:
    """Lay out in ``folder`` what the wheel is built from."""
    for name in BESIDE:
        shutil.copy2(checkout / name, folder / name)
    top = folder / NAME
    shutil.copytree(checkout / NAME, top, ignore=shutil.ignore_patterns("__pycache__"))
    for room in ROOMS:
        shutil.copytree(checkout / room, top / room, ignore=shutil.ignore_patterns("__pycache__"))
    files = [file for room in ROOMS for file in sorted((top / room).rglob("*.py"))]
    modules = {file.relative_to(top).with_suffix("").as_posix().replace("/", ".") for file in files}
    modules |= {name.removesuffix(".__init__") for name in modules} - set(ROOMS)
    for file in files:
        made = file.stat()
        file.write_bytes(below(file.read_bytes(), file.relative_to(top).as_posix(), modules))
        os.utime(file, ns=(made.st_atime_ns, made.st_mtime_ns))
    shutil.copy2(checkout / PIPELINE, top / PIPELINE)


def below(source: bytes, origin: str, modules: Collection[str] = ()) -> bytes:
    """Put ``cleanplate.`` before every room that a module imports.

    Raises ValueError for a line that names one of ``modules`` in another way: a string, or ``import training.x``
    without ``as``, which binds the short name.
    """
    tree = ast.parse(source, origin)
    lines = source.split(b"\n")
    places: list[tuple[int, int]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 0 and _room(node.module or ""):
            start = FROM.match(lines[node.lineno - 1], node.col_offset)
            if start is None or not lines[node.lineno - 1].startswith(str(node.module).encode(), start.end()):
                raise ValueError(f"{origin}:{node.lineno}: write 'from' and the module in one line")
            places.append((node.lineno, start.end()))
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if _room(alias.name):
                    if alias.asname is None:
                        raise ValueError(
                            f"{origin}:{alias.lineno}: 'import {alias.name}' binds the short name, which a wheel does "
                            f"not have; write 'from {alias.name.rpartition('.')[0] or alias.name} import ...'"
                        )
                    places.append((alias.lineno, alias.col_offset))
        elif named := _names(node, modules):
            raise ValueError(
                f"{origin}:{named.lineno}: the string {named.value!r} names a module, which has another name in a "
                "wheel; write it with __package__ or __name__"
            )
    for line, column in sorted(places, reverse=True):
        text = lines[line - 1]
        lines[line - 1] = text[:column] + NAME.encode() + b"." + text[column:]
    return b"\n".join(lines)


def _names(node: ast.AST, modules: Collection[str]) -> ast.Constant | None:
    if isinstance(node, ast.Constant):
        return node if node.value in modules else None
    if isinstance(node, ast.Call) and node.args and isinstance(first := node.args[0], ast.Constant):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        return first if called in FINDERS and _room(str(first.value)) else None
    return None


def _room(module: str) -> bool:
    return module.split(".")[0] in ROOMS
