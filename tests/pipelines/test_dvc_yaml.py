"""A stage must depend on every module its result depends on, or DVC restores stale outputs."""

import ast
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("curation", "compositing", "training", "pipelines")
# The shell around a stage: it moves files and reads parameters, and changes no byte of an output.
SHELL = {"params", "paths", "work", "engine", "depot", "kept", "progress", "stage", "presets", "samples"}
STAGES = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())["stages"]


def module_file(name: str) -> Path | None:
    for path in (ROOT / (name.replace(".", "/") + ".py"), ROOT / name.replace(".", "/") / "__init__.py"):
        if path.is_file():
            return path
    return None


def imports(file: Path) -> set[Path]:
    names = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    found = {module_file(name) for name in names if name.split(".")[0] in ROOMS}
    return {path for path in found if path is not None}


def closure(file: Path) -> set[Path]:
    seen: set[Path] = set()
    todo = [file]
    while todo:
        path = todo.pop()
        inside = path.relative_to(ROOT).with_suffix("").parts
        shell = inside[0] == "pipelines" and inside[1] in SHELL
        if path in seen or shell or (path.name == "__init__.py" and path.parent.name in ROOMS) or _says_only(path):
            continue
        seen.add(path)
        todo += imports(path)
    return seen


def _says_only(path: Path) -> bool:
    """Whether a file is a docstring and nothing else, which changes no output."""
    return len(ast.parse(path.read_text()).body) == 1


@pytest.mark.parametrize("stage", STAGES)
def test_deps_cover_the_imports(stage):
    entry = ROOT / "pipelines" / f"{stage}.py"
    entry = entry if entry.is_file() else ROOT / "pipelines" / stage / "__main__.py"
    needed = closure(entry)
    deps = [ROOT / dep for dep in STAGES[stage]["deps"]]
    missing = sorted(
        str(path.relative_to(ROOT)) for path in needed if not any(path == d or d in path.parents for d in deps)
    )
    assert missing == [], f"add to dvc.yaml, stage {stage}, deps"


@pytest.mark.parametrize("stage", STAGES)
def test_code_deps_exist_and_are_used(stage):
    for dep in STAGES[stage]["deps"]:
        if dep.split("/")[0] in ROOMS:
            assert (ROOT / dep).exists(), dep


def test_arrows_run_one_way():
    order = {room: rank for rank, room in enumerate(ROOMS)}
    wrong = [
        f"{file.relative_to(ROOT)} imports {path.relative_to(ROOT)}"
        for room in ROOMS
        for file in (ROOT / room).rglob("*.py")
        for path in imports(file)
        if order[path.relative_to(ROOT).parts[0]] > order[room]
    ]
    assert wrong == []


def test_every_plot_is_made_by_a_stage():
    """A path that no stage writes makes 'dvc plots' fail for everything."""
    project = YAML(typ="safe", pure=True).load((ROOT / "dvc.yaml").read_text())
    outs = {out if isinstance(out, str) else next(iter(out)) for stage in STAGES.values() for out in stage["outs"]}
    plotted = []
    for plot in project["plots"]:
        name, told = (plot, {}) if isinstance(plot, str) else next(iter(plot.items()))
        plotted += [name] if not isinstance(told.get("y"), dict) else told["y"]
    assert len(plotted) > 10
    assert [path for path in plotted if not any(path == out or path.startswith(f"{out}/") for out in outs)] == []
