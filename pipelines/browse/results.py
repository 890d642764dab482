"""The evaluation's table as a reader of failures wants it: a row a composite, worst first, cut into slices."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from curation.tables import read_table
from pipelines.browse.layers import DIGITS
from training.evaluation.tables import EVALUATION, MEASURES

OWN = "refine"
"""The method that samples are sorted by."""


class Found(NamedTuple):
    """What an evaluation left."""

    methods: list[str]
    """As in the table, the own one first."""
    measures: list[str]
    rows: pd.DataFrame
    """One a composite, worst first: what EVALUATION says of it, and METHOD_MEASURE."""
    alphas: dict[str, list[str]]
    """composite_id -> methods whose alpha was kept."""


def kept_alphas(data: Path) -> dict[str, list[str]]:
    """composite_id -> methods whose alpha the evaluation kept below ``data``."""
    kept: dict[str, list[str]] = {}
    for path in sorted((data / "evaluation" / "alphas").glob("*.png")):
        key, _, method = path.stem.partition(".")
        kept.setdefault(key, []).append(method)
    return kept


def read(table: Path, alphas: dict[str, list[str]]) -> Found:
    """Read an EVALUATION table, one row a composite. Raises FileNotFoundError, ValueError for another table."""
    rows = read_table(EVALUATION, table).to_pandas()
    methods = sorted(rows["method"].unique(), key=lambda name: (name != OWN, name))
    measures = [name for name in MEASURES if name in rows]
    wide = rows.pivot(index="composite_id", columns="method", values=measures)
    wide.columns = pd.Index([f"{slug(method)}_{measure}" for measure, method in wide.columns])
    once = rows.drop(columns=["method", *measures]).drop_duplicates("composite_id").set_index("composite_id")
    found = (
        once.join(wide).reset_index().sort_values([f"{slug(methods[0])}_mad", "composite_id"], ascending=[False, True])
    )
    found["rank"] = range(1, len(found) + 1)
    if "classical" in methods and methods[0] != "classical":
        found["over_classical"] = found[f"{slug(methods[0])}_mad"] - found["classical_mad"]
    # As the App holds them, so that a view's limits are those of its samples.
    return Found(methods, measures, found.round(DIGITS), alphas)


def slug(method: str) -> str:
    """A method's name as part of a field's."""
    return "".join(letter if letter.isalnum() else "_" for letter in method)


def numbers(found: Found) -> list[str]:
    """Figures of a composite by which samples are cut into slices: not a method's."""
    kinds = {name: kind for name, (kind, _) in EVALUATION.columns.items()}
    return [
        name
        for name in found.rows
        if name in kinds and pa.types.is_floating(kinds[name]) and name not in found.measures
    ]


def thirds(rows: pd.DataFrame, name: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Three parts by a figure, ``low``, ``middle``, ``high``, as equal as ties allow; none where all are the same."""
    known = rows[rows[name].notna()]
    if known[name].nunique() < 2:
        return
    first, second = known[name].quantile([1 / 3, 2 / 3])
    low, high = known[name] <= first, known[name] > second
    for words, which in (("low", low), ("middle", ~low & ~high), ("high", high)):
        if which.any():
            yield words, known[which]
