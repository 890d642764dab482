"""The tables of all measures, with intervals where there are any."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pipelines.page.results.metrics import MODEL, Metrics, interval, number, ordered, plain

Parts = dict[str, tuple[Mapping[str, Any], Mapping[str, Any]]]
"""Test set -> its measures by method, and the intervals of those."""


class Column(NamedTuple):
    """A measure as a column."""

    key: str
    name: str
    unit: str


WHOLE = (
    Column("mad", "MAD", "× 1000"),
    Column("mse", "MSE", "× 1000"),
    Column("grad", "gradient", "/ 1000"),
    Column("conn", "connectivity", "/ 1000"),
    Column("mad_zero", "alpha = 0", "MAD × 1000"),
    Column("mad_soft", "soft", "MAD × 1000"),
    Column("mad_one", "alpha = 1", "MAD × 1000"),
)
UNKNOWN = (
    Column("mad_unknown", "MAD", "unknown, × 1000"),
    Column("mse_unknown", "MSE", "unknown, × 1000"),
    Column("sad_unknown", "SAD", "unknown, / 1000"),
    Column("grad_unknown", "gradient", "unknown, sum"),
    Column("conn_unknown", "connectivity", "unknown, sum"),
    Column("fgr_mad", "foreground MAD", "× 1000"),
    Column("fgr_mse", "foreground MSE", "× 1000"),
    Column("dtssd", "dtSSD", "× 100, clips"),
)


class Row(NamedTuple):
    """One method on one test set."""

    where: str
    first: bool
    """The first row of its test set."""
    method: str
    is_model: bool
    cells: list[dict[str, Any]]
    """Text, range (or empty) and whether it is the best."""


def tables(metrics: Metrics) -> list[dict[str, Any]]:
    """Return the tables: whole image; trimap and foreground where they were measured; the hard cases one by one."""
    parts: Parts = {name: (part["methods"], part.get("intervals") or {}) for name, part in metrics.sets.items()}
    intervals = metrics.evaluate.get("intervals", {})
    parts |= {name: (methods, intervals.get(name) or {}) for name, methods in metrics.test.items()}
    cases: Parts = {plain(name): (methods, {}) for name, methods in metrics.evaluate.get("cases", {}).items()}
    wanted = [
        ("Whole image", "test set", parts, WHOLE),
        ("Trimap's unknown region, foreground, flicker", "test set", parts, UNKNOWN),
        ("Hard cases, one by one", "case", cases, WHOLE),
    ]
    found = [(title, head, table(part, columns)) for title, head, part, columns in wanted]
    return [{"title": title, "head": head, "columns": c, "rows": rows} for title, head, (c, rows) in found if rows]


def table(parts: Parts, columns: Sequence[Column]) -> tuple[list[Column], list[Row]]:
    """Lay out name -> (method -> measure, its intervals) as rows; the best of a name is marked.

    Columns that nobody has are left out, and with them tables that would be empty.
    """
    there = [c for c in columns if any(v.get(c.key) is not None for m, _ in parts.values() for v in m.values())]
    rows = []
    for name, (methods, intervals) in parts.items():
        if not there:
            break
        for at, method in enumerate(ordered(methods)):
            cells = []
            for column in there:
                value = methods[method].get(column.key)
                best = min((v[column.key] for v in methods.values() if v.get(column.key) is not None), default=None)
                text = number(value)
                told = interval((intervals.get(method) or {}).get(column.key))
                cells.append({"text": text, "range": told, "best": value is not None and text == number(best)})
            rows.append(Row(name, at == 0, method, method == MODEL, cells))
    return there, rows
