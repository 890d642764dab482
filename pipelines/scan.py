"""``cleanplate scan``: a listing digest a dataset, so that ``dvc repro`` never walks millions of files.

The digest covers relative paths and sizes: a teammate's copy under another root has the same one. A file whose
time changed while its size did not is *suspicious*; ``rehash`` reads those and adds their content to the digest.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from curation.identity import file_id, item_id
from curation.storage import LocalStore, writing

COLUMNS = ("path", "size", "mtime_ns", "content")


class Listing(NamedTuple):
    """What a scan found."""

    digest: str
    files: int
    bytes: int
    added: int
    removed: int
    changed: int
    suspicious: list[str]
    """Same size, another time: content may differ. Empty after a rehash."""


class _Known(NamedTuple):
    size: int
    mtime_ns: int
    content: str | None


def _read(cache: Path) -> dict[str, _Known]:
    if not cache.is_file():
        return {}
    table = pq.read_table(cache).to_pydict()
    return {p: _Known(s, m, c) for p, s, m, c in zip(*(table[name] for name in COLUMNS), strict=True)}


def scan(root: Path, cache: Path, rehash: bool = False) -> Iterator[int | Listing]:
    """Walk a dataset (stat only) against the listing of the last scan; write the new listing to ``cache``.

    Yields the running count of files now and then, and the :class:`Listing` last.
    Raises FileNotFoundError where the root is missing or holds no file.
    """
    known = _read(cache)
    rows: dict[str, _Known] = {}
    suspicious: list[str] = []
    added = changed = 0
    for entry in LocalStore(root).list():
        old = known.get(entry.path)
        content = old.content if old else None
        if old is None:
            added += 1
        elif old.size != entry.size:
            changed += 1
            content = None
        elif old.mtime_ns != entry.mtime_ns:
            if rehash:
                content = file_id(root / entry.path)
                changed += 1
            else:
                suspicious.append(entry.path)
        # A suspicious file keeps the time it was last trusted at, so that it stays suspicious until rehashed.
        mtime = old.mtime_ns if old and suspicious and suspicious[-1] == entry.path else entry.mtime_ns
        rows[entry.path] = _Known(entry.size, mtime, content)
        if len(rows) % 20_000 == 0:
            yield len(rows)
    if not rows:
        raise FileNotFoundError(f"{root} holds no files; check the root with 'cleanplate use full'")
    _write(rows, cache)
    removed = len(known.keys() - rows.keys())
    digest = item_id(*(part for path, row in rows.items() for part in (path, row.size, row.content or "")))
    yield Listing(digest, len(rows), sum(r.size for r in rows.values()), added, removed, changed, suspicious)


def _write(rows: dict[str, _Known], cache: Path) -> None:
    columns = [list(rows), *(list(column) for column in zip(*rows.values(), strict=True))]
    types = (pa.string(), pa.int64(), pa.int64(), pa.string())
    # Names that are not UTF-8 reach Python with surrogates; Parquet strings cannot hold those.
    columns[0] = [path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace") for path in columns[0]]
    table = pa.Table.from_arrays([pa.array(c, t) for c, t in zip(columns, types, strict=True)], names=list(COLUMNS))
    with writing(cache) as temporary:
        pq.write_table(table, temporary)
