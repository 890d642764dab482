import ast
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from compositing.chain.changes import refocus
from compositing.chain.subject import straight_colour, warp_subject
from compositing.chain.viewpoint import Viewpoint
from tests.compositing.composite_world import figure, photograph, recaptured, recipe

ROOMS = ("curation", "compositing", "training", "pipelines")
ROOT = Path(__file__).resolve().parents[3]
FILES = sorted(path for path in (ROOT / "compositing").rglob("*.py") if "@compiled" in path.read_text(encoding="utf-8"))


def results() -> str:
    """A digest of what the kernels make of pictures that go through as many of their branches as possible."""
    from compositing.chain.scene import cut_scene

    scene = cut_scene(recipe(), photograph(4))
    fgr, pha = figure()
    layer = warp_subject(fgr, pha, recipe(fgr_scale=0.41, fgr_rotate=5.0)).layer
    made = [
        scene,
        recaptured(scene, 8, Viewpoint(1.3, -0.7, 0.9, 1.01, parallax_x=1.5), 3),
        straight_colour(layer, spill=0.4),
        refocus(scene, -0.8),
    ]
    return hashlib.sha256(b"".join(np.ascontiguousarray(image).tobytes() for image in made)).hexdigest()


def test_a_processor_without_wide_registers_gives_the_same_bytes(tmp_path):
    """No fused multiply-add, no other order of sums: compiled anew for the least of its kind."""
    plain = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "NUMBA_CACHE_DIR": str(tmp_path)}
    code = "from tests.compositing.kernels.test_compiled import results; print(results())"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | plain, capture_output=True, text=True, check=True
    )
    assert found.stdout.split()[-1] == results()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_what_a_kernel_is_made_of_is_in_its_own_file(file):
    """Stored machine code is made anew when this file changes, and does not notice that another did."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    foreign = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in ROOMS
        for alias in node.names
    }
    for kernel in ast.walk(tree):
        if isinstance(kernel, ast.FunctionDef) and "compiled" in map(ast.unparse, kernel.decorator_list):
            body = {node.id for line in kernel.body for node in ast.walk(line) if isinstance(node, ast.Name)}
            assert not body & foreign, f"{kernel.name} uses {body & foreign}"


def test_there_are_kernels_to_look_at():
    assert len(FILES) >= 4
