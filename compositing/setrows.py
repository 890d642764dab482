"""Rows of a table sorted by set, by row groups: what is in memory hangs on what was asked for, not on the table."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from curation.tables import Table, check_table


class SetRows:
    """The rows of each set of a PLAN or SHARDS table, which are sorted by set and ordinal.

    Row groups whose statistics name one set alone are told without being read.
    """

    def __init__(self, table: Table, path: Path) -> None:
        """Raises FileNotFoundError, or ValueError for another table or one that is not sorted by set."""
        check_table(table, path)
        self.path = path
        self._columns = list(table.columns)
        # Text that few rows have to themselves: held as a dictionary, it takes less memory.
        self._repeating = [
            name
            for name, (kind, _) in table.columns.items()
            if pa.types.is_string(kind) and not name.endswith(("_id", "locator"))
        ]
        with pq.ParquetFile(path) as file:
            sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
            self._starts: NDArray[np.int64] = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
            self._spans = self._find_sets(file)

    @property
    def counts(self) -> dict[str, int]:
        """Rows of each set, in the order of the table."""
        return {name: stop - first for name, (first, stop) in self._spans.items()}

    def read(
        self, set_name: str, first: int = 0, stop: int | None = None, columns: Sequence[str] | None = None
    ) -> pa.Table:
        """Return the rows of a set from ``first`` up to ``stop``, counted within the set; none: to its end.

        Only the row groups that hold them are read, the columns in the order of ``columns``, and text that repeats
        comes as dictionaries. Raises ValueError naming the sets that there are.
        """
        return pa.concat_tables(self.pieces(set_name, first, stop, columns)).unify_dictionaries()

    def pieces(
        self, set_name: str, first: int = 0, stop: int | None = None, columns: Sequence[str] | None = None
    ) -> Iterator[pa.Table]:
        """Give what :meth:`read` returns a row group at a time, never more in memory. Raises as it does."""
        if set_name not in self._spans:
            raise ValueError(f"{self.path} holds no set '{set_name}', only {', '.join(self._spans) or 'none'}")
        start, end = self._spans[set_name]
        low, high = start + first, end if stop is None else min(end, start + stop)
        names = self._columns if columns is None else list(columns)
        with pq.ParquetFile(self.path, read_dictionary=self._repeating) as file:
            for group, (begin, finish) in enumerate(pairwise(self._starts.tolist())):
                if begin < high and finish > low:
                    rows = file.read_row_group(group, names).select(names)
                    yield rows.slice(max(0, low - begin), min(high, finish) - max(low, begin))

    def _find_sets(self, file: pq.ParquetFile) -> dict[str, tuple[int, int]]:
        """Find the first row and the row after the last of each set."""
        spans: dict[str, tuple[int, int]] = {}
        for name, first, stop in runs(file, "set"):
            start, end = spans.get(name, (first, first))
            if end != first:
                raise ValueError(f"{self.path} is not sorted by set; make it again with 'dvc repro'")
            spans[name] = (start, stop)
        return spans


def runs(file: pq.ParquetFile, column: str) -> Iterator[tuple[str, int, int]]:
    """Give the value, the first row and the row after the last of each run of equal values of a text column.

    In order; a run may come in pieces that follow one another. Row groups of one value alone are told by their
    statistics and not read.
    """
    index, start = file.schema_arrow.get_field_index(column), 0
    for group in range(file.num_row_groups):
        told = file.metadata.row_group(group)
        said = told.column(index).statistics
        if said is not None and said.has_min_max and said.min == said.max and said.null_count == 0:
            yield said.min, start, start + told.num_rows
        else:
            found = pc.run_end_encode(file.read_row_group(group, [column])[column].combine_chunks())
            first = start
            for value, end in zip(found.values.to_pylist(), found.run_ends.to_pylist(), strict=True):
                yield value, first, start + end
                first = start + end
        start += told.num_rows
