"""Kept and rejected backgrounds, with reasons and counts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from curation.images import decode_rgb
from pipelines.page.pictures import blur_boxes, data_uri

SMALLEST_SCORE = 0.2

Read = Callable[[str], bytes]


def spread(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """Pick ``count`` rows spread evenly over scenes and ids, the same ones each time."""
    ordered = rows.sort_values(["scene", "image_id", "locator"], na_position="last")
    chosen = np.unique(np.linspace(0, len(ordered) - 1, min(count, len(ordered))).round().astype(int))
    return ordered.iloc[chosen]


def galleries(verdicts: pd.DataFrame, people: pd.DataFrame, read: Read, count: int, blur: bool) -> list[dict[str, Any]]:
    """Return one gallery for the kept and one for each rule that rejected: title, total, pictures with captions."""
    boxes = boxes_by_locator(people)
    shown = [("kept", verdicts[verdicts["kept"]])]
    rejected = verdicts[~verdicts["kept"]]
    for rule, total in rejected["rule"].value_counts(sort=True).sort_index().items():
        shown.append((f"rejected: {rule}", rejected[rejected["rule"] == rule]))
        assert total == len(shown[-1][1])
    result = []
    for title, rows in shown:
        few = spread(rows, count if title == "kept" else max(4, count // 2))
        pictures = [
            _picture(row, read, [box for _, *box in boxes.get(row["locator"], [])] if blur and not row["kept"] else [])
            for row in few.to_dict("records")
        ]
        result.append({"title": title, "total": len(rows), "pictures": pictures})
    return result


def boxes_by_locator(people: pd.DataFrame) -> dict[str, list[list[float]]]:
    """Return each image's detections worth showing: score, x, y, w, h."""
    found = people[(people["role"] == "verdict") & (people["score"].fillna(0) >= SMALLEST_SCORE)]
    columns = ["score", "x", "y", "w", "h"]
    return {str(locator): part[columns].to_numpy().tolist() for locator, part in found.groupby("locator")}


def _picture(row: dict[str, Any], read: Read, hide: list[Any]) -> dict[str, Any]:
    caption = str(row["scene"] or "scene unknown") if row["kept"] else str(row["reason"])
    detail = row["locator"].rsplit("/", 1)[-1]
    if not pd.isna(row["width"]):
        detail += f", {int(row['width'])} x {int(row['height'])}"
    try:
        image = decode_rgb(read(row["locator"]))
    except (OSError, ValueError):
        return {"uri": None, "caption": caption, "detail": detail}
    return {"uri": data_uri(blur_boxes(image, hide), 300), "caption": caption, "detail": detail}


def counts(verdicts: pd.DataFrame) -> list[tuple[str, int]]:
    """Return how many images each rule rejected, most first, the kept ones on top."""
    rejected = verdicts.loc[~verdicts["kept"], "rule"].value_counts()
    return [("kept", int(verdicts["kept"].sum())), *((str(rule), int(n)) for rule, n in rejected.items())]
