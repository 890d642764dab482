"""Files that people write (params.yaml, paths.yaml, decisions.csv), and text from data on a terminal."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from curation.audit import read_labels
from curation.decisions import Decision, read_decisions, write_decisions
from pipelines import cli, params, paths
from pipelines.explain import explain
from tests.hostile.contained import contained_all


def laughs(merge: str = "") -> str:
    """Nine lines that stand for 9 ** 9 values, or as many merged mappings."""
    first = "a: &a {x: 1}\n" if merge else "a: &a [x, x, x, x, x, x, x, x, x]\n"
    names = "abcdefghij"
    return first + "".join(
        f"{name}: &{name} " + (f"{{{merge}: [{below}]}}\n" if merge else f"[{below}]\n")
        for before, name in pairwise(names)
        for below in (", ".join([f"*{before}"] * 9),)
    )


YAMLS = {
    "call": "a: !!python/object/apply:os.system ['touch ran']",
    "object": "a: !!python/object:os.Evil {}",
    "module": "a: !!python/module:os",
    "own tag": "a: !evil x",
    "laughs": laughs(),
    "merged laughs": laughs("<<"),
    "circle": "a: &a [*a]",
    "deep": "[" * 1000,
    "deep mappings": "".join("  " * n + "a:\n" for n in range(500)),
    "date": "a: 2001-01-01",
    "no date": "a: 2001-99-99",
    "bytes": "a: !!binary aGVsbG8=",
    "set": "a: !!set {x, y}",
    "odd key": "? [1, 2]\n: 3",
    "long number": "a: " + "9" * 5000,
    "null byte": "a: \0",
    "half letter": 'a: "\\ud800"',
    "twice": "a: 1\na: 2",
    "list": "- a",
    "text": "hello",
    "number": "5",
    "nothing": "",
}


def test_params_are_plain_values_or_an_error_that_names_the_file(tmp_path: Path) -> None:
    cases = {name: (text,) for name, text in YAMLS.items()}
    for name, outcome in contained_all(params.parse, cases, tmp_path).items():
        assert outcome.error == "ParamsError" and outcome.refused("params.yaml"), (name, outcome)
        assert outcome.megabytes < 100, (name, outcome)


def test_a_reference_that_stands_for_little_is_fine() -> None:
    assert params.read_yaml("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: [*a, *a]", "f")["b"] == {"x": 1, "y": 2}


ROOTS = {name: text for name, text in YAMLS.items() if name != "nothing"} | {
    "numbers": "places365: 5\nvideomatte: 5",
    "null byte in a name": 'places365: "a\\0b"\nvideomatte: b',
    "nobody's home": "places365: ~nobody-of-that-name/x\nvideomatte: b",
    "nowhere": "places365: /nowhere\nvideomatte: b",
}
FURTHER = (
    "extra: 5",
    "extra: {a: 5}",
    "testsets: {a: {folder: 5}}",
    "testsets: {a: [b]}",
    "testsets: x",
    "extra: {a: ~}",
)


def test_paths_are_folders_or_an_error_that_names_the_file(tmp_path: Path, monkeypatch: Any) -> None:
    file = tmp_path / "paths.yaml"
    monkeypatch.setenv("CLEANPLATE_PATHS", str(file))
    known = params.load()
    full = known.model_copy(update={"data": known.data.model_copy(update={"preset": "full"})})

    def read(text: str) -> object:
        file.write_text(text)
        return paths.roots(full)

    cases = {name: (text,) for name, text in ROOTS.items()}
    for name, outcome in contained_all(read, cases, tmp_path).items():
        assert outcome.refused("paths.yaml"), (name, outcome)


def test_further_folders_are_folders_too(tmp_path: Path) -> None:
    file = tmp_path / "paths.yaml"
    for line in FURTHER:
        file.write_text(line)
        read = paths.extra_roots if line.startswith("extra") else paths.testset_folders
        with pytest.raises(ValueError, match=r"paths\.yaml"):
            read(file)


HEAD = b"image_id,decision,by,note\n"
ROW = b"0" * 32 + b",keep,me,"
CSVS = {
    "long field": HEAD + ROW + b"x" * 200_000,
    "open quote": HEAD + b'"' + b"x\n" * 200_000,
    "null byte": HEAD + ROW.replace(b"keep", b"ke\0ep"),
    "latin": HEAD + ROW + b"caf\xe9",
    "wide": HEAD.decode().encode("utf-16"),
    "other columns": b"a,b\n",
    "formula": HEAD + b'=cmd|"/c calc"!A1,keep,me,\n',
    "short": HEAD + b"0" * 32 + b",keep\n",
    "twice": HEAD + 2 * (ROW + b"\n"),
    "nothing": b"",
}


def test_decisions_are_read_or_the_file_is_named(tmp_path: Path) -> None:
    for name, data in CSVS.items():
        (tmp_path / f"{name}.csv").write_bytes(data)
    cases = {name: (tmp_path / f"{name}.csv",) for name in CSVS}
    for name, outcome in contained_all(read_decisions, cases, tmp_path).items():
        assert outcome.refused(f"{name}.csv"), (name, outcome)


HOSTILE = "[red]</b>[/nothing][link=https://evil]x[/link]\x1b]0;title\x07\x1b[2J\x9b31m<script>\u202e"


def test_an_error_with_text_from_data_commands_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ValueError(HOSTILE)

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit):
        cli.main()
    printed = capsys.readouterr().err
    assert "[red]</b>[/nothing][link=https://evil]x[/link]\\x1b]0;title\\x07" in printed
    assert printed.isascii() and not any(letter in printed for letter in "\x1b\x07\x9b\u202e")


def test_explain_shows_marks_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ruamel.yaml import YAML

    yaml = YAML()
    values = yaml.load(Path("params.yaml").read_text())
    values["data"]["places365"]["source"] = HOSTILE
    with (tmp_path / "params.yaml").open("w") as file:
        yaml.dump(values, file)
    monkeypatch.chdir(tmp_path)
    assert any(value == HOSTILE for _, value, _ in explain("data.places365"))
    cli.explain("data.places365")
    printed = capsys.readouterr().out.replace("\n", "")
    assert "[/nothing][link=https://evil]" in printed and "\x1b]0" not in printed and "\u202e" not in printed


def test_a_note_of_a_decision_is_text_in_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from pipelines.commands import decisions

    (tmp_path / "curation").mkdir()
    write_decisions([Decision("0" * 32, "keep", "me", "[/x][red]\x1b[2J")], tmp_path / decisions.DECISIONS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    decisions.show()
    printed = capsys.readouterr().out
    assert "[/x][red]" in printed and "\x1b[2J" not in printed


LABELS = {
    "long field": b"locator,person\n" + b"x" * 200_000 + b",1\n",
    "latin": b"locator,person\ncaf\xe9,1\n",
    "wide": "locator,person\na,1\n".encode("utf-16"),
    "no image": b"locator,person\n,1\n",
    "short row": b"person,locator\n1\n",
    "nothing": b"",
}


def test_labels_are_read_or_the_file_is_named(tmp_path: Path) -> None:
    for name, data in LABELS.items():
        (tmp_path / f"{name}.csv").write_bytes(data)
    cases = {name: (tmp_path / f"{name}.csv",) for name in LABELS}
    for name, outcome in contained_all(read_labels, cases, tmp_path).items():
        assert outcome.refused(f"{name}.csv"), (name, outcome)
