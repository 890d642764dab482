from pathlib import Path

import pytest

from pipelines.engine.making import attempt, clear, discard, make, new_temporary


def write(words: str, folder: Path) -> None:
    (folder / "words").write_text(words)


def test_of_two_tries_the_first_to_finish_counts(tmp_path):
    target = tmp_path / "p0"

    def overtaken(words: str, folder: Path) -> None:
        write(words, folder)
        make(write, "of the other", target)

    assert make(overtaken, "mine", target) >= 0
    assert (target / "words").read_text() == "of the other"
    assert [path.name for path in tmp_path.iterdir()] == ["p0"]


def test_a_try_that_was_given_up_cannot_finish(tmp_path):
    """Its folder is taken from it in mid-run; what it writes later must not become a part."""
    target = tmp_path / "p0"
    temporary = new_temporary(target)

    def given_up(words: str, folder: Path) -> None:
        write(words, folder)
        discard(folder)

    with pytest.raises(FileNotFoundError):
        make(given_up, "mine", target, temporary)
    assert list(tmp_path.iterdir()) == []
    outcome = attempt(given_up, "mine", target, temporary)
    assert outcome.error is not None and outcome.error.startswith("FileNotFoundError")
    assert "in given_up" not in outcome.trace and "in make" in outcome.trace


def test_only_what_is_to_be_made_is_cleared(tmp_path):
    left = {key: new_temporary(tmp_path / key) for key in ("a.b", "b", "c")}
    for folder in (*left.values(), tmp_path / "a.b", tmp_path / ".a.b"):
        folder.mkdir()
    clear(tmp_path, {"a.b", "c"})
    assert {path.name for path in tmp_path.iterdir()} == {"a.b", ".a.b", left["b"].name}
    clear(tmp_path / "missing", {"a"})
