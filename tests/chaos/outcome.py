"""What became of each fault, and the table of all."""

from collections.abc import Iterable
from typing import NamedTuple

SAME = "same bytes"
NAMED = "named error; mended: same bytes"
SKIPPED = "skipped"
DIFFERENT = "DIFFERENT BYTES"
REMADE = "FINISHED PARTS MADE AGAIN"
HANG = "HANG"
UNCLEAR = "UNCLEAR ERROR"
BROKEN = "THE CAMPAIGN FAILED"
GOOD = (SAME, NAMED, SKIPPED)


class Result(NamedTuple):
    """One fault, once."""

    fault: str
    outcome: str
    lost: int = 0
    """Bytes of final files and finished parts that were missing or different afterwards."""
    note: str = ""
    times: int = 1
    """How often it struck before the bytes were compared."""

    @property
    def bad(self) -> bool:
        return self.outcome not in GOOD or self.lost > 0


def table(results: Iterable[Result]) -> str:
    """The results as a Markdown table, a line a fault and outcome, in the order they came."""
    rows: dict[tuple[str, str, str], list[int]] = {}
    for each in results:
        note = each.note if each.bad or each.outcome == SKIPPED else ""
        row = rows.setdefault((each.fault, each.outcome, note), [0, 0])
        row[0] += each.times
        row[1] += each.lost
    lines = ["| fault | times | outcome | bytes lost |", "|---|---:|---|---:|"]
    for (fault, outcome, note), (times, lost) in rows.items():
        words = f"{outcome}: {note}" if note else outcome
        lines.append(f"| {fault} | {times} | {words.replace('|', '/')} | {lost} |")
    return "\n".join(lines)


def totals(results: Iterable[Result]) -> str:
    """The last line: how many faults, kills among them, skipped and bad ones, and the bytes lost."""
    results = list(results)
    struck = [each for each in results if each.outcome != SKIPPED]
    kills = sum(each.times for each in struck if each.fault.startswith("SIGKILL"))
    bad = sum(each.bad for each in results)
    return (
        f"{sum(each.times for each in struck)} faults, {kills} of them kills; "
        f"{sum(each.outcome == NAMED for each in struck)} named errors; "
        f"{len(results) - len(struck)} skipped; {bad} bad; {sum(each.lost for each in results)} bytes lost"
    )
