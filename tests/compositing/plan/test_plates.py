from collections import Counter

import numpy as np
import pyarrow as pa

from compositing.plan.draws import Draws
from compositing.plan.pairing import plan_rows
from compositing.plan.plates import choose_plates
from compositing.tables import PLAN
from curation.tables import VERDICTS, to_arrow
from tests.compositing.composite_world import plan_params, verdict
from tests.compositing.plan.test_pairing import rows_of, tables

SURE = {"base__count": 300, "train__wrong_plate": 1.0}


def choose(ids, own):
    rows = np.array(own)
    backgrounds = pa.table({"image_id": ids})
    return choose_plates(Draws(1, "base", np.arange(len(rows))), np.ones(len(rows)), backgrounds, rows)


def test_a_wrong_plate_shows_any_other_photograph():
    plan = plan_rows(*tables(), plan_params(**SURE))
    assert plan.schema.equals(PLAN.schema)
    rows = rows_of(plan, "base")
    for row in rows:
        assert row["plate_locator"] != row["locator"] and row["plate_locator"].startswith("train")
        assert row["plate_crop_x"] >= 0 and row["plate_crop_x"] + row["plate_crop_w"] <= 320
        assert row["plate_crop_y"] >= 0 and row["plate_crop_y"] + row["plate_crop_h"] <= 240
    partners = Counter((row["locator"], row["plate_locator"]) for row in rows)
    assert len(partners) == 7 * 6


def test_copies_of_a_photograph_and_a_lone_one_are_no_wrong_plates():
    wrong, others = choose(["a", "a", "b"], [0] * 200)
    assert 50 < wrong.sum() < 150 and set(others) == {2}
    assert not choose(["a"], [0] * 20)[0].any()


def test_the_photograph_of_a_wrong_plate_is_credited():
    verdicts, frames = tables(backgrounds=1)
    second = to_arrow(VERDICTS, [verdict("train/x.jpg", "train", licence="CC BY", dataset="photos")])
    row = rows_of(plan_rows(pa.concat_tables([verdicts, second]), frames, plan_params(**SURE)), "base")[0]
    names = {"train/x.jpg": "CC BY", "train/0.jpg": "CC0"}
    assert row["licence"].startswith(f"background: {names[row['locator']]}; ")
    assert row["licence"].endswith(f"; plate: {names[row['plate_locator']]}")
