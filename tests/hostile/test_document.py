"""docs/security.md promises nothing that no test holds."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
PROMISES = TEXT.partition("## Promised")[2].partition("## Not promised")[0]


def functions(file: Path) -> set[str]:
    return {node.name for node in ast.parse(file.read_text()).body if isinstance(node, ast.FunctionDef)}


def test_every_promise_names_a_test_that_exists() -> None:
    rows = [line for line in PROMISES.splitlines() if line.startswith("| ") and not line.startswith("| threat")]
    assert len(rows) > 30
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", row)
        assert len(named) == 1, row
        for file, test in named:
            assert (ROOT / file).is_file(), row
            assert test in functions(ROOT / file), row


def test_every_hostile_file_of_tests_is_named() -> None:
    for file in (ROOT / "tests" / "hostile").glob("test_*.py"):
        if file.stem not in ("test_contained", "test_document", "test_round_trip"):
            assert f"tests/hostile/{file.name}::" in PROMISES, file.name


def test_the_limits_in_words_are_those_of_the_code() -> None:
    from curation.images import MOST_MEGAPIXELS
    from curation.onnxfile import MOST_BYTES, MOST_SECONDS
    from curation.tarlist import HEADER_BYTES

    assert f"{MOST_MEGAPIXELS} megapixels at most" in PROMISES
    assert MOST_BYTES == 6 << 30 and "more memory than 6 GiB" in PROMISES
    assert MOST_SECONDS == 600 and "ten minutes a run" in PROMISES
    assert HEADER_BYTES == 2_000_000 and "2 MB of headers" in PROMISES
