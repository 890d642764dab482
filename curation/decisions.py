"""The human's keep or reject: a sorted CSV in git, keyed by image id, so that it follows a photograph anywhere."""

import csv
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from curation.storage import writing

Choice = Literal["keep", "reject"]
COLUMNS = ("image_id", "decision", "by", "note")
_ID = re.compile(r"[0-9a-f]{32}")


class Decision(NamedTuple):
    """One decision; it goes over every filter."""

    image_id: str
    """Content hash of the photograph."""
    decision: Choice
    """``keep`` or ``reject``."""
    by: str
    """Who decided."""
    note: str
    """Why, in their words; may be empty."""


def read_decisions(path: Path) -> dict[str, Decision]:
    """Read the decisions by image id.

    Raises FileNotFoundError, or ValueError naming file, line and what does not fit (an unknown decision, something
    that is no image id, two decisions on one image).
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing; get it from git: 'git checkout -- {path}'")
    try:
        return _read(path)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 ({error}); save it so, or get it from git") from error
    except csv.Error as error:  # such as a quote that never closes
        raise ValueError(f"{path} is no CSV: {error}; mend it, or get it from git") from error


def _read(path: Path) -> dict[str, Decision]:
    decisions: dict[str, Decision] = {}
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        header = next(rows, [])
        if tuple(header) != COLUMNS:
            raise ValueError(f"{path}: its columns are {','.join(header)}; expected {','.join(COLUMNS)}")
        for row in rows:
            if not row:
                continue
            where = f"{path}, line {rows.line_num}"
            if len(row) != len(COLUMNS):
                raise ValueError(
                    f"{where}: {len(row)} columns; expected {','.join(COLUMNS)} (quote a note with commas)"
                )
            image_id, choice, by, note = (word.strip() for word in row)
            if not _ID.fullmatch(image_id):
                raise ValueError(f"{where}: '{image_id}' is no image id; expected 32 hex digits, as in images.parquet")
            if choice not in get_args(Choice):
                raise ValueError(f"{where}: decision '{choice}'; expected keep or reject")
            if image_id in decisions:
                raise ValueError(f"{where}: a second decision on {image_id}; leave the one that holds")
            decisions[image_id] = Decision(image_id, "keep" if choice == "keep" else "reject", by, note)
    return decisions


def write_decisions(decisions: Iterable[Decision], path: Path) -> None:
    """Write decisions sorted by image id, atomically: a small change is a small diff."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows([_one_kind_of_line(word) for word in decision] for decision in sorted(decisions))
    with writing(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def _one_kind_of_line(word: str) -> str:
    """Lines of a note as the writer quotes them: it leaves a bare carriage return open, which nobody could read."""
    return re.sub("\r\n?", "\n", word)


class Merged(NamedTuple):
    """The decisions after a review, and what it did to them (image ids, sorted)."""

    decisions: dict[str, Decision]
    new: list[str]
    changed: list[str]
    withdrawn: list[str]


def merge(decisions: Mapping[str, Decision], review: Mapping[str, Decision | None]) -> Merged:
    """Bring what a review changed into the decisions: the review wins, and what it did not touch stays.

    Args:
        decisions: as they are in the file, by image id.
        review: only what was decided otherwise than before, by image id; None where a decision was taken back.
    """
    merged = dict(decisions)
    new: list[str] = []
    changed: list[str] = []
    withdrawn: list[str] = []
    for image_id, decision in sorted(review.items()):
        before = merged.get(image_id)
        if decision is None:
            if merged.pop(image_id, None) is not None:
                withdrawn.append(image_id)
        elif before is None or (before.decision, before.note) != (decision.decision, decision.note):
            merged[image_id] = decision
            (new if before is None else changed).append(image_id)
    return Merged(merged, new, changed, withdrawn)
