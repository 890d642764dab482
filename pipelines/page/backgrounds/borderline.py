"""The borderline of each filter, as contact sheets: what was nearly kept and what was nearly rejected."""

from typing import Any

import cv2
import numpy as np
import pandas as pd

from curation.filters import CurateParams
from curation.images import decode_rgb
from pipelines.page.backgrounds.gallery import Read, boxes_by_locator
from pipelines.page.backgrounds.limits import Limit, limits, nearest, values
from pipelines.page.pictures import Image, blur_boxes, data_uri, fit

SIDE = 300


def sheets(
    verdicts: pd.DataFrame, people: pd.DataFrame, read: Read, params: CurateParams, count: int, blur: bool
) -> list[dict[str, Any]]:
    """Return a gallery a filter: title, total, pictures with captions; ``count`` pictures on either side at most.

    Persons' boxes are drawn where the person filter decided, with their scores; ``blur`` makes all people found
    unrecognisable.
    """
    boxes = boxes_by_locator(people)
    result = []
    for limit in (Limit("people", "person_score", "person score", (params.person_score,)), *limits(params)):
        rows = nearest(verdicts, limit, count)
        measured = values(rows, limit)
        pictures = [
            _picture(row, value, limit, read, boxes.get(row["locator"], []), blur)
            for row, value in zip(rows.to_dict("records"), measured, strict=True)
        ]
        at = " and ".join(f"{each:g}" for each in limit.thresholds)
        words = f"borderline of {limit.rule}: {limit.words}, threshold {at}"
        result.append({"title": words, "total": len(pictures), "pictures": pictures})
    return result


def _picture(
    row: dict[str, Any], value: float, limit: Limit, read: Read, found: list[list[float]], blur: bool
) -> dict[str, Any]:
    caption = f"{'kept' if row['kept'] else 'rejected'}, {value:.3g}"
    detail = str(row["locator"]).rsplit("/", 1)[-1]
    try:
        image = decode_rgb(read(row["locator"]))
    except (OSError, ValueError):
        return {"uri": None, "caption": caption, "detail": detail}
    small = fit(image, SIDE)
    if blur:
        small = blur_boxes(small, [(x, y, w, h) for _, x, y, w, h in found])
    if limit.rule == "people":
        small = draw_boxes(small, found)
    return {"uri": data_uri(small, SIDE), "caption": caption, "detail": detail}


def draw_boxes(image: Image, found: list[list[float]]) -> Image:
    """Draw boxes (score, then x, y, w, h as shares of the image) into an RGB image (H, W, 3)."""
    out = image.copy()
    height, width = image.shape[:2]
    for score, x, y, w, h in found:
        left, top = round(x * width), round(y * height)
        corner = (round((x + w) * width), round((y + h) * height))
        for colour, thick in (((255, 255, 255), 3), ((181, 82, 59), 2)):
            cv2.rectangle(out, (left, top), corner, colour, thick)
        cv2.putText(out, f"{score:.2f}", (left + 3, top + 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 3)
        cv2.putText(out, f"{score:.2f}", (left + 3, top + 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (181, 82, 59), 1)
    return np.asarray(out, np.uint8)
