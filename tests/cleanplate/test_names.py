"""In a checkout the long names are the modules of the short ones, not copies of them."""

import importlib
import subprocess
import sys

import pytest


def test_both_names_are_one_module():
    import cleanplate.curation.detectors.calibration as long
    from cleanplate.compositing import codec

    import curation.detectors.calibration as short
    from compositing.codec import encode_jpeg

    assert long is short
    assert short.__spec__.name == short.__name__ == "curation.detectors.calibration"
    assert codec.encode_jpeg is encode_jpeg


def test_what_is_not_there_is_said_by_its_name():
    for name in ("cleanplate.training.nothing", "cleanplate.nothing"):
        with pytest.raises(ModuleNotFoundError) as error:
            importlib.import_module(name)
        assert error.value.name == name


def test_a_module_runs_by_its_long_name(root, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "cleanplate.pipelines.browse.mongod"],
        cwd=tmp_path, env={"PYTHONPATH": str(root), "PATH": "/nowhere"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "mongod" in done.stdout, done.stderr
