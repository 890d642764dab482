"""In a checkout the long names are the modules of the short ones, not copies of them."""

import subprocess
import sys


def test_both_names_are_one_module():
    import cleanplate.curation.detectors.calibration as long
    from cleanplate.compositing import codec

    import curation.detectors.calibration as short
    from compositing.codec import encode_jpeg

    assert long is short
    assert short.__spec__.name == short.__name__ == "curation.detectors.calibration"
    assert codec.encode_jpeg is encode_jpeg


def test_what_is_not_there_is_said_by_its_name():
    script = (
        "import importlib\n"
        "for name in ('cleanplate.training.nothing', 'cleanplate.nothing'):\n"
        "    try: importlib.import_module(name)\n"
        "    except ModuleNotFoundError as error: print(error.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["cleanplate.training.nothing", "cleanplate.nothing"]


def test_a_module_runs_by_its_long_name(root, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "cleanplate.pipelines.curate"],
        cwd=tmp_path, env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "params.yaml is missing; run 'cleanplate use sample'" in done.stdout
