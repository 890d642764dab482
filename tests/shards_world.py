"""Shards of drawn samples, as stage ``render`` writes them."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from compositing.shards.tar import write_tar
from compositing.tables import SHARDS
from curation.identity import item_id
from curation.tables import write_table


def write_shards(folder: Path, sets: Mapping[str, Iterable[dict[str, bytes]]]) -> Path:
    """Write ``shards/`` and ``shards.parquet`` of each set's samples, given by member, into a folder; returns it."""
    (folder / "shards").mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for set_name, drawn in sets.items():
        samples = [(item_id(set_name, ordinal), members) for ordinal, members in enumerate(drawn)]
        spans = write_tar(folder / "shards" / f"{set_name}.tar", samples)
        for ordinal, (key, members) in enumerate(samples):
            for member in members:
                row = dict.fromkeys(SHARDS.columns)
                row |= {"set": set_name, "ordinal": ordinal, "composite_id": key, "member": member}
                span = spans[key][member]
                rows.append(row | {"shard": f"{set_name}.tar", "offset": span.offset, "size": span.size})
    write_table(SHARDS, rows, folder / "shards.parquet")
    return folder
