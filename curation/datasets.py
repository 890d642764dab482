"""The datasets of photographs: their names in the tables, and one name for each file of any of them."""

from collections.abc import Callable, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from curation.sources import Source
from curation.storage import Root

PLACES365 = "places365"
PHOTOS = "photos"
"""A second dataset of the user's own, or of larger photographs."""


def told(table: pa.Table) -> pa.ChunkedArray:
    """Name each row's file, (N,) strings: its locator, with ``DATASET:`` before it for any dataset but Places365.

    ``table``: columns dataset and locator. Two datasets may hold files of one name.
    """
    first = pc.equal(table["dataset"], PLACES365)
    if pc.all(first).as_py():
        return table["locator"]
    return pc.if_else(first, table["locator"], pc.binary_join_element_wise(table["dataset"], table["locator"], ":"))


def with_names(table: pa.Table) -> pa.Table:
    """Put the names that :func:`told` gives in place of the locators."""
    return table.set_column(table.schema.get_field_index("locator"), "locator", told(table))


def place_of(name: str, datasets: Mapping[str, object]) -> tuple[str, str]:
    """Take a name that :func:`told` gave apart: dataset and locator."""
    dataset, colon, locator = name.partition(":")
    return (dataset, locator) if colon and dataset in datasets and dataset != PLACES365 else (PLACES365, name)


def reader(roots: Mapping[str, Root]) -> Callable[[str], bytes]:
    """Return what reads a file by the name that :func:`told` gave; it raises as :meth:`Source.read`.

    ``roots``: of each dataset, by its name.
    """
    sources = {dataset: Source(root) for dataset, root in roots.items()}

    def read(name: str) -> bytes:
        dataset, locator = place_of(name, sources)
        return sources[dataset].read(locator)

    return read
