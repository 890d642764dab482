"""The whole table judged: filters, a human's decisions, splits, near-duplicates, caps -> verdicts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.caps import over_cap
from curation.datasets import told
from curation.decisions import Decision
from curation.duplicates import Indices, choose
from curation.filters import PASSED, Columns, CurateParams, Mask, apply_rules
from curation.identity import share, shares
from curation.presence import people_columns
from curation.reasons import BLOCK, SPLITS, Found, reasons
from curation.tables import VERDICTS

ENLARGED = 1.25
"""How far a background may be enlarged before it looks soft."""
LOWEST = 5

FIGURES = ("width", "height", "sharpness", "luma_mean", "luma_spread", "clipped", "chroma", "border", "drawn")
COLUMNS = (
    "dataset",
    "locator",
    "image_id",
    "group",
    "scene",
    "indoor",
    *FIGURES,
    "phash",
    "status",
    "licence",
    "source",
)
"""The columns of IMAGES that are read here."""


def split_of(image_id: str | None, group: str | None, params: CurateParams) -> str | None:
    """Tell an image's split from its content alone, or its group's name: train, valid or test; None where unread.

    It is the same in every run and every subset. A larger share takes images over and gives none of its own away.
    """
    if image_id is None:
        return None
    place = share("group", group) if group is not None else share("image", image_id)
    return SPLITS[int(_splits(np.array([place]), params)[0])]


def _splits(places: npt.NDArray[np.float64], params: CurateParams) -> npt.NDArray[np.int8]:
    # Counted from both ends, so that neither share moves the border of the other.
    splits = np.where(places >= 1 - params.valid_share, np.int8(1), np.int8(0))
    splits[places < params.test_share] = 2
    return splits


def splits_of(image_ids: pa.ChunkedArray, groups: pa.ChunkedArray, params: CurateParams) -> npt.NDArray[np.int8]:
    """Tell all splits as :func:`split_of` does: places in SPLITS (N,), -1 where the image could not be read."""
    names = groups.dictionary_encode().combine_chunks()
    place = names.indices.fill_null(-1).to_numpy()
    by_group = np.append(_splits(shares("group", names.dictionary.to_pylist()), params), np.int8(0))
    splits: npt.NDArray[np.int8] = by_group[place]
    alone = np.flatnonzero((place < 0) & image_ids.is_valid().to_numpy())
    for begin in range(0, len(alone), BLOCK):
        rows = alone[begin : begin + BLOCK]
        splits[rows] = _splits(shares("image", image_ids.take(pa.array(rows)).to_pylist()), params)
    splits[image_ids.is_null().to_numpy()] = -1
    return splits


def judge(images: pa.Table, people: pa.Table, decisions: Mapping[str, Decision], params: CurateParams) -> pa.Table:
    """Judge every image; returns VERDICTS, one row an image in the order of ``images``, kept and rejected.

    ``images`` and ``people`` need only what COLUMNS here and in :mod:`curation.presence` name. Filters come first
    (:data:`curation.filters.RULES`). A decision goes over any of them, but does not make a broken file readable. Then,
    among what is left, the best of near-duplicates is kept (a human's choice first, then the largest, then the
    sharpest). A near-duplicate that falls into another split than the one kept is rejected with that reason, decision
    or not: splits never leak. Last, the cap of each scene: see :func:`curation.caps.over_cap`.

    Raises ValueError as :func:`curation.presence.people_columns`.
    """
    columns = {name: images[name].to_numpy() for name in FIGURES}
    columns["phash"] = images["phash"].fill_null(0).to_numpy()  # as floats, nulls would cost the low bits
    columns["status"], columns["scene"] = _texts(images["status"]), _texts(images["scene"])
    columns |= people_columns(images, people, params)
    failed = apply_rules(columns, params)
    splits = splits_of(images["image_id"], images["group"], params)
    wishes = list(decisions.values())
    listed = pa.array([wish.image_id for wish in wishes], pa.string())
    chosen = pc.index_in(images["image_id"], value_set=listed).fill_null(-1).to_numpy().astype(np.int64)
    # The last one stands for the rows without a decision.
    keeps, rejects = (np.array([wish.decision == word for wish in wishes] + [False]) for word in ("keep", "reject"))
    wanted = keeps[chosen] & (columns["status"] == "ok")
    kept = (wanted | (failed == PASSED)) & ~rejects[chosen]
    ids = _numbers(images["image_id"], kept)
    copies = choose(
        columns["phash"], ids, splits, _best_first(columns, kept, wanted), wanted, params.duplicate_distance
    )
    kept &= (copies.best < 0) | copies.spared
    over = over_cap(images, kept, wanted, params.scene_cap)
    kept &= ~over
    names = told(images)
    found = Found(names, ids, columns, failed, splits, chosen, copies, over, kept)
    words = pa.chunked_array(list(reasons(found, wishes, params)), pa.string())
    sides = np.minimum(columns["width"], columns["height"])
    added = {
        "kept": kept,
        "reason": words,
        "rule": _rules(words),
        "split": _named(splits, SPLITS),
        "person_score": _nullable(columns["person_score"]),
        "person_share": _nullable(columns["person_share"]),
        "duplicate_of": names.take(pa.array(copies.best, mask=(copies.best < 0) | copies.spared)),
        "refine_ok": np.nan_to_num(sides, nan=0) * ENLARGED >= params.refine_side,
        "decision": _named(chosen, [wish.decision for wish in wishes]),
    }
    arrays = []
    for name, (kind, _) in VERDICTS.columns.items():
        values = added[name] if name in added else images[name]
        arrays.append(pa.array(values, kind) if isinstance(values, np.ndarray) else values.cast(kind))
    return pa.Table.from_arrays(arrays, schema=VERDICTS.schema)


def _nullable(values: npt.NDArray[np.float64]) -> pa.Array:
    return pa.array(values, pa.float32(), from_pandas=True)


def _named(places: npt.NDArray[Any], names: Any) -> pa.Array:
    """Names by place (N,), null below 0."""
    return pa.array(names, pa.string()).take(pa.array(places, mask=places < 0))


def _texts(column: pa.ChunkedArray) -> npt.NDArray[np.object_]:
    """A column of few words as objects (N,): each word is one string, however often it occurs."""
    encoded = column.dictionary_encode().combine_chunks()
    words = np.array([*encoded.dictionary.to_pylist(), None], object)
    return np.asarray(words[encoded.indices.fill_null(-1).to_numpy()])


def _numbers(column: pa.ChunkedArray, rows: Mask) -> npt.NDArray[np.int64]:
    """A number for each text (N,), the same for the same text; -1 outside ``rows``."""
    numbers = np.full(len(rows), -1)
    numbers[rows] = column.filter(pa.array(rows)).combine_chunks().dictionary_encode().indices.to_numpy()
    return numbers


def _rules(words: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.replace_substring_regex(words, pattern="(?s):.*", replacement="")


def _best_first(columns: Columns, kept: Mask, wanted: Mask) -> Indices:
    rows = np.flatnonzero(kept)
    area = columns["width"][rows] * columns["height"][rows]
    # Rows come sorted by key, so the place settles what is otherwise equal.
    return rows[np.lexsort((rows, -columns["sharpness"][rows], -area, ~wanted[rows]))]


def summary(verdicts: pa.Table, decisions: Mapping[str, Decision]) -> dict[str, Any]:
    """Count a VERDICTS table: by rule and split, and the scenes that lose most.

    Raises ValueError where nothing is kept, with the count of each rule.
    """
    rules = _counts(verdicts["rule"])
    kept = verdicts.select(["split", "decision", "refine_ok"]).filter(verdicts["kept"])
    if not kept.num_rows:
        counts = ", ".join(f"{rule} {count}" for rule, count in rules.items()) or "the index is empty"
        raise ValueError(
            f"no background is left ({counts}); loosen the filter that took most, under curate in params.yaml"
        )
    by_scene = verdicts.select(["scene", "kept"]).group_by("scene").aggregate([("kept", "mean")])
    yields = sorted(
        (round(mean, 3), scene or "(unknown)")
        for scene, mean in zip(by_scene["scene"].to_pylist(), by_scene["kept_mean"].to_pylist(), strict=True)
    )
    splits = _counts(kept["split"])
    known = pc.index_in(verdicts["image_id"], value_set=pa.array(list(decisions), pa.string())).drop_null().unique()
    return {
        "images": verdicts.num_rows,
        "kept": kept.num_rows,
        "rejected": {rule: count for rule, count in rules.items() if rule not in ("ok", "decision")},
        "decisions": {
            "kept": _counts(kept["decision"]).get("keep", 0),
            "rejected": _counts(verdicts["decision"]).get("reject", 0),
            "unknown_image": len(decisions) - len(known),
        },
        "split": {name: splits.get(name, 0) for name in SPLITS},
        "refine_ok": pc.sum(kept["refine_ok"]).as_py(),
        "scenes": {
            "all": len(yields),
            "with_kept": sum(kept_share > 0 for kept_share, _ in yields),
            "lowest_yield": {scene: kept_share for kept_share, scene in yields[:LOWEST]},
        },
    }


def _counts(column: pa.ChunkedArray) -> dict[str, int]:
    """Count each word, sorted by name; nulls are not counted."""
    found = pc.value_counts(column.drop_null())
    return dict(sorted((each["values"].as_py(), each["counts"].as_py()) for each in found))
