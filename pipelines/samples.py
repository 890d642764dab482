"""Opens the samples that training reads: from the shards, or rendered live from the plan.

The stages that use it depend on ``data/shards``, and live samples are those of the shards bit for bit, so they need not
depend on the code that renders: a refactoring that changes no shard does not train anything again.
"""

from pathlib import Path

import pyarrow.compute as pc

from compositing.inputs import InputRoots
from compositing.shards.live import PlanReader
from compositing.shards.reader import ShardReader
from compositing.tables import PLAN as TABLE_OF_PLAN
from curation.tables import read_table
from pipelines.params import Params
from pipelines.paths import roots
from training.config import TrainParams

PLAN, FRAMES, FRAME_STORE = Path("data/plan.parquet"), Path("data/frames.parquet"), Path("data/frames")
SHARDS, TABLE = Path("data/shards"), Path("data/shards.parquet")


def open_reader(params: Params, train: TrainParams, set_name: str) -> ShardReader | PlanReader:
    """The samples of a set, as ``train.data`` says. Raises FileNotFoundError naming what is missing."""
    if train.data == "shards":
        return ShardReader(SHARDS, TABLE, set_name)
    raw = roots(params)
    inputs = InputRoots(raw.backgrounds, FRAME_STORE, raw.videomatte)
    return PlanReader(PLAN, FRAMES, inputs, set_name, fgr_quality=params.render.fgr_quality)


def plan_space(plan: Path = PLAN) -> str:
    """What alpha mixes in a plan's composites, ``linear`` or ``display``: one space, for a network learns one.

    Raises FileNotFoundError for a missing plan, ValueError where it mixes both.
    """
    spaces = pc.unique(read_table(TABLE_OF_PLAN, plan, ["space"])["space"]).to_pylist()
    if len(spaces) != 1:
        raise ValueError(
            f"{plan}: alpha mixes {' and '.join(sorted(spaces)) or 'nothing'} in it; expected one value of "
            "plan.look.space: plan again with 'dvc repro plan'"
        )
    return str(spaces[0])
