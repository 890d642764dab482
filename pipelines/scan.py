"""``cleanplate scan``: a listing digest a dataset, so that ``dvc repro`` never walks millions of files.

What is compared with the last scan's listing is name, size and time of each file: nothing is read that did not change.
Every folder is walked and every file asked for its size, for a file rewritten in place leaves its folder's time alone:
skipping folders by their time would miss it.

The digest is ``BASE`` or ``BASE+MARK``. The base covers names and sizes, so every copy of the same tree has the same
one, wherever it lies, however it was copied, whatever was scanned before. A file whose time changed while its size did
not is *suspicious*; ``rehash`` reads it, and the contents read so become the mark, to tell DVC that the data changed.
Another's copy cannot know which files those were. So a digest that params.yaml brings along stands, mark and all, while
names and sizes agree and this scan found no content changed: a teammate's fresh scan agrees with yours, and no two
scans take turns. What that cannot see is an old copy of a file that was changed in place.
(The first rehash of a file cannot compare, and counts as a change; ``index`` then reads that file only, and where its
rows come out the same, nothing after it runs.)
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from curation.identity import item_id, stream_id
from curation.sources import locator_of
from curation.storage import Root, Store, open_store, writing

SCHEMA = pa.schema(
    [("path", pa.string()), ("size", pa.int64()), ("mtime_ns", pa.int64()), ("content", pa.string())],
    metadata={"schema_version": "2"},
)
"""One row a file, in walking order; ``path`` as a locator, for Parquet holds no names that are not UTF-8."""
STEP = 20_000


class Listing(NamedTuple):
    """What a scan found."""

    digest: str
    files: int
    bytes: int
    added: int
    removed: int
    changed: int
    suspicious: list[str]
    """Same size, another time: content may differ. Empty after a rehash, but for what cannot be read."""
    table: pa.Table
    """The listing, for :func:`record`."""


def scan(root: Root, cache: Path, rehash: bool = False, agreed: str | None = None) -> Iterator[int | Listing]:
    """Walk a dataset (stat only) against the listing of the last scan in ``cache``; ``agreed`` is the digest in use.

    Yields the running count of files now and then, and the :class:`Listing` last. Hand that to :func:`record` once
    the digest is stored. Raises FileNotFoundError where the root is missing or holds no file.
    """
    known = _read(cache)
    place = {path: row for row, path in enumerate(known["path"].to_pylist())}
    sizes, times = known["size"].to_pylist(), known["mtime_ns"].to_pylist()
    contents = known["content"]
    rows: dict[str, list[str | int | None]] = {name: [] for name in SCHEMA.names}
    suspicious: list[str] = []
    added = changed = met = in_place = 0
    store = open_store(root)
    for entry in store.list():
        path = locator_of(entry.path)
        old = place.get(path)
        time, content = entry.mtime_ns, None
        if old is None:
            added += 1
        else:
            met += 1
            if sizes[old] != entry.size:
                changed += 1
            else:
                content = contents[old].as_py()
                if times[old] != entry.mtime_ns:
                    now = _hash(store, entry.path) if rehash else None
                    if now is None:
                        suspicious.append(path)
                        time = times[old]  # when it was last trusted, so that it stays suspicious until rehashed
                    elif now != content:
                        content = now
                        changed += 1
                        in_place += 1
        for column, value in zip(rows.values(), (path, entry.size, time, content), strict=True):
            column.append(value)
        if len(rows["path"]) % STEP == 0:
            yield len(rows["path"])
    if not rows["path"]:
        raise FileNotFoundError(f"{root} holds no files; check the root with 'cleanplate use full'")
    table = pa.table(list(rows.values()), schema=SCHEMA)
    digest = _digest(rows, agreed, bool(in_place))
    total = sum(int(size or 0) for size in rows["size"])
    yield Listing(digest, table.num_rows, total, added, len(place) - met, changed, suspicious, table)


def tree_digest(root: Root) -> str:
    """The base of a folder's digest, from names and sizes alone."""
    return _base((locator_of(entry.path), entry.size) for entry in open_store(root).list())


def record(listing: Listing, cache: Path) -> None:
    """Keep a listing for the next scan.

    Not before its digest is in params.yaml: a scan that is stopped in between finds the same changes again.
    """
    with writing(cache) as temporary:
        pq.write_table(listing.table, temporary)


def _read(cache: Path) -> pa.Table:
    if cache.is_file():
        table = pq.read_table(cache)
        if table.schema.equals(SCHEMA, check_metadata=True):
            return table
    return SCHEMA.empty_table()


def _hash(store: Store, path: str) -> str | None:
    try:
        with store.open(path) as file:
            return stream_id(file)
    except OSError:
        return None


def _base(pairs: Iterable[tuple[str | int | None, str | int | None]]) -> str:
    return item_id(*(word for pair in pairs for word in pair if word is not None))


def _digest(rows: dict[str, list[str | int | None]], agreed: str | None, in_place: bool) -> str:
    base = _base(zip(rows["path"], rows["size"], strict=True))
    if agreed is not None and agreed.partition("+")[0] == base and not in_place:
        return agreed
    read = [(path, content) for path, content in zip(rows["path"], rows["content"], strict=True) if content is not None]
    return f"{base}+{item_id(*(str(word) for pair in read for word in pair))[:8]}" if read else base
