import importlib.util
import subprocess
import sys

import pytest

from pipelines.stage import EXTRAS, require_extra


def test_a_missing_extra_prints_its_install_line(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "torch" else find(name))
    with pytest.raises(ImportError, match=r"torch is not installed; run: pip install 'cleanplate\[train\]'"):
        require_extra("train")


def test_the_train_extra_is_there():
    require_extra("train")


def test_training_stages_start_without_the_extra(root):
    # Otherwise the missing package would end in a traceback, before anything could explain it.
    extra = set(EXTRAS["train"])
    code = f"import sys, pipelines.train_base, pipelines.train_refine; print(*set(sys.modules) & {extra})"
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
