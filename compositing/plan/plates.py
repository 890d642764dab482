"""Captured backgrounds that are wrong altogether: which photograph a composite's plate shows in place of its own."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from compositing.plan.draws import Draws
from compositing.plan.placement import Flags

FROM_PLATE = ("dataset", "locator", "image_id")


def choose_plates(
    draws: Draws, probability: NDArray[np.float64], backgrounds: pa.Table, own: NDArray[np.int64]
) -> tuple[Flags, NDArray[np.int64]]:
    """Draw whose plate is wrong, (N,), and the row of ``backgrounds`` that each of these shows, (M,).

    ``probability``: of each row, (N,); ``own``: the row of its own photograph, (N,). Another photograph is one with
    other content; where a set has but one, no plate is wrong.
    """
    count = len(backgrounds)
    wrong = draws.chance("wrong_plate", probability) if count > 1 else np.zeros(len(draws), bool)
    others = (own + draws.integers("plate_image", 1, max(count - 1, 1))) % count
    ids = backgrounds["image_id"]
    at = np.flatnonzero(wrong)
    if len(at):
        copies = pc.equal(ids.take(pa.array(own[at])), ids.take(pa.array(others[at])))
        wrong[at[pc.fill_null(copies, True).to_numpy()]] = False
    return wrong, others[wrong]


def plate_columns(backgrounds: pa.Table, wrong: Flags, others: NDArray[np.int64], crop: dict[str, Any]) -> pa.Table:
    """Return the plan's columns of wrong plates, (N,): null where the plate is right.

    ``crop``: crop_x, crop_y, crop_w and crop_h of the wrong ones, (M,).
    """
    at = np.zeros(len(wrong), np.int64)
    at[wrong] = np.arange(len(others))
    place = pa.array(at, mask=~wrong)
    columns = {f"plate_{name}": backgrounds[name].take(pa.array(others)).take(place) for name in FROM_PLATE}
    columns |= {f"plate_{name}": pa.array(values).take(place) for name, values in crop.items()}
    return pa.table(columns)


def with_plates(words: pa.ChunkedArray, backgrounds: pa.ChunkedArray, wrong: Flags, others: NDArray[np.int64]) -> Any:
    """Add to licences or sources, (N,), those of the wrong plates: a third photograph is in these composites.

    ``backgrounds``: the licence or source of every background, ``others``: the row of each wrong plate there, (M,).
    """
    if not wrong.any():
        return words
    every = np.asarray(words.to_pylist(), object)
    names = pc.fill_null(backgrounds, "unknown").take(pa.array(others)).to_pylist()
    every[wrong] = [f"{word}; plate: {name}" for word, name in zip(every[wrong], names, strict=True)]
    return pa.array(every, pa.string())
