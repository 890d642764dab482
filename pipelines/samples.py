"""Opens the samples that training reads: from the shards, or rendered live from the plan.

The stages that use it depend on ``data/shards``, and live samples are those of the shards bit for bit, so they need not
depend on the code that renders: a refactoring that changes no shard does not train anything again.
"""

from pathlib import Path

from compositing.inputs import InputRoots
from compositing.render import PlanReader
from compositing.shards import ShardReader
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
    inputs = InputRoots(raw.places365, FRAME_STORE, raw.videomatte)
    return PlanReader(PLAN, FRAMES, inputs, set_name, fgr_quality=params.render.fgr_quality)
