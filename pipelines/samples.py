"""Opens the samples that training reads: from the shards, or rendered live from the plan, and extra sources.

The stages that use it depend on ``data/shards``, and live samples are those of the shards bit for bit, so they need not
depend on the code that renders: a refactoring that changes no shard does not train anything again.
"""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from compositing.inputs import InputRoots
from compositing.setrows import runs
from compositing.shards.live import PlanReader
from compositing.shards.reader import ShardReader
from compositing.tables import PLAN as TABLE_OF_PLAN
from curation.identity import file_id, item_id
from curation.storage import Root, is_remote, open_store
from curation.tables import check_table
from pipelines.params import Params
from pipelines.paths import extra_root, roots
from pipelines.scan import tree_digest
from training.config import TrainParams

if TYPE_CHECKING:
    from training.samples.data import Reader  # needs PyTorch

log = logging.getLogger("cleanplate.train")

PLAN, FRAMES, FRAME_STORE = Path("data/plan.parquet"), Path("data/frames.parquet"), Path("data/frames")
SHARDS, TABLE = Path("data/shards"), Path("data/shards.parquet")


def open_reader(params: Params, train: TrainParams, set_name: str) -> ShardReader | PlanReader:
    """The samples of a set, as ``train.data`` says. Raises FileNotFoundError naming what is missing."""
    if train.data == "shards":
        return ShardReader(shard_root(), TABLE, set_name)
    raw = roots(params)
    inputs = InputRoots(raw.backgrounds, FRAME_STORE, raw.videomatte)
    return PlanReader(PLAN, FRAMES, inputs, set_name, fgr_quality=params.render.fgr_quality)


def shard_root() -> Root:
    """Where the shards are: $CLEANPLATE_SHARDS, the URL of an object store or a folder, or ``data/shards``.

    Never a parameter, for it changes no byte: data/shards.parquet says what they are.
    """
    named = os.environ.get("CLEANPLATE_SHARDS")
    return SHARDS if not named else named if is_remote(named) else open_store(named).root


def open_training(params: Params, train: TrainParams, set_name: str) -> "Reader":
    """The samples of a set, with the extra sources of ``train.extra`` mixed in.

    Raises FileNotFoundError naming what is missing, ValueError for a source that does not fit or was not scanned.
    """
    rendered = open_reader(params, train, set_name)
    if not train.extra:
        return rendered
    from training.samples.extra import ExtraReader
    from training.samples.mixing import Extra, Mixture, check_shares

    section = f"train_{set_name}"
    check_shares([extra.share for extra in train.extra], section)
    height, width = rendered.read(0, recipe=False).pha.shape
    extras = []
    for asked in train.extra:
        known = params.extra.get(asked.name)
        root = extra_root(asked.name)
        if known is None or known.digest is None or known.digest.partition("+")[0] != tree_digest(root):
            what = "was never scanned" if known is None or known.digest is None else "changed since it was scanned"
            raise ValueError(f"{section}.extra: '{asked.name}' ({root}) {what}; run 'cleanplate scan'")
        reader = ExtraReader(asked.name, root, side=min(height, width))
        reader.check(train.crop[1])
        extras.append(Extra(reader, asked.share, asked.weight))
        log.info("%s: %d samples of '%s', %g of all", section, len(reader), asked.name, asked.share)
    return Mixture(rendered, extras)


def data_fingerprint(params: Params, train: TrainParams, table: Path = TABLE) -> str:
    """What a run's samples are, for its checkpoints: the shards and the extra sources."""
    extras = [word for extra in train.extra for word in (extra.name, str(params.extra[extra.name].digest))]
    return item_id(file_id(table), *extras) if extras else file_id(table)


def plan_space(plan: Path = PLAN) -> str:
    """What alpha mixes in a plan's composites, ``linear`` or ``display``: one space, for a network learns one.

    Raises FileNotFoundError for a missing plan, ValueError where it mixes both.
    """
    check_table(TABLE_OF_PLAN, plan)
    with pq.ParquetFile(plan) as file:
        spaces = {space for space, _, _ in runs(file, "space")}
    if len(spaces) != 1:
        raise ValueError(
            f"{plan}: alpha mixes {' and '.join(sorted(spaces)) or 'nothing'} in it; expected one value of "
            "plan.look.space: plan again with 'dvc repro plan'"
        )
    return spaces.pop()
