import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from curation.filters import CurateParams
from curation.presence import people_columns, union_area
from curation.tables import IMAGES, PEOPLE
from tests.curation.test_filters import GOOD

PARAMS = CurateParams.model_validate_json(json.dumps(GOOD | {"person_share": 0.02}))
GRID = 16


@given(arrays(np.int64, st.tuples(st.integers(1, 4), st.integers(1, 6), st.just(4)), elements=st.integers(0, 15)))
def test_union_is_what_counting_cells_gives(boxes: np.ndarray) -> None:
    expected = []
    for image in boxes:
        canvas = np.zeros((32, 32), bool)
        for x, y, w, h in image:
            canvas[y : y + h, x : x + w] = True
        expected.append(canvas.sum())
    assert union_area(boxes.astype(np.float64)) == pytest.approx(expected)


def table_of(schema: pa.Schema, rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist([dict.fromkeys(schema.names) | row for row in rows], schema=schema)


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_it_is_what_looking_at_one_image_after_another_gives(data: st.DataObject) -> None:
    names = [f"{k:02d}" for k in range(data.draw(st.integers(1, 6)))]
    images = table_of(IMAGES.schema, [{"dataset": "d", "locator": name} for name in names])
    rows: dict[str, list[dict[str, object]]] = {}
    sixteenths = st.integers(0, GRID).map(lambda k: k / GRID)
    for name in data.draw(st.lists(st.sampled_from(names), unique=True)):
        blind = data.draw(st.booleans())
        found = [] if blind else data.draw(st.lists(st.tuples(*[sixteenths] * 5), max_size=4))
        row = {"dataset": "d", "locator": name, "floor": 0.2, "status": "not looked at: x" if blind else "ok"}
        rows[name] = [row | dict(zip(("score", "x", "y", "w", "h"), f, strict=True)) for f in found] or [row]
    people = table_of(PEOPLE.schema, [row for name in names for row in rows.get(name, [])])
    columns = people_columns(images, people, PARAMS)
    for place, name in enumerate(names):
        mine = rows.get(name)
        looked = mine is not None and mine[0]["status"] == "ok"
        scored = [row for row in mine or [] if row.get("score") is not None]
        counted = [row for row in scored if row["score"] >= 0.5 and row["w"] * row["h"] >= 0.02]
        canvas = np.zeros((2 * GRID, 2 * GRID), bool)
        for row in counted:
            x, y, w, h = (round(row[side] * GRID) for side in "xywh")
            canvas[y : y + h, x : x + w] = True
        expected = (
            max((row["score"] for row in scored), default=0) if looked else np.nan,
            max((row["score"] for row in counted), default=0),
            canvas.sum() / GRID**2 if looked else np.nan,
        )
        values = [columns[key][place] for key in ("person_score", "person_best", "person_share")]
        np.testing.assert_allclose(values, expected)
        if not looked:
            assert columns["person_note"][place] == (
                "not looked at: x" if mine else "no row in people.parquet; run 'dvc repro detect'"
            )
