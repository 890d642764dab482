"""``make audit``: it passes only where every package was looked up."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCK = f"numpy==2.4.0 \\\n    --hash=sha256:{'0' * 64}\n    # via x\nold-thing==1.0 ; python_version < '3' \\\n"
LOCK += f"    --hash=sha256:{'1' * 64}\n"


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("service", ["pypi", "osv"])
def test_an_audit_that_reaches_nobody_fails_and_says_so(service: str, tmp_path: Path) -> None:
    (tmp_path / "lock.txt").write_text(LOCK)
    nobody = dict.fromkeys(("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"), "http://127.0.0.1:9")
    caches = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PIP_CACHE_DIR": str(tmp_path / "pip")}
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "audit.py", "--service", service, "--lock", tmp_path / "lock.txt"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | nobody | caches,
        timeout=120,
    )
    assert done.returncode == 2 and done.stdout == "", done
    assert (
        "audit: nothing was checked" in done.stderr and "could not be had; try where it can be reached" in done.stderr
    )


def test_the_lock_is_read_as_this_machine_installs_it(audit: ModuleType) -> None:
    assert audit.wanted(LOCK) == {"numpy": "2.4.0"}
    whole = audit.wanted((ROOT / "requirements.lock").read_text())
    assert len(whole) > 200 and {"torch", "numpy", "pip-audit"} <= set(whole)


def told(audit: ModuleType, dependencies: object, code: int = 0) -> tuple[int, str]:
    found, lines = audit.judge({"numpy": "1", "av": "2"}, code, json.dumps({"dependencies": dependencies}), "", "pypi")
    return found, "\n".join(lines)


def test_what_was_not_looked_up_fails(audit: ModuleType) -> None:
    numpy, av = {"name": "NumPy", "version": "1", "vulns": []}, {"name": "av", "version": "2", "vulns": []}
    assert told(audit, [numpy, av]) == (
        0,
        "audit: 2 packages checked, no weakness known to pypi.org/pypi/NAME/VERSION/json",
    )
    for lacking in ([], [numpy], [numpy, {"name": "av", "skip_reason": "not found"}]):
        code, words = told(audit, lacking)
        assert code == 2 and "were not checked" in words and "av" in words
    for answer in ("", "{}", "[]", "null", '{"dependencies": 5}', '{"dependencies": [5]}'):
        code, lines = audit.judge({"numpy": "1"}, 0, answer, "", "osv")
        assert code == 2 and "nothing was checked" in lines[0]
    assert audit.judge({}, 0, '{"dependencies": []}', "", "osv")[0] == 2


def test_a_weakness_fails_and_is_named(audit: ModuleType) -> None:
    weak = {"name": "av", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
    code, words = told(audit, [{"name": "numpy", "version": "1", "vulns": []}, weak], 1)
    assert code == 1 and "av 2: PYSEC-1 (mended in 3)" in words
    assert told(audit, [{"name": "numpy", "version": "1", "vulns": []}, weak | {"vulns": []}], 5)[0] == 5
