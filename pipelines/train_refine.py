"""Stage ``train_refine``: shards and the coarse network -> both networks, trained end to end."""

from pipelines.stage import Stage, run
from pipelines.train import MODELS, train_stage


def body(stage: Stage) -> None:
    """Train the refine network, its coarse part from ``train_base`` or from ``init``."""
    train_stage(stage, "refine", stage.params.train_refine, init=MODELS / "base.safetensors")


if __name__ == "__main__":
    run("train_refine", body)
