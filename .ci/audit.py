"""Asks for known weaknesses of every locked package: ``make audit``. An audit that looked at nothing fails.

pip-audit reads the lock alone and builds nothing. ``--service osv`` asks osv.dev in place of pypi.org.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
LOCKS = (ROOT / "requirements.lock", ROOT / "requirements-mongod.txt")
SOURCES = {"pypi": "pypi.org/pypi/NAME/VERSION/json", "osv": "api.osv.dev"}
AGAIN = "try where it can be reached, or ask the other source: make audit SERVICE="


def wanted(text: str) -> dict[str, str]:
    """Name -> version of what a lock installs on this machine."""
    lines = re.sub(r"\\\n", " ", text).splitlines()
    found = (Requirement(line.split(" --hash")[0].strip()) for line in lines if re.match(r"[A-Za-z0-9]", line))
    here = [each for each in found if each.marker is None or each.marker.evaluate()]
    return {canonicalize_name(each.name): str(each.specifier).removeprefix("==") for each in here}


def judge(packages: Mapping[str, str], code: int, output: str, errors: str, service: str) -> tuple[int, list[str]]:
    """Exit code, 0 only where every package was looked up and none is known to be weak, and the lines that say so."""
    other = next(name for name in SOURCES if name != service)
    try:
        answer: Any = json.loads(output)
        found = answer["dependencies"]
        looked = {canonicalize_name(each["name"]) for each in found if "skip_reason" not in each}
        weak = [each for each in found if each.get("vulns")]
    except (ValueError, KeyError, TypeError, AttributeError):
        words = " ".join(errors.split())[-400:] or "it said nothing"
        return 2, [
            f"audit: nothing was checked: pip-audit ended with {code} ({words}).",
            f"audit: its data ({SOURCES[service]}) could not be had; {AGAIN}{other}",
        ]
    missing = sorted(set(packages) - looked)
    lines = [f"audit: {each['name']} {each['version']}: {_named(each['vulns'])}" for each in weak]
    if missing or not looked:
        lines.append(
            f"audit: {len(missing)} of {len(packages)} packages were not checked ({', '.join(missing[:8])}, ...); "
            f"nothing is known of them: {AGAIN}{other}"
        )
        return 2, lines
    if weak:
        return 1, [*lines, f"audit: {len(weak)} of {len(looked)} packages have known weaknesses; raise them: make lock"]
    if code:
        return code, [f"audit: pip-audit ended with {code}: {' '.join(errors.split())[-400:]}"]
    return 0, [f"audit: {len(looked)} packages checked, no weakness known to {SOURCES[service]}"]


def _named(weaknesses: Sequence[Mapping[str, Any]]) -> str:
    return "; ".join(
        f"{each['id']} (mended in {', '.join(each.get('fix_versions') or ['no version yet'])})" for each in weaknesses
    )


def main() -> int:
    """Run pip-audit over the locks and say what came out."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--service", choices=SOURCES, default="pypi")
    options.add_argument("--lock", type=Path, action="append", help="in place of the project's own")
    given = options.parse_args()
    locks = given.lock or LOCKS
    packages: dict[str, str] = {}
    command = [sys.executable, "-m", "pip_audit", "--strict", "--require-hashes", "--disable-pip", "--format", "json"]
    command += ["--progress-spinner", "off", "--vulnerability-service", given.service]
    for lock in locks:
        packages |= wanted(lock.read_text(encoding="utf-8"))
        command += ["--requirement", str(lock)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    code, lines = judge(packages, done.returncode, done.stdout, done.stderr, given.service)
    print("\n".join(lines), file=sys.stderr if code else sys.stdout)
    return code


if __name__ == "__main__":
    sys.exit(main())
