"""Detections that an earlier run made: an image is looked at once, wherever it lies now and under whatever name."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.known import match
from curation.tables import PEOPLE

Mask = npt.NDArray[np.bool_]

KEY = ("image_id", "dataset", "locator", "role", "detector", "look", "rank")
"""What tells two detections apart, the image first."""


class Known(NamedTuple):
    """What need not be looked at again."""

    people: pa.Table
    """PEOPLE rows of the images that an earlier run knows."""
    todo: npt.NDArray[np.int64]
    """Row numbers of all other images, ascending."""


def known_people(images: pa.Table, kept: pa.Table) -> Known:
    """Make the PEOPLE rows of the images whose content ``kept`` holds.

    ``images``: dataset, locator, image_id and status of IMAGES; ``kept``: PEOPLE rows in any order, any of them several
    times, all made by the same code, detectors and looks. Only what was looked at is taken over.
    """
    kept = _one_each(kept.select(list(PEOPLE.columns)).filter(pc.equal(kept["status"], "ok")))
    readable = pc.equal(images["status"], "ok").to_numpy()
    wanted = images.select(["image_id"]).filter(pa.array(readable))
    found = match(wanted, kept, ("image_id",))
    rows = np.flatnonzero(readable)[found.wanted]
    people, places = kept.take(pa.array(found.kept)), images.take(pa.array(rows))
    for name in ("dataset", "locator"):
        people = people.set_column(people.schema.get_field_index(name), PEOPLE.schema.field(name), places[name])
    rest = np.ones(images.num_rows, bool)
    rest[rows] = False
    return Known(people.cast(PEOPLE.schema), np.flatnonzero(rest))


def _one_each(people: pa.Table) -> pa.Table:
    """Each detection of each content once: of copies only what was found in the first of them."""
    people = people.take(pc.sort_indices(people, sort_keys=[(name, "ascending") for name in KEY]))
    if not people.num_rows:
        return people
    content = _new(people, ("image_id",))
    place = _new(people, ("image_id", "dataset", "locator"))
    # The number of places an image has had so far, at each row; the first place of each image stays.
    count = np.cumsum(place)
    first: Mask = count - np.maximum.accumulate(np.where(content, count, 0)) == 0
    return people.filter(pa.array(first & _new(people, KEY)))


def _new(people: pa.Table, names: tuple[str, ...]) -> Mask:
    """Where one of the columns differs from the row above (N,)."""
    new = np.zeros(people.num_rows, bool)
    new[0] = True
    for name in names:
        new[1:] |= pc.not_equal(people[name][1:], people[name][:-1]).to_numpy()
    return new
