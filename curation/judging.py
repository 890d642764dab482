"""The whole table judged: filters, a human's decisions, splits, near-duplicates -> verdicts."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.decisions import Decision
from curation.duplicates import keep_best, near_pairs
from curation.filters import CurateParams, Mask, apply_rules
from curation.identity import share
from curation.presence import people_columns
from curation.tables import VERDICTS, by_kind

ENLARGED = 1.25
"""How far a background may be enlarged before it looks soft."""

LOWEST = 5

Texts = npt.NDArray[np.object_]


def split_of(image_id: str | None, group: str | None, params: CurateParams) -> str | None:
    """Tell an image's split from its content alone, or its group's name: train, valid or test; None where unread.

    It is the same in every run and every subset. A larger share takes images over and gives none of its own away.
    """
    if image_id is None:
        return None
    place = share("group", group) if group is not None else share("image", image_id)
    if place < params.test_share:
        return "test"
    # Counted from the other end, so that neither share moves the border of the other.
    return "valid" if place >= 1 - params.valid_share else "train"


class _Copies(NamedTuple):
    """What was found out about near-duplicates, in rows of the table."""

    of: dict[int, int]
    """Row -> the row kept in its place."""
    spared: dict[int, int]
    """Row kept by a human's decision all the same -> the row it resembles."""


def judge(images: pa.Table, people: pa.Table, decisions: Mapping[str, Decision], params: CurateParams) -> pa.Table:
    """Judge every image; returns VERDICTS, one row an image in the order of ``images``, kept and rejected.

    Filters come first (:data:`curation.filters.RULES`). A decision goes over any of them, but does not make a broken
    file readable. Last, among what is left, the best of near-duplicates is kept (a human's choice first, then the
    largest, then the sharpest). A near-duplicate that falls into another split than the one kept is rejected with
    that reason, decision or not: splits never leak.

    Raises ValueError as :func:`curation.presence.people_columns`.
    """
    columns = {name: images[name].to_numpy() for name in images.column_names}
    columns["phash"] = images["phash"].fill_null(0).to_numpy()  # as floats, nulls would cost the low bits
    columns |= people_columns(images, people, params)
    reasons = apply_rules(columns, params)
    ids, groups, locators = columns["image_id"], columns["group"], columns["locator"]
    splits = np.array([split_of(*pair, params) for pair in zip(ids, groups, strict=True)], object)
    chosen = [decisions.get(image_id) for image_id in ids]
    readable = columns["status"] == "ok"
    wanted = readable & np.array([d is not None and d.decision == "keep" for d in chosen], bool)
    unwanted = np.array([d is not None and d.decision == "reject" for d in chosen], bool)
    kept = (wanted | (reasons == None)) & ~unwanted  # noqa: E711  (elementwise)
    copies = _near_duplicates(columns, kept, wanted, splits, params.duplicate_distance)

    duplicate_of = np.full(len(ids), None, object)
    for row, best in copies.of.items():
        kept[row] = False
        duplicate_of[row] = locators[best]
        reasons[row] = _resemblance(row, best, columns, splits)
        if wanted[row]:
            reasons[row] += "; a decision to keep does not go over this"
    for row, best in copies.spared.items():
        reasons[row] = reasons[row] or _resemblance(row, best, columns, splits)
    for row in np.flatnonzero((wanted & kept) | unwanted).tolist():
        if (decision := chosen[row]) is not None:
            reasons[row] = _decided(decision, reasons[row])
    reasons[reasons == None] = "ok"  # noqa: E711
    sides = np.minimum(columns["width"], columns["height"])
    added = {
        "kept": kept,
        "reason": reasons,
        "rule": [reason.partition(":")[0] for reason in reasons],
        "split": splits,
        "person_score": _nullable(columns["person_score"]),
        "person_share": _nullable(columns["person_share"]),
        "duplicate_of": duplicate_of,
        "refine_ok": np.nan_to_num(sides, nan=0) * ENLARGED >= params.refine_side,
        "decision": [d.decision if d is not None else None for d in chosen],
    }
    arrays = [
        pa.array(added[name], kind) if name in added else images[name].cast(kind)
        for name, (kind, _) in VERDICTS.columns.items()
    ]
    return pa.Table.from_arrays(arrays, schema=VERDICTS.schema)


def _nullable(values: npt.NDArray[np.float64]) -> pa.Array:
    return pa.array(values, pa.float32(), from_pandas=True)


