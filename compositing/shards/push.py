"""Puts finished shards into an object store or another folder, to be read there by range.

What was put is written into a note after every few shards, so that a push that was stopped goes on where it was. The
table goes after the shards and :data:`compositing.shards.remote.PUBLISHED` last: whoever finds that finds them all.
"""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

from compositing.shards.remote import PUBLISHED
from compositing.shards.verify import shards_of
from curation.identity import file_id
from curation.storage import Root, Store, open_store

PUSHING = "pushing.json"
"""The note of a push under way: shard -> hash of what was put."""
NOTED = 16
"""Shards between two notes, and put side by side."""


class Pushed(NamedTuple):
    """What a push did."""

    sent: int
    """Shards put."""
    there: int
    """Shards that were there already."""
    bytes: int
    """Of what was put."""


def push(shards: Path, table: Path, url: Root, advance: Callable[[int], None] = lambda count: None) -> Pushed:
    """Put the shards of a table, and the table, below a URL. ``advance`` is told how many shards were just dealt with.

    A shard whose size and hash are those of an earlier push is left as it is.

    Raises FileNotFoundError for a missing shard, ValueError for one that is not the table's, PermissionError and
    StorageError as the store does.
    """
    store = open_store(url)
    wanted = {span.shard: span.digest for span in shards_of(table)}
    before = _noted(store)
    noted = {name: digest for name, digest in before.items() if wanted.get(name) == digest}
    if noted != before:
        # Before anything is overwritten: a note of what was there is not to speak of what comes.
        store.put(PUSHING, json.dumps(noted, sort_keys=True).encode())
    # Until all is there, no reader is to take the old note for the new shards.
    store.remove(PUBLISHED)
    sent = there = size = 0
    with ThreadPoolExecutor(NOTED) as pool:
        for start in range(0, len(wanted), NOTED):
            names = list(wanted)[start : start + NOTED]
            put = list(pool.map(partial(_put, store, shards), names, map(wanted.get, names), map(noted.get, names)))
            noted |= {name: wanted[name] for name in names}
            if any(put):
                store.put(PUSHING, json.dumps(noted, sort_keys=True).encode())
            sent, there, size = sent + sum(map(bool, put)), there + put.count(0), size + sum(put)
            advance(len(names))
    store.put_file(table.name, table)
    note = {"table": file_id(table), "shards": len(wanted)}
    store.put(PUBLISHED, json.dumps(note, sort_keys=True).encode())
    return Pushed(sent, there, size)


def _noted(store: Store) -> dict[str, str]:
    try:
        found = json.loads(store.read(PUSHING, most=1 << 28))
    except (FileNotFoundError, ValueError):
        return {}
    return {str(name): str(digest) for name, digest in found.items()} if isinstance(found, dict) else {}


def _put(store: Store, shards: Path, name: str, digest: str | None, noted: str | None) -> int:
    """Put one shard unless it is there; returns the bytes put."""
    source = shards / name
    if not source.is_file():
        raise FileNotFoundError(f"{source} is missing; run 'dvc repro render' or 'dvc pull' to get the shards")
    size = source.stat().st_size
    if noted == digest and store.exists(name) and store.size(name) == size:
        return 0
    if file_id(source) != digest:
        raise ValueError(f"{source} is not what its table says; run 'cleanplate verify --repair' first")
    store.put_file(name, source)
    return size
