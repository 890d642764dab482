"""What was found out about each image, in words."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.decisions import Decision
from curation.duplicates import Copies
from curation.filters import Columns, CurateParams, Mask, words_of

SPLITS = ("train", "valid", "test")
BLOCK = 1 << 16
"""Rows put into words at a time: Python's strings take several times what Arrow's take."""


class Found(NamedTuple):
    """What was found out about each row, before it is put into words."""

    locators: pa.ChunkedArray
    ids: npt.NDArray[np.int64]
    """Numbers that tell contents apart."""
    columns: Columns
    failed: npt.NDArray[np.uint8]
    splits: npt.NDArray[np.int8]
    chosen: npt.NDArray[np.int64]
    """Place among the decisions, -1 where there is none."""
    copies: Copies
    over: Mask
    kept: Mask


def reasons(found: Found, wishes: Sequence[Decision], params: CurateParams) -> Iterator[pa.Array]:
    """Yield the reasons, a block of rows at a time: ``ok``, or a rule, a colon and the figures.

    ``wishes``: what ``found.chosen`` counts.
    """
    best = found.copies.best
    for begin in range(0, len(best), BLOCK):
        rows = slice(begin, begin + BLOCK)
        texts = words_of(found.failed[rows], {name: c[rows] for name, c in found.columns.items()}, params)
        likes = np.flatnonzero(best[rows] >= 0) + begin
        others = found.locators.take(pa.array(best[likes])).to_pylist()
        for row, other in zip(likes.tolist(), others, strict=True):
            lost = not found.copies.spared[row]
            words = _resemblance(found, row, other)
            if lost and found.chosen[row] >= 0:
                words += "; a decision to keep does not go over this"
            texts[row - begin] = words if lost else texts[row - begin] or words
        for row in np.flatnonzero(found.over[rows]).tolist():
            texts[row] = f"scene_cap: {params.scene_cap} of {found.columns['scene'][begin + row]} are kept already"
        for row in np.flatnonzero(found.chosen[rows] >= 0).tolist():
            wish = wishes[found.chosen[begin + row]]
            if wish.decision == "reject" or found.kept[begin + row]:
                texts[row] = _decided(wish, texts[row])
        yield pa.array([reason or "ok" for reason in texts], pa.string())


def _decided(decision: Decision, reason: str | None) -> str:
    by = f" by {decision.by}" if decision.by else ""
    over = f", over {reason}" if reason and decision.decision == "keep" else ""
    note = f" ({decision.note})" if decision.note else ""
    return f"decision: {'kept' if decision.decision == 'keep' else 'rejected'}{by}{over}{note}"


def _resemblance(found: Found, row: int, other: str) -> str:
    best = found.copies.best[row]
    hashes, splits = found.columns["phash"], found.splits
    if found.ids[row] == found.ids[best]:
        return f"duplicate: a copy of {other}"
    bits = f"{(int(hashes[row]) ^ int(hashes[best])).bit_count()} of 64 bits from {other}"
    if splits[row] != splits[best]:
        return (
            f"split: {bits}, which is kept in {SPLITS[splits[best]]}, while this one falls into {SPLITS[splits[row]]}"
        )
    return f"duplicate: {bits}"
