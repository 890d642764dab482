from compositing.plan.coverage import MERGE, Coverage
from compositing.plan.pairing import plan_rows
from compositing.tables import SETS
from tests.compositing.composite_world import plan_params
from tests.compositing.plan.test_pairing import tables


def test_pieces_count_as_the_whole_does():
    plan = plan_rows(*tables(), plan_params(base__count=60))
    whole, pieces = Coverage(), Coverage()
    whole.add(plan)
    size = len(plan) // (2 * MERGE)
    handed_on = list(pieces.watch(plan.slice(i, size) for i in range(0, len(plan), size)))
    assert sum(map(len, handed_on)) == len(plan)
    assert pieces.counts() == whole.counts()
    assert whole.counts()["base"] | {"with_shadow": 0, "empty": 0, "with_second": 0, "with_object": 0} == {
        "composites": 60, "train": 60, "with_shadow": 0, "empty": 0, "with_second": 0, "with_object": 0,
        "camouflaged": 3, "through_video": 1, "with_wrong_plate": 0,
        "backgrounds": 7, "scenes": 3, "clips": 3, "frames": 15, "most_of_a_clip": 20,
    }  # fmt: skip


def test_a_set_without_rows_counts_nothing():
    assert {name: counts["composites"] for name, counts in Coverage().counts().items()} == dict.fromkeys(SETS, 0)
    assert Coverage().counts()["base"]["clips"] == 0
