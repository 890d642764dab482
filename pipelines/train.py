"""What the two training stages share: progress, curves, the published model."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from curation.storage import writing
from pipelines.paths import find_weights
from pipelines.progress import Progress
from pipelines.samples import data_fingerprint, open_reader, open_training, plan_space
from pipelines.stage import METRICS, Stage, require_extra
from training.config import TrainParams

if TYPE_CHECKING:
    from training.build import Kind

MODELS = Path("data/models")
PICTURES = Path("data/pictures")


def train_stage(stage: Stage, kind: "Kind", params: TrainParams, init: Path | None) -> None:
    """Train a network from ``params.init``, else from ``init``, and publish it with its curves."""
    require_extra("train")
    # Crops change size: CUDA's memory would be cut into pieces that fit no other. Read when PyTorch is first imported.
    os.environ.setdefault("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    from pipelines import unfinished
    from training import checkpoint, loop
    from training.watch import memory  # PyTorch only where it is used

    if params.init is not None:
        init = find_weights(params.init)
    readers = loop.Readers(open_training(stage.params, params, kind), open_reader(stage.params, params, "valid"))
    data, space = data_fingerprint(stage.params, params), plan_space()
    settings = checkpoint.settings(kind, params, data, space, init)
    unfinished.take_over(stage.name, stage.work.folder, loop.CHECKPOINTS, settings)
    done = checkpoint.newest_step(stage.work.folder / loop.CHECKPOINTS)
    with Progress(f"training {kind}", total=params.steps, done=done) as bar:
        made = loop.train(
            kind,
            params,
            readers,
            stage.work.folder,
            curves=METRICS / stage.name,
            data=data,
            init=init,
            progress=lambda step, note: bar.advance(step - bar.done, note),
            pictures=PICTURES / kind,
            space=space,
        )
    # To a tenth: on the CPU it wobbles from run to run, and DVC compares the file.
    used = round(memory.kept(stage.work.folder), 1)
    with writing(METRICS / stage.name / "memory.json") as temporary:
        temporary.write_text(json.dumps({"peak_memory_gib": used}) + "\n", encoding="utf-8")
    stage.work.link_file(made, MODELS / made.name)
