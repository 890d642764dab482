"""What the build does to a module, and what it refuses to."""

import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).resolve().parents[2] / "distribution" / "cleanplate_build.py"
MODULES = {"training.loop", "curation.detectors"}


@pytest.fixture(scope="module")
def build():
    spec = importlib.util.spec_from_file_location("cleanplate_build", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made(build, text: str) -> str:
    return build.below(text.encode(), "room/file.py", MODULES).decode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from training import loop\n", "from cleanplate.training import loop\n"),
        ("from training.loop import (\n    train,\n)\n", "from cleanplate.training.loop import (\n    train,\n)\n"),
        ("x = 'é'; from curation.tables import A", "x = 'é'; from cleanplate.curation.tables import A"),
        ("def f():\n    from pipelines import a\n", "def f():\n    from cleanplate.pipelines import a\n"),
        ("import os, training as a, curation as b", "import os, cleanplate.training as a, cleanplate.curation as b"),
        ("x(); from curation import y", "x(); from cleanplate.curation import y"),
    ],
)  # fmt: skip
def test_imports_go_below_the_one_name(build, before, after):
    assert made(build, before) == after


@pytest.mark.parametrize(
    "text",
    [
        "import trainings\nfrom trainings.x import y\nfrom . import training\nfrom .training import z\n",
        'a = """\nfrom training import loop\n"""\n# from training import loop\n',
        "training = {'training': 1}\nprint('training', 'training.speed', 'see training.loop')\n",
    ],
)
def test_all_else_stays(build, text):
    assert made(build, text) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = 1\nimport training.loop\n", "room/file.py:2: 'import training.loop' binds the short name"),
        ("import pipelines\n", "binds the short name"),
        ("name = 'training.loop'\n", "the string 'training.loop' names a module"),
        ("files('curation')\n", "the string 'curation' names a module"),
        ("importlib.import_module('training.other')\n", "the string 'training.other' names a module"),
        ("from \\\n    training import loop\n", "in one line"),
    ],
)
def test_what_would_break_in_a_wheel_stops_the_build(build, text, words):
    with pytest.raises(ValueError, match=r"room/file\.py:") as error:
        made(build, text)
    assert words in str(error.value)
