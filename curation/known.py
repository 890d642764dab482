"""What an earlier run made and still holds: rows are taken over where nothing that made them changed."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.places365 import Record
from curation.tables import IMAGES

Rows = npt.NDArray[np.int64]

FACTS = ("locator", "listed_bytes", "mtime_ns", "ctime_ns")
"""What must be equal for a file to be the same one. The time of change catches what the time of writing does not: a
file put in another's place, with the same size and the time its archive gave both. No program can set it back."""
RETOLD = ("dataset", "locator", "scene", "indoor", "licence", "source")
"""Columns that come from the listing, the lists or the parameters, never from the file."""

LISTING = pa.schema(
    [
        ("locator", pa.string()),
        ("listed_bytes", pa.int64()),
        ("mtime_ns", pa.int64()),
        ("ctime_ns", pa.int64()),
        ("scene", pa.string()),
        ("indoor", pa.bool_()),
        ("candidate", pa.bool_()),
    ]
)
"""One row a record; ``candidate``: it is to be read, for nothing speaks against it yet."""
KEPT_SCHEMA = pa.schema(
    [pa.field("root", pa.string())]
    + [LISTING.field(name) for name in FACTS]
    + [pa.field(name, kind) for name, (kind, _) in IMAGES.columns.items() if name not in RETOLD]
)
"""One row a file that was read: the root below which it lies, its facts, and what reading it told."""


class Match(NamedTuple):
    """Which rows of a kept table answer which rows of a wanted one."""

    wanted: Rows
    """Row numbers in the wanted table, ascending; one comes as often as kept rows answer it."""
    kept: Rows
    """Row numbers in the kept table, as many."""
    missing: Rows
    """Row numbers in the wanted table that nothing answers, ascending."""


def match(wanted: pa.Table, kept: pa.Table, keys: Sequence[str]) -> Match:
    """Match two tables by equal, non-null ``keys``; both may hold a key many times. Arrow's join, so 1.8 million do."""
    numbered = [
        table.select(list(keys)).append_column(name, pa.array(np.arange(table.num_rows)))
        for name, table in (("_wanted", wanted), ("_kept", kept))
    ]
    joined = numbered[0].join(numbered[1], keys=list(keys), join_type="inner")
    found, rows = joined["_wanted"].to_numpy(), joined["_kept"].to_numpy()
    order = np.lexsort((rows, found))  # the join's order hangs on its threads
    missing = np.ones(wanted.num_rows, bool)
    missing[found] = False
    return Match(found[order], rows[order], np.flatnonzero(missing))


def listing(records: Sequence[Record]) -> pa.Table:
    """Write records as a table of schema :data:`LISTING`."""
    columns = (
        [record.locator for record in records],
        [record.size for record in records],
        [record.mtime_ns for record in records],
        [record.ctime_ns for record in records],
        [record.scene for record in records],
        [record.indoor for record in records],
        [record.reason is None for record in records],
    )
    return pa.table(list(columns), schema=LISTING)


class Known(NamedTuple):
    """What need not be read again."""

    images: pa.Table
    """IMAGES rows of the files that an earlier run knows."""
    kept: pa.Table
    """The kept rows they came from, in the same order."""
    todo: Rows
    """Row numbers of all other files in the listing."""


def known_images(listed: pa.Table, kept: pa.Table, dataset: str, licence: str, source: str) -> Known:
    """Make the IMAGES rows of the listed files that ``kept`` answers.

    What hangs on the lists and the parameters is told anew. A file with a reason not to be read is never known: it
    costs nothing to say so again, and the reason may hang on more than the file.
    """
    found = match(listed, kept, FACTS)
    rows, first = np.unique(found.wanted, return_index=True)
    candidate = listed["candidate"].to_numpy()[rows]
    rows, first = rows[candidate], first[candidate]
    old = kept.take(pa.array(found.kept[first]))
    told = listed.select(["locator", "scene", "indoor"]).take(pa.array(rows))
    constant = {"dataset": dataset, "licence": licence, "source": source}
    columns = []
    for name, (kind, _) in IMAGES.columns.items():
        if name in constant:
            columns.append(pa.chunked_array([pa.repeat(pa.scalar(constant[name], kind), len(rows))]))
        else:
            columns.append((told if name in RETOLD else old)[name].cast(kind))
    rest = np.ones(listed.num_rows, bool)
    rest[rows] = False
    return Known(pa.Table.from_arrays(columns, schema=IMAGES.schema), old, np.flatnonzero(rest))


def kept_of(kept: pa.Table, root: str) -> pa.Table:
    """Return the kept rows of the files below a root: files of two datasets may be alike."""
    here = pc.equal(kept["root"], root)
    return kept if pc.all(here).as_py() else kept.filter(here)


def worth_keeping(images: pa.Table, listed: pa.Table, settled_ns: int, root: str) -> pa.Table:
    """Return the rows of an IMAGES table that a later run may take over, with the :data:`FACTS` of their files.

    Left out is what another try may change (``not readable``), what was never read, and files changed at or after
    ``settled_ns`` (nanoseconds since 1970): one that changes twice within a clock tick looks the same.
    """
    found = match(listed, images, ("locator",))
    facts = listed.take(pa.array(found.wanted))
    rows = images.take(pa.array(found.kept))
    lasting = pc.invert(pc.starts_with(rows["status"], "not readable"))
    lasting = pc.and_(lasting, pc.and_(facts["candidate"], pc.less(facts["ctime_ns"], settled_ns)))
    of = {"root": pa.chunked_array([pa.repeat(root, len(rows))])} | {name: facts[name] for name in FACTS}
    columns = [of[name] if name in of else rows[name] for name in KEPT_SCHEMA.names]
    return pa.Table.from_arrays(columns, schema=KEPT_SCHEMA).filter(lasting)
