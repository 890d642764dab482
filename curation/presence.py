"""Detections -> what is known of people in each image, one row an image."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from curation.filters import CurateParams

COLUMNS = ("dataset", "locator", "role", "floor", "ceiling", "score", "x", "y", "w", "h", "status")
"""The columns of PEOPLE that are read here: the others would only cost memory."""
CELLS = 1 << 22
"""Cells between box edges worked on at a time: bounds the memory, about 100 MB."""

UNSEEN = "no row in people.parquet; run 'dvc repro detect'"


def people_columns(images: pa.Table, people: pa.Table, params: CurateParams) -> dict[str, npt.NDArray[Any]]:
    """Reduce detections to one row an image (N,), in the order of ``images``.

    ``person_score``: best score, 0 where nobody was found, NaN where nobody looked; ``person_best``: best score of
    those that count as persons, 0 where none does; ``person_share``: share of the image under their boxes;
    ``person_note``: why nobody looked.

    Raises ValueError where the looks that were made cannot answer the threshold, or the tables do not fit.
    """
    people = people.filter(pc.equal(people["role"], "verdict"))
    require_answerable(people, params.person_score, "curate.person_score")
    usable = pc.equal(people["status"], "ok")
    count = images.num_rows
    place, looked = _places(images, people), usable.to_numpy()
    best = np.full(count, np.nan)
    best[place[looked]] = 0
    scores = people["score"].to_numpy()
    found = looked & ~np.isnan(scores)
    np.maximum.at(best, place[found], scores[found])
    sure = np.flatnonzero(found & (scores >= np.float32(params.person_score)))
    boxes = np.stack([people[name].to_numpy()[sure] for name in ("x", "y", "w", "h")], axis=1).astype(np.float64)
    large = boxes[:, 2] * boxes[:, 3] >= params.person_share
    sure, boxes = sure[large], boxes[large]
    person = np.zeros(count)
    np.maximum.at(person, place[sure], scores[sure])
    notes = np.full(count, UNSEEN, object)
    blind = np.flatnonzero(~looked)
    notes[place[blind]] = people["status"].take(pa.array(blind)).to_numpy()
    return {
        "person_score": best,
        "person_best": person,
        "person_share": np.where(np.isnan(best), np.nan, _shares(count, place[sure], boxes)),
        "person_note": notes,
    }


def require_answerable(people: pa.Table, threshold: float, name: str) -> None:
    """Raise ValueError where a threshold lies below the scores that were stored, or above what the looks can tell.

    ``people``: PEOPLE rows of the role verdict; ``name``: what the user calls the threshold.
    """
    usable = pc.equal(people["status"], "ok")
    floor = pc.max(people["floor"].filter(usable)).as_py()
    ceiling = pc.min(people["ceiling"].filter(usable)).as_py()
    if floor is not None and ceiling is not None:
        require_between(threshold, floor, ceiling, name)


def require_between(threshold: float, floor: float, ceiling: float, name: str) -> None:
    """Raise ValueError where a threshold is not between what was or will be stored and what the looks can tell."""
    if threshold < floor - 1e-6:
        raise ValueError(
            f"{name} is {threshold:g}, but only scores from {floor:g} up were stored; "
            f"raise it, or lower detect.floor (the detector then runs again)"
        )
    if ceiling + 1e-6 < threshold < 1:
        raise ValueError(
            f"{name} is {threshold:g}, but where the whole image showed a person at {ceiling:g} or more, tiles were "
            f"not looked at: set it between {floor:g} and {ceiling:g}"
        )


def _places(images: pa.Table, people: pa.Table) -> npt.NDArray[np.int64]:
    """Row of ``images`` that each row of ``people`` belongs to (M,)."""
    if not people.num_rows:
        return np.zeros(0, np.int64)
    # Both tables are sorted by these columns, so an image's detections lie together: one look-up an image.
    new = np.ones(people.num_rows, bool)
    new[1:] = np.logical_or(
        *(pc.not_equal(people[name][1:], people[name][:-1]).to_numpy() for name in ("dataset", "locator"))
    )
    heads = people.select(["dataset", "locator"]).filter(pa.array(new))
    if all(heads[name].equals(images[name]) for name in ("dataset", "locator")):
        found = np.arange(images.num_rows)
    else:
        rows = pc.index_in(_key(heads), value_set=_key(images))
        if rows.null_count:
            raise ValueError("people.parquet names images that images.parquet lacks; run 'dvc repro detect'")
        found = rows.to_numpy().astype(np.int64)
    return np.asarray(found[np.cumsum(new) - 1])


def _key(table: pa.Table) -> Any:
    return pc.binary_join_element_wise(table["dataset"], table["locator"], "\0").combine_chunks()


def _shares(count: int, place: npt.NDArray[Any], boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Union area of the boxes (M, 4) of each of ``count`` images (N,)."""
    shares = np.zeros(count)
    order = np.argsort(place, kind="stable")
    images, starts, sizes = np.unique(place[order], return_index=True, return_counts=True)
    # Images with as many boxes are worked on together.
    for size in np.unique(sizes).tolist():
        mine = np.flatnonzero(sizes == size)
        batch = max(1, CELLS // (4 * size * size))
        for begin in range(0, len(mine), batch):
            some = mine[begin : begin + batch]
            shares[images[some]] = union_area(boxes[order[starts[some, None] + np.arange(size)]])
    return shares


def union_area(boxes: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Area under boxes (..., N, 4: x, y, w, h), what is under several counted once (...)."""
    if boxes.shape[-2] == 1:
        return np.asarray(boxes[..., 0, 2] * boxes[..., 0, 3])
    near, far = boxes[..., :2], boxes[..., :2] + boxes[..., 2:]
    edges = np.sort(np.concatenate([near, far], axis=-2), axis=-2)
    # Every cell between neighbouring edges lies wholly under a box or not at all.
    low, high = edges[..., None, :-1, :], edges[..., None, 1:, :]
    within = ((near[..., None, :] <= low) & (far[..., None, :] >= high)).astype(np.float32)
    covered = np.swapaxes(within[..., 1], -1, -2) @ within[..., 0] > 0
    steps = np.diff(edges, axis=-2)
    return np.asarray(np.einsum("...y,...yx,...x->...", steps[..., 1], covered, steps[..., 0]))
