import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from curation.filters import CurateParams
from curation.presence import people_columns, require_answerable, union_area
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
        row = {"dataset": "d", "locator": name, "role": "verdict", "floor": 0.2, "ceiling": 1.0}
        row["status"] = "not looked at: x" if blind else "ok"
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


def test_what_single_members_said_decides_nothing() -> None:
    images = table_of(IMAGES.schema, [{"dataset": "d", "locator": "a"}])
    row = {"dataset": "d", "locator": "a", "floor": 0.2, "ceiling": 1.0, "status": "ok"}
    box = {"x": 0.1, "y": 0.1, "w": 0.5, "h": 0.5}
    people = table_of(PEOPLE.schema, [row | {"role": "verdict"}, row | box | {"role": "member", "score": 0.9}])
    assert people_columns(images, people, PARAMS)["person_score"].tolist() == [0]


@pytest.mark.parametrize(
    ("threshold", "words"),
    [
        (0.19, r"only scores from 0\.2 up"),
        (0.98, r"set it between 0\.2 and 0\.97"),
        (0.2, None),
        (0.97, None),
        (1.0, None),
    ],
)
def test_a_threshold_that_the_looks_cannot_answer_is_refused(threshold: float, words: str | None) -> None:
    rows = [{"floor": 0.2, "ceiling": ceiling, "status": "ok"} for ceiling in (0.97, 1.0)]
    people = table_of(PEOPLE.schema, [*rows, {"floor": 0.9, "ceiling": 0.1, "status": "not looked at"}])
    if words is None:
        require_answerable(people, threshold, "curate.person_score")
    else:
        with pytest.raises(ValueError, match=f"curate.person_score is .*{words}"):
            require_answerable(people, threshold, "curate.person_score")