def _decided(decision: Decision, reason: str | None) -> str:
    by = f" by {decision.by}" if decision.by else ""
    over = f", over {reason}" if reason and decision.decision == "keep" else ""
    note = f" ({decision.note})" if decision.note else ""
    return f"decision: {'kept' if decision.decision == 'keep' else 'rejected'}{by}{over}{note}"


def _resemblance(row: int, best: int, columns: Mapping[str, npt.NDArray[Any]], splits: Texts) -> str:
    other = columns["locator"][best]
    if columns["image_id"][row] == columns["image_id"][best]:
        return f"duplicate: a copy of {other}"
    bits = f"{(int(columns['phash'][row]) ^ int(columns['phash'][best])).bit_count()} of 64 bits from {other}"
    if splits[row] != splits[best]:
        return f"split: {bits}, which is kept in {splits[best]}, while this one falls into {splits[row]}"
    return f"duplicate: {bits}"


def _near_duplicates(
    columns: Mapping[str, npt.NDArray[Any]], kept: Mask, wanted: Mask, splits: Texts, distance: int
) -> _Copies:
    rows = np.flatnonzero(kept)
    area = columns["width"][rows] * columns["height"][rows]
    # Rows come sorted by key, so the place settles what is otherwise equal.
    rows = rows[np.lexsort((rows, -columns["sharpness"][rows], -area, ~wanted[rows]))]
    hashes = columns["phash"][rows].astype(np.uint64)
    # One stands for all with the same hash (thousands of "image not available" would make millions of pairs) ...
    _, heads, members = np.unique(hashes, return_index=True, return_inverse=True)
    by_rank = np.argsort(heads)
    heads = heads[by_rank]
    rank = np.empty_like(by_rank)
    rank[by_rank] = np.arange(len(by_rank))
    # ... and the best of near ones for these.
    stand = keep_best(len(heads), near_pairs(hashes[heads], distance))
    best = heads[stand[rank[members]]]
    lost = np.flatnonzero(best != np.arange(len(rows)))
    spared: dict[int, int] = {}
    stays = best == np.arange(len(rows))
    for place in lost[wanted[rows[lost]]]:
        near = stays & (np.bitwise_count(hashes ^ hashes[place]) <= distance)
        same = columns["image_id"][rows[near]] == columns["image_id"][rows[place]]
        if not np.any(same | (splits[rows[near]] != splits[rows[place]])):
            stays[place] = True
            spared[int(rows[place])] = int(rows[best[place]])
    of = {int(rows[place]): int(rows[best[place]]) for place in lost if not stays[place]}
    return _Copies(of, spared)


def summary(verdicts: pa.Table, decisions: Mapping[str, Decision]) -> dict[str, Any]:
    """Count a VERDICTS table: by rule and split, and the scenes that lose most.

    Raises ValueError where nothing is kept, with the count of each rule.
    """
    rules = by_kind(verdicts["rule"].to_pylist())
    kept = verdicts.filter(verdicts["kept"])
    if not kept.num_rows:
        counts = ", ".join(f"{rule} {count}" for rule, count in rules.items()) or "the index is empty"
        raise ValueError(
            f"no background is left ({counts}); loosen the filter that took most, under curate in params.yaml"
        )
    scenes: dict[str, list[bool]] = {}
    for scene, is_kept in zip(verdicts["scene"].to_pylist(), verdicts["kept"].to_pylist(), strict=True):
        scenes.setdefault(scene or "(unknown)", []).append(is_kept)
    yields = sorted((round(sum(found) / len(found), 3), scene) for scene, found in scenes.items())
    known = set(verdicts["image_id"].to_pylist())
    return {
        "images": verdicts.num_rows,
        "kept": kept.num_rows,
        "rejected": {rule: count for rule, count in rules.items() if rule not in ("ok", "decision")},
        "decisions": {
            "kept": kept["decision"].to_pylist().count("keep"),
            "rejected": verdicts["decision"].to_pylist().count("reject"),
            "unknown_image": sum(image_id not in known for image_id in decisions),
        },
        "split": {name: kept["split"].to_pylist().count(name) for name in ("train", "valid", "test")},
        "refine_ok": sum(kept["refine_ok"].to_pylist()),
        "scenes": {
            "all": len(scenes),
            "with_kept": sum(kept_share > 0 for kept_share, _ in yields),
            "lowest_yield": {scene: kept_share for kept_share, scene in yields[:LOWEST]},
        },
    }
