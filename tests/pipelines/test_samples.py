import pytest

from compositing.tables import PLAN
from curation.tables import read_table, write_table
from pipelines.samples import plan_space
from tests.compositing.composite_world import make_world, plan_params


def test_the_space_is_the_plans_own(tmp_path):
    world = make_world(tmp_path, plan_params(look__space="display"))
    assert plan_space(world.plan) == "display"
    rows = read_table(PLAN, world.plan).to_pylist()
    rows[3]["space"] = "linear"
    write_table(PLAN, rows, world.plan)
    with pytest.raises(ValueError, match=r"display and linear.*plan.look.space"):
        plan_space(world.plan)
